"""Checkpoints on the Hub: only the files that are needed, through its own client and cache.

`HF_TOKEN`, `HF_ENDPOINT`, `HF_HUB_OFFLINE` and `HF_HOME` are the client's own and hold here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roberta_inspect.checkpoint import files, weights
from roberta_inspect.checkpoint.files import reason_of
from roberta_inspect.checkpoint.forms import check_other_forms
from roberta_inspect.checkpoint.header import BITS, Header
from roberta_inspect.checkpoint.index import read_index
from roberta_inspect.checkpoint.locate import Location, spelt_otherwise
from roberta_inspect.checkpoint.vocabulary import SETTINGS, vocabulary_files
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.text import safe


def fetched(location: Location) -> Path:
    """The directory with `config.json` and the weights.

    A local checkpoint's directory as it is; the snapshot in the Hub's cache otherwise.

    Raises:
        CannotInspectError: the Hub has no such model or file, or does not hand it out.
    """
    if location.directory is not None:
        return location.directory
    with _client(location) as fetch:
        directory = fetch.config()
        for name in files.FORMS:
            found = fetch.optional(name)
            if found is not None and name.endswith(".json"):
                for shard in sorted(set(read_index(found).values())):
                    fetch.required(shard)
            if found is not None:
                break
    return directory


def fetched_tokenizer(location: Location) -> tuple[Path, tuple[str, ...]]:
    """The directory with `config.json` and the tokenizer, and which of its files there are.

    Raises:
        CannotInspectError: as `fetched`.
    """
    if location.directory is not None:
        return location.directory, _present(location.directory)
    with _client(location) as fetch:
        directory = fetch.config()
        for name in SETTINGS:
            fetch.optional(name)
        for name in vocabulary_files(directory):
            fetch.optional(name)
    return directory, _present(directory)


def _present(directory: Path) -> tuple[str, ...]:
    if not files.present(directory / "config.json"):
        return ()
    names = (*SETTINGS, *vocabulary_files(directory))
    return tuple(name for name in names if files.present(directory / name))


def outline(location: Location) -> tuple[Path, Header | None, tuple[str, ...]]:
    """The directory with `config.json`, the weight files' header, and their names.

    From the Hub nothing else travels; a pickle's names cannot be had that way, so its header is
    `None`. A file that the cache holds already is read there.

    Raises:
        CannotInspectError: as `fetched`, or a file is broken.
    """
    if location.directory is not None:
        return location.directory, *weights.outline(location.directory)
    with _client(location) as fetch:
        directory = fetch.config()
        if files.weight_form(directory) is not None:
            return directory, *weights.outline(directory)
        form = fetch.form()
        if form is None or not form.startswith(files.SAFETENSORS):
            return directory, None, () if form is None else (form,)
        return directory, *fetch.header()


def has_weights(location: Location) -> bool:
    """Whether there is a weight file beside the configuration.

    Raises:
        CannotInspectError: weights in another form alone; the Hub has no such model, or does not
            answer.
    """
    if location.directory is not None:
        there = files.weight_form(location.directory) is not None
        if not there and files.present(location.directory / "config.json"):
            check_other_forms(location.directory)
        return there
    with _client(location) as fetch:
        return (files.weight_form(fetch.config()) or fetch.form()) is not None


@contextlib.contextmanager
def bars_as_they_were() -> Iterator[None]:
    """Whatever happens to the client's progress bars inside, they are as before afterwards."""
    from huggingface_hub import utils

    disabled = utils.are_progress_bars_disabled()
    try:
        yield
    finally:
        if utils.are_progress_bars_disabled() != disabled:
            (utils.disable_progress_bars if disabled else utils.enable_progress_bars)()


class _Fetch:
    """One model at one commit: the one that its `config.json` came from."""

    def __init__(self, location: Location) -> None:
        self.repo = location.repo or ""
        self.revision = location.revision

    def config(self) -> Path:
        """Fetches `config.json`; the rest will come from the same commit."""
        found = self.required("config.json")
        self.revision = found.parent.name
        return found.parent

    def required(self, name: str) -> Path:
        """The file in the cache, fetched where it is not there yet."""
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(self.repo, name, revision=self.revision))

    def optional(self, name: str) -> Path | None:
        """The file, or `None` where the model has none of that name.

        The client answers with the same error for "not there" and "not in the cache, and the Hub
        cannot be reached"; the second is told apart by its class, and matters unless offline is
        what the user asked for.
        """
        from huggingface_hub import utils
        from huggingface_hub.constants import HF_HUB_OFFLINE

        try:
            return self.required(name)
        except utils.LocalEntryNotFoundError:
            if HF_HUB_OFFLINE:
                return None
            raise
        except utils.EntryNotFoundError:
            return None

    def form(self) -> str | None:
        """Which of `FORMS` the model has on the Hub; `None` for none, and offline."""
        from huggingface_hub import HfApi
        from huggingface_hub.constants import HF_HUB_OFFLINE

        if HF_HUB_OFFLINE:
            return None
        api = HfApi()
        return next(
            (
                name
                for name in files.FORMS
                if api.file_exists(self.repo, name, revision=self.revision)
            ),
            None,
        )

    def header(self) -> tuple[Header, tuple[str, ...]]:
        """Names, dtypes and shapes, by range requests for the header's bytes."""
        from huggingface_hub import HfApi

        told = HfApi().get_safetensors_metadata(self.repo, revision=self.revision)
        header: Header = {}
        for file, metadata in told.files_metadata.items():
            for name, tensor in metadata.tensors.items():
                if tensor.dtype not in BITS:
                    where = f"{self.repo}/{file}"
                    raise files.fault(
                        where, f"is broken: {safe(name)} has dtype {safe(tensor.dtype)}"
                    )
                header[name] = (tensor.dtype, tuple(tensor.shape))
        return header, tuple(sorted(told.files_metadata))


@contextlib.contextmanager
def _client(location: Location) -> Iterator[_Fetch]:
    """The client, its bars shown on a terminal only, its errors in a user's words."""
    # Its logger gets its level when the first of its modules that log is imported: here.
    from huggingface_hub import file_download, utils  # noqa: F401

    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.CRITICAL)
    failed = f"the download of {_shown(location)} failed"
    hint = "Try again: what is complete already is in the cache and is not fetched twice."
    try:
        with files.told(failed, hint=hint), bars_as_they_were():
            if not sys.stderr.isatty():
                utils.disable_progress_bars()
            try:
                yield _Fetch(location)
            # Its own errors have sentences; others are of two HTTP libraries, and the system's.
            except Exception as error:
                sentence = _sentence(location, error)
                if sentence is None:
                    raise
                raise sentence from error
    finally:
        log.setLevel(level)


def _shown(location: Location) -> str:
    at = f" at revision {safe(location.revision)}" if location.revision else ""
    return f"{safe(location.repo)}{at}"


def _sentence(location: Location, error: Exception) -> CannotInspectError | None:
    """What an error of the client's own says to a user; `None` for any other."""
    from huggingface_hub import constants, utils

    repo, shown = safe(location.repo), _shown(location)
    offline, reach = _unreached(bool(constants.HF_HUB_OFFLINE))
    meant = spelt_otherwise(location.source)
    causes: tuple[tuple[Any, str, str], ...] = (
        (
            utils.GatedRepoError,
            f"{repo} is gated: the Hub hands it out only to those who were granted access",
            "Ask for access on the model's page, then set HF_TOKEN or run `hf auth login`.",
        ),
        (
            utils.RepositoryNotFoundError,
            f"{repo} is neither a directory here nor a model on the Hub that you may read",
            meant or "Check the spelling; for a private model set HF_TOKEN or run `hf auth login`.",
        ),
        (
            utils.RevisionNotFoundError,
            f"{repo} has no revision {safe(location.revision)}",
            "Give a branch, a tag or a whole commit hash as revision=.",
        ),
        (
            (utils.LocalEntryNotFoundError, utils.OfflineModeIsEnabled),
            f"{shown} is neither a directory here nor in the Hub's cache, and {offline}",
            meant or reach,
        ),
        (
            utils.EntryNotFoundError,
            f"{shown} on the Hub lacks a file that is needed: {reason_of(error)}",
            "Give a model with a config.json and weights.",
        ),
        (
            utils.HFValidationError,
            f"{repo} is neither a directory here nor a valid Hub model id",
            "A model id is owner/name.",
        ),
        (
            (utils.SafetensorsParsingError, utils.NotASafetensorsRepoError),
            f"the safetensors header of {shown} cannot be read: {reason_of(error)}",
            files.AGAIN,
        ),
    )
    return next(
        (
            CannotInspectError(message, hint=hint)
            for kinds, message, hint in causes
            if isinstance(error, kinds)
        ),
        None,
    )


def _unreached(offline: bool) -> tuple[str, str]:
    """Why the Hub was not reached, and what to do about it."""
    if offline:
        variables = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
        name = next((each for each in variables if os.environ.get(each)), variables[0])
        return f"{name} is set", f"Unset {name}, or give a directory."
    endpoint = re.sub("//[^/@]*@", "//", os.environ.get("HF_ENDPOINT", ""))
    told = f" (HF_ENDPOINT is {safe(endpoint)})" if endpoint else ""
    return "the Hub did not answer", f"Check the network{told}, or give a directory."

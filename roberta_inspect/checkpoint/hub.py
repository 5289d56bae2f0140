"""Checkpoints on the Hub: only the files that are needed, through its own client and cache.

`HF_TOKEN`, `HF_ENDPOINT`, `HF_HUB_OFFLINE` and `HF_HOME` are read by the client and apply here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from roberta_inspect.checkpoint import files, weights
from roberta_inspect.checkpoint.files import reason_of
from roberta_inspect.checkpoint.forms import check_other_forms
from roberta_inspect.checkpoint.header import BITS, Header
from roberta_inspect.checkpoint.index import read_index
from roberta_inspect.checkpoint.locate import Location, spelt_otherwise
from roberta_inspect.checkpoint.patience import TRY_AGAIN, Retries, patient, say
from roberta_inspect.checkpoint.vocabulary import SETTINGS, vocabulary_files
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.text import counted, safe, storage

WEIGHT_ENDINGS = (".safetensors", ".bin")
"""Files that may be of any size end so; all others are read whole."""

MOST_SHARDS = 1000

PAUSES = (1, 2, 4)
"""Seconds before a request is tried again."""

LONGEST_PAUSE = 60
"""Seconds that the Hub may ask to wait."""

SLOWEST = 10_000
"""Bytes a second of the slowest download that is waited for."""

LONGEST_ANSWER = 30
"""Seconds that any answer may take."""

TRIED_AGAIN = frozenset({429, 500, 502, 503, 504})
"""Status codes after which a request is tried again."""

PLAIN_NAME = re.compile(r"[\w-][\w.+=~-]*", re.ASCII)
"""What a commit and an ETag may be: the client names files of its cache after them."""


def fetched(location: Location) -> Path:
    """The directory with `config.json` and the weights.

    A local checkpoint's directory as it is; the snapshot in the Hub's cache otherwise.

    Raises:
        CannotInspectError: the Hub has no such model or file, or refuses access.
    """
    if location.directory is not None:
        return location.directory
    with _client(location) as fetch:
        directory = fetch.config()
        for name in files.WEIGHT_FORMS:
            path = fetch.optional(name)
            if path is not None and name.endswith(".json"):
                for shard in _shards(path):
                    fetch.required(shard)
            if path is not None:
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


def fetched_headers(location: Location) -> tuple[Path, Header | None, tuple[str, ...]]:
    """The directory with `config.json`, the weight files' header, and their names.

    From the Hub only the headers are fetched. A pickle has none, so its header is `None` unless
    the cache holds the file already.

    Raises:
        CannotInspectError: as `fetched`, or a file is broken.
    """
    if location.directory is not None:
        return location.directory, *weights.read_headers(location.directory)
    with _client(location) as fetch:
        directory = fetch.config()
        if _is_whole(directory):
            return directory, *weights.read_headers(directory)
        form = fetch.form()
        if form is None or not form.startswith(files.SAFETENSORS):
            return directory, None, () if form is None else (form,)
        if form.endswith(".json"):
            _shards(fetch.required(form))
        return directory, *fetch.header()


def has_weights(location: Location) -> bool:
    """Whether there is a weight file beside the configuration.

    Raises:
        CannotInspectError: weights in another form alone; the Hub has no such model, or does not
            answer.
    """
    if location.directory is not None:
        has_any = files.weight_form(location.directory) is not None
        if not has_any and files.present(location.directory / "config.json"):
            check_other_forms(location.directory)
        return has_any
    with _client(location) as fetch:
        return (files.weight_form(fetch.config()) or fetch.form()) is not None


def _shards(index: Path) -> list[str]:
    """The files that an index names; each is a request."""
    names = sorted(set(read_index(index).values()))
    if len(names) > MOST_SHARDS:
        raise files.file_error(
            index, f"names {len(names):,} shards; at most {MOST_SHARDS:,} are read"
        )
    return names


def _is_whole(directory: Path) -> bool:
    """Whether a snapshot holds weights, every shard that its index names included."""
    form = files.weight_form(directory)
    if form is None or not form.endswith(".json"):
        return form is not None
    return all(files.present(directory / name) for name in _shards(directory / form))


@contextlib.contextmanager
def progress_bars_restored() -> Iterator[None]:
    """Restore the state of the client's progress bars afterwards."""
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
        self.location = location
        self.repo = location.repo or ""
        self.revision = location.revision

    def config(self) -> Path:
        """Fetch `config.json`; the rest will come from the same commit."""
        path = self.required("config.json")
        self.revision = path.parent.name
        return path.parent

    def required(self, name: str) -> Path:
        """The file in the cache, fetched where it is not there yet.

        Raises:
            CannotInspectError: the Hub's answer names no place in the cache, a file that is read
                whole is too large, or it takes too long.
        """
        from huggingface_hub import hf_hub_download
        from huggingface_hub.constants import HF_HUB_OFFLINE

        where = f"{name} of {self.repo}"
        if HF_HUB_OFFLINE or self._is_cached(name):
            return Path(hf_hub_download(self.repo, name, revision=self.revision))
        try:
            size = self._size(name)
        except _UnansweredError:
            with contextlib.suppress(OSError, ValueError):
                return self._from_cache(name)
            raise
        with patient(f"the download of {where} ({storage(size)})", LONGEST_ANSWER + size / SLOWEST):
            return Path(hf_hub_download(self.repo, name, revision=self.revision))

    def _is_cached(self, name: str) -> bool:
        """Whether the file of this very commit is in the cache already."""
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(self.repo, name, revision=self.revision)
        return isinstance(path, str) and Path(path).parent.name == self.revision

    def _from_cache(self, name: str) -> Path:
        """The file as the cache has it, for a Hub that does not answer."""
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(self.repo, name, revision=self.revision, local_files_only=True))

    def _size(self, name: str) -> int:
        """Bytes of a file on the Hub, which must be one that can be fetched."""
        metadata = self._metadata(name)
        where = f"{self.repo}/{name}"
        for header in (metadata.commit_hash, metadata.etag):
            if header is None:
                raise CannotInspectError(
                    f"{safe(where)} was answered, but not by a Hub: its headers name no commit or "
                    "no ETag",
                    hint=f"A proxy or a login page may have answered. {_reach()}",
                )
            if not PLAIN_NAME.fullmatch(header):
                raise CannotInspectError(
                    f"{safe(where)} was answered with the header {safe(header)}, which would lead "
                    "out of the cache",
                    hint=_reach(),
                )
        size = metadata.size
        if not name.endswith(WEIGHT_ENDINGS) and (size is None or size > files.LARGEST_READ):
            large = "of unknown size" if size is None else f"{storage(size)} large"
            raise files.file_error(
                where, f"is {large}; at most {storage(files.LARGEST_READ)} are read"
            )
        return size or 0

    def _metadata(self, name: str) -> Any:
        """Size, ETag and commit of a file; asked for again where the Hub is busy."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(self.repo, name, revision=self.revision)
        where = f"{name} of {self.repo}"
        for pause in (*PAUSES, None):
            try:
                with patient(f"the Hub's answer on {where}", LONGEST_ANSWER):
                    return get_hf_file_metadata(url)
            except Exception as error:
                if not _is_passing(error):
                    raise
                seconds = max(pause or 0, _retry_after(error) or 0)
                if pause is None or seconds > LONGEST_PAUSE:
                    raise _unanswered(self.location, error) from error
                status = _status(error)
                answer = "does not answer" if status is None else f"answers {_status_words(status)}"
                again = f"trying again in {counted(seconds, 'second')}"
                say(f"The Hub {answer} on {where}: {again}")
                time.sleep(seconds)
        raise AssertionError("unreachable: without a pause it returns or raises")

    def optional(self, name: str) -> Path | None:
        """The file, or `None` where the model has none of that name.

        The client raises the same kind of error for "no such file" and for "not in the cache, and
        the Hub cannot be reached". The second has a subclass, and is fine only offline.
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
        """Which of `WEIGHT_FORMS` the model has on the Hub; `None` for none, and offline."""
        from huggingface_hub import utils
        from huggingface_hub.constants import HF_HUB_OFFLINE

        if HF_HUB_OFFLINE:
            return None
        for name in files.WEIGHT_FORMS:
            with contextlib.suppress(utils.EntryNotFoundError):
                self._size(name)
                return name
        return None

    def header(self) -> tuple[Header, tuple[str, ...]]:
        """Names, dtypes and shapes, by range requests for the header's bytes."""
        from huggingface_hub import HfApi

        task = f"the header of the weights of {self.repo}"
        with patient(task, LONGEST_ANSWER + files.LARGEST_READ / SLOWEST):
            metadata = HfApi().get_safetensors_metadata(self.repo, revision=self.revision)
        header: Header = {}
        for file, shard in metadata.files_metadata.items():
            for name, tensor in shard.tensors.items():
                if tensor.dtype not in BITS:
                    where = f"{self.repo}/{file}"
                    raise files.file_error(
                        where, f"is broken: {safe(name)} has dtype {safe(tensor.dtype)}"
                    )
                header[name] = (tensor.dtype, tuple(tensor.shape))
        return header, tuple(sorted(metadata.files_metadata))


@contextlib.contextmanager
def _client(location: Location) -> Iterator[_Fetch]:
    """The client, with progress bars on a terminal only, and sentences for its errors."""
    from huggingface_hub import utils

    logs = [
        logging.getLogger(f"huggingface_hub.{name}") for name in ("utils._http", "file_download")
    ]
    retries = Retries(_model_words(location))
    for log in logs:
        log.addFilter(retries)
    failed = f"the download of {_model_words(location)} failed"
    try:
        with files.errors_as(failed, hint=TRY_AGAIN), progress_bars_restored():
            if not sys.stderr.isatty():
                utils.disable_progress_bars()
            try:
                yield _Fetch(location)
            # Of the client, of two HTTP libraries or of the system.
            except Exception as error:
                refusal = _client_error(location, error)
                if refusal is None:
                    raise
                raise refusal from error
    finally:
        for log in logs:
            log.removeFilter(retries)


def _model_words(location: Location) -> str:
    at = f" at revision {safe(location.revision)}" if location.revision else ""
    return f"{safe(location.repo)}{at}"


def _client_error(location: Location, error: Exception) -> CannotInspectError | None:
    """The sentence for an error of the client's own; `None` for any other."""
    from huggingface_hub import constants, utils

    repo, model = safe(location.repo), _model_words(location)
    offline, reach = _unreached(offline=bool(constants.HF_HUB_OFFLINE))
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
            f"{model} is neither a directory here nor in the Hub's cache, and {offline}",
            meant or reach,
        ),
        (
            utils.EntryNotFoundError,
            f"{model} on the Hub lacks a file that is needed: {reason_of(error)}",
            "Give a model with a config.json and weights.",
        ),
        (
            utils.HFValidationError,
            f"{repo} is neither a directory here nor a valid Hub model id",
            "A model id is owner/name.",
        ),
        (
            (utils.SafetensorsParsingError, utils.NotASafetensorsRepoError),
            f"the safetensors header of {model} cannot be read: {reason_of(error)}",
            files.AGAIN,
        ),
    )
    for kinds, message, hint in causes:
        if isinstance(error, kinds):
            return CannotInspectError(message, hint=hint)
    status = _status(error)
    if status is not None:
        return _answered(model, status, error)
    return None


class _UnansweredError(CannotInspectError):
    """The Hub was not reached, or is busy; the cache may still have the file."""


def _unanswered(location: Location, error: Exception) -> _UnansweredError:
    status = _status(error)
    if status is not None:
        refusal = _answered(_model_words(location), status, error)
        return _UnansweredError(refusal.message, hint=refusal.hint)
    return _UnansweredError(
        f"{_model_words(location)} is neither a directory here nor in the Hub's cache, and the Hub "
        f"did not answer: {reason_of(error)}",
        hint=spelt_otherwise(location.source) or _reach(),
    )


def _answered(model: str, status: int, error: Exception) -> CannotInspectError:
    """The error for a status that the client has no class for."""
    wait = _retry_after(error)
    request = "" if wait is None else f" and asks to wait {wait} seconds"
    meanings = {
        401: (
            "who asks is not known to it",
            "Set HF_TOKEN to a token that is valid, or run `hf auth login`.",
        ),
        403: (
            "it does not hand this model out to you, or a proxy does not let it through",
            "Ask for access on the model's page, and set HF_TOKEN or run `hf auth login`.",
        ),
        404: ("there is nothing at that address", f"Check the model id. {_reach()}"),
        407: ("a proxy asks who you are", "Give the proxy's user and password in HTTPS_PROXY."),
        429: (
            "there were too many requests",
            "Wait a few minutes; with HF_TOKEN set more requests are allowed.",
        ),
    }
    otherwise = (
        ("it is in trouble itself", f"Try again later. {_reach()}")
        if status >= 500
        else ("which a Hub does not usually answer: a proxy may have", _reach())
    )
    meaning, hint = meanings.get(status, otherwise)
    return CannotInspectError(
        f"the Hub answers {_status_words(status)} on {model}{request}: {meaning}", hint=hint
    )


def _status(error: Exception) -> int | None:
    """The HTTP status behind an error."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _status_words(status: int) -> str:
    """`503 Service Unavailable`."""
    is_standard = status in HTTPStatus.__members__.values()
    return f"{status} {HTTPStatus(status).phrase}" if is_standard else str(status)


def _retry_after(error: Exception) -> int | None:
    """The seconds that an answer asks to wait."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    seconds = headers.get("Retry-After", "")
    return int(seconds) if re.fullmatch(r"[0-9]{1,9}", seconds) else None


def _is_passing(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    status = _status(error)
    return status in TRIED_AGAIN if status is not None else _is_of_network(error)


def _is_of_network(error: Exception) -> bool:
    """Whether the system or one of the client's HTTP libraries could not reach a server."""
    library = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) or library.startswith(("httpx", "httpcore", "requests"))


def _reach() -> str:
    return _unreached(offline=False)[1]


def _unreached(*, offline: bool) -> tuple[str, str]:
    """Why the Hub was not reached, and what to do about it."""
    if offline:
        variables = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
        name = next((variable for variable in variables if os.environ.get(variable)), variables[0])
        return f"{name} is set", f"Unset {name}, or give a directory."
    endpoint = re.sub("//[^/@]*@", "//", os.environ.get("HF_ENDPOINT", ""))
    note = f" (HF_ENDPOINT is {safe(endpoint)})" if endpoint else ""
    return "the Hub did not answer", f"Check the network{note}, or give a directory."

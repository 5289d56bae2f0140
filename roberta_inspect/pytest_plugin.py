"""The pytest plugin: a fixture that compares a model with the contract beside the test.

pytest imports this module in every session, so heavy imports wait until a test uses the fixture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from roberta_inspect.errors import InspectError

if TYPE_CHECKING:
    from roberta_inspect.records import OutputMap

UPDATE = "--update-contracts"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("roberta-inspect")
    group.addoption(
        UPDATE, action="store_true", help="Write the contracts of output_contract anew."
    )


@pytest.fixture
def output_contract(request: pytest.FixtureRequest) -> OutputContract:
    """Compares a checkpoint or model with a saved map: `output_contract("my-roberta")`."""
    update = bool(request.config.getoption(UPDATE))
    return OutputContract(_beside(request.path, request.node.name), update)


def _beside(file: Path, test: str) -> Path:
    """`test_film.test_outputs.json` for `test_outputs` in `test_film.py`."""
    name = re.sub(r"[^\w.-]+", "-", f"{file.stem}.{test}").strip("-")
    return file.with_name(f"{name}.json")


@dataclass(frozen=True)
class OutputContract:
    """The contract of one test."""

    path: Path
    """The file of the contract, unless the test names another one."""
    update: bool
    """Whether contracts are written anew before the comparison."""
    written: set[Path] = field(default_factory=set)

    def __call__(
        self,
        checkpoint_or_model: Any = None,
        *,
        path: str | Path | None = None,
        values: bool = False,
        **arguments: Any,
    ) -> OutputMap:
        """The map of the checkpoint or model, if it fulfils the contract.

        The test fails if something differs, a finding is an error, or the model cannot be
        inspected. Arguments that the test leaves out, such as the attention implementation or the
        texts, are those of the contract.

        Args:
            checkpoint_or_model: as for `inspect`.
            path: the contract's file, relative to the folder of the test file. `None` for the one
                that is named after the test.
            values: also compare what the tensors hold.
            arguments: those of `inspect`, such as `texts`, `inputs`, `tokenizer`, `consumers`.
        """
        __tracebackhide__ = True  # pytest then shows the test's line
        try:
            return self._compared(checkpoint_or_model, path, values, arguments)
        except InspectError as error:
            _fail(error.message, f"Hint: {error.hint}")

    def _compared(
        self, checkpoint_or_model: Any, path: str | Path | None, values: bool, arguments: Any
    ) -> OutputMap:
        from roberta_inspect.api import inspect, inspect_like, report
        from roberta_inspect.records.saved import read_map

        __tracebackhide__ = True
        contract = self.path if path is None else self.path.parent / path
        saved = read_map(contract) if contract.is_file() else None
        if saved is None and not self.update:
            _fail(f"there is no {contract.name}", f"Write it with pytest {UPDATE}, and commit it.")
        output_map = (
            inspect(checkpoint_or_model, **arguments)
            if saved is None
            else inspect_like(saved, checkpoint_or_model, **arguments)
        )
        if not output_map.ok:
            what = "no contract was written" if saved is None else "its outputs were not compared"
            _fail(f"the model has an error, so {what}:", *output_map.reasons)
        if saved is None or (self.update and contract not in self.written):
            contract.parent.mkdir(parents=True, exist_ok=True)
            contract.write_text(output_map.to_json(), encoding="utf-8")
            self.written.add(contract)
            saved = output_map
        comparison = report(saved, output_map, values=values)
        if not comparison.ok:
            _fail(f"the outputs are not those of {contract.name}", "", str(comparison))
        return output_map


def _fail(headline: str, *reasons: str) -> NoReturn:
    __tracebackhide__ = True
    raise pytest.fail.Exception("\n".join([headline, *reasons]), pytrace=False) from None

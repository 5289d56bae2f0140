"""Every call and claim is announced before it starts, and shown on a terminal only."""

from __future__ import annotations

import pytest
from makers import tiny_model

from roberta_inspect import inspect
from roberta_inspect.cli.progress import progress_shown


def test_every_call_and_every_claim_is_announced_before_it_starts() -> None:
    announced: list[tuple[str, int, int]] = []
    output_map = inspect(tiny_model(), progress=lambda *work: announced.append(work))
    calls = [work for work in announced if work[0].startswith("Calling with ")]
    claims = [work for work in announced if work[0].startswith("Testing ")]
    assert announced == [*calls, *claims]
    assert {name for name, _, _ in calls} == {
        f"Calling with {call.words}" for call in (*output_map.plain, *output_map.calls)
    }
    assert {f"Testing {proof.id}" for proof in output_map.proofs} <= {name for name, _, _ in claims}
    for kind in (calls, claims):
        assert [(done, total) for _, done, total in kind] == [
            (number, len(kind)) for number in range(len(kind))
        ]


@pytest.mark.parametrize("shown", [True, False])
def test_it_is_shown_on_a_terminal_alone(
    shown: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("rich.console.Console.is_terminal", shown)
    with progress_shown("Loading") as progress:
        progress("Testing [bold]loss-value\x1b[31m", 3, 22)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("Testing [bold]loss-value\\x1b[31m" in printed.err) == shown
    assert ("3/22" in printed.err) == shown
    assert shown or printed.err == ""

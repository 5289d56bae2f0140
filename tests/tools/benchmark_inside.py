"""The parts of the benchmark that need torch, each run as a process of its own.

python tests/tools/benchmark_inside.py checkpoint FOLDER CONFIG       CONFIG as JSON
python tests/tools/benchmark_inside.py parts CHECKPOINT BATCH_SIZE SEQUENCE_LENGTH TIMES
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence

import torch

from roberta_inspect.api import map_of
from roberta_inspect.checkpoint.load import load
from roberta_inspect.checkpoint.locate import locate
from roberta_inspect.inputs.synthetic import synthetic
from roberta_inspect.live.calls import PLAIN, calls_asked
from roberta_inspect.live.observe import arguments, observing
from roberta_inspect.records import CallSpec


def checkpoint(folder: str, config: str) -> None:
    """Save a checkpoint of this configuration, its random weights from a seed."""
    from transformers import RobertaConfig, RobertaForSequenceClassification
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    torch.manual_seed(0)
    roberta_config = RobertaConfig(type_vocab_size=1, **json.loads(config))
    RobertaForSequenceClassification(roberta_config).save_pretrained(folder)


def parts(folder: str, batch_size: str, sequence_length: str, times: str) -> None:
    """Print as JSON what each part of `run` took each time, in seconds of processor time."""
    loaded = load(locate(folder), attention="eager")
    model = loaded.model
    calls = calls_asked(True, True)
    probe = synthetic(
        model.config, batch_size=int(batch_size), sequence_length=int(sequence_length)
    )

    def bare(specs: Sequence[CallSpec]) -> None:
        with torch.no_grad():
            for spec in specs:
                model(**arguments(probe, spec))

    def four() -> None:
        bare(calls)

    def six() -> None:
        bare((*calls, *PLAIN))

    def observed() -> None:
        with observing(model) as observer:
            for spec in (*calls, *PLAIN):
                observer.call(probe, spec)

    def inspected() -> None:
        map_of(loaded, probe, calls)

    four()
    measured = (four, six, observed, inspected)
    print(
        json.dumps(
            [
                {function.__name__: seconds(function) for function in measured}
                for _ in range(int(times))
            ]
        )
    )


def seconds(function: Callable[[], None]) -> float:
    """The processor time of one call in all threads, which other processes hardly change."""
    start = time.process_time()
    function()
    return time.process_time() - start


if __name__ == "__main__":
    {"checkpoint": checkpoint, "parts": parts}[sys.argv[1]](*sys.argv[2:])

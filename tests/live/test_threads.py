"""Whoever calls the model meanwhile gets what they always got."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from makers import tiny_model
from transformers.utils import logging as transformers_logging

from roberta_inspect import OutputMap, inspect

FORWARDS = 1000
INSPECTIONS = 20


def in_threads(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each of `works` returned or raised, all of them run at once."""
    results: list[Any] = [None] * len(works)

    def run(number: int) -> None:
        try:
            results[number] = works[number]()
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_model_that_is_served_meanwhile_answers_as_ever() -> None:
    model = tiny_model()
    inputs = {"input_ids": torch.arange(5, 29).reshape(2, 12)}
    with torch.no_grad():
        logits = model(**inputs).logits
        states = model(**inputs, output_hidden_states=True).hidden_states

    def serve() -> int:
        right = 0
        with torch.no_grad():
            for number in range(FORWARDS):
                with_hidden_states = number % 2 == 0
                outputs = model(**inputs, output_hidden_states=with_hidden_states)
                same = torch.equal(outputs.logits, logits)
                if with_hidden_states:
                    same &= all(map(torch.equal, outputs.hidden_states, states))
                right += same
        return right

    def look() -> set[str]:
        return {inspect(model).to_json() for _ in range(INSPECTIONS)}

    right, maps = in_threads([serve, look])
    assert right == FORWARDS
    assert len(maps) == 1


def test_four_threads_on_one_model_make_the_same_map() -> None:
    model = tiny_model()
    alone = inspect(model)
    assert in_threads([lambda: inspect(model)] * 4) == [alone] * 4


def test_four_threads_on_models_of_their_own_leave_the_process_as_it_was() -> None:
    transformers_logging.set_verbosity(logging.INFO)
    before = transformers_logging.get_verbosity(), list(warnings.filters), torch.get_rng_state()
    models = [tiny_model(seed) for seed in range(4)]
    maps = in_threads([lambda model=model: inspect(model) for model in models])
    assert all(isinstance(output_map, OutputMap) and output_map.ok for output_map in maps)
    assert transformers_logging.get_verbosity() == before[0]
    assert warnings.filters == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])

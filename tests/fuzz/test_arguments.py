"""Every argument of every public function: a product or a sentence, whatever is passed."""

from __future__ import annotations

import inspect as signatures
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from fuzz.drawn import CASES, Tally, drawn, repeated
from makers import tiny_model

import roberta_inspect
from roberta_inspect import OutputMap, consumers, diff, inspect, module_tree

PARAMETERS = {
    function: list(signatures.signature(function).parameters)
    for function in (inspect, module_tree, diff, consumers)
}


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_model(num_hidden_layers=1)


@pytest.fixture(scope="module")
def output_map(model: Any) -> OutputMap:
    return inspect(model)


def words(value: Any) -> str:
    try:
        return repr(value)[:120]
    except Exception:
        return type(value).__name__


def call_of(
    random_: random.Random, model: Any, output_map: OutputMap
) -> tuple[str, Callable[[], Any]]:
    """One public function with one or two meaningless arguments."""
    function = random_.choice((inspect, inspect, inspect, module_tree, diff, consumers))
    names = PARAMETERS[function]
    changed = random_.sample(names, random_.choice((1, 1, 1, 2)))
    arguments = {name: drawn(random_) for name in changed}
    if callable(arguments.get("progress")):
        del arguments["progress"]  # what a function of the user's raises is the user's
    if function is diff:
        arguments = {"left": output_map, "right": output_map, **arguments}
    elif function is consumers:
        arguments = {"only": ["pipeline"], **arguments}
    elif names[0] not in arguments and random_.random() < 0.8:
        arguments[names[0]] = model
    words_of_call = ", ".join(f"{name}={words(value)}" for name, value in arguments.items())
    return f"{function.__name__}({words_of_call})", lambda: function(**arguments)


def test_arguments(
    model: Any, output_map: OutputMap, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tally = Tally()
    for number, random_ in repeated(CASES, "arguments"):
        case, call = call_of(random_, model, output_map)
        tally.call(f"{number}: {case}", call)
    tally.close("arguments")


def test_texts_of_a_map(output_map: OutputMap) -> None:
    """`OutputMap.from_json` on values, and on the map with one value in its place."""
    whole = json.loads(output_map.to_json())
    tally = Tally()
    for number, random_ in repeated(CASES, "maps"):
        text = drawn(random_) if random_.random() < 0.2 else changed_map(whole, random_)
        tally.call(f"{number}: {words(text)}", lambda text=text: OutputMap.from_json(text))
    tally.close("maps")


JSON = (None, True, 0, -1, 2**70, 1e308, "", "x", "\x1b[31m", [], {}, [None], {"a": 1})


def changed_map(whole: Any, random_: random.Random) -> str:
    values = json.loads(json.dumps(whole))
    place: Any = values
    for _ in range(random_.randrange(6)):
        keys = list(place) if isinstance(place, dict) else range(len(place))
        inner = [key for key in keys if isinstance(place[key], dict | list) and place[key]]
        if not inner:
            break
        place = place[random_.choice(inner)]
    key = random_.choice(list(place) if isinstance(place, dict) else range(len(place)))
    place[key] = random_.choice(JSON)
    text = json.dumps(values)
    return text if random_.random() < 0.9 else text[: random_.randrange(len(text))]


def test_everything_public_is_fuzzed() -> None:
    functions = {name for name in roberta_inspect.__all__ if name[0].islower()}
    assert functions <= {function.__name__ for function in PARAMETERS}

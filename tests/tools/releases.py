"""What each release of transformers returns: its maps, and the page that compares them.

`pytest tests/test_releases.py --update` writes the maps of the release that is imported into
`docs/releases/<release>/`, and on the newest release the page too, of all maps that are kept.

`docs/releases/` holds the releases of the matrix and, wherever something changes, the last release
before it and the first one after it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import torch
import transformers
from makers import TINY, make_checkpoint, seeded, tiny_model
from transformers import RobertaForSequenceClassification

from roberta_inspect import OutputMap, diff, inspect
from roberta_inspect.checkpoint.family import Member, members
from roberta_inspect.records import Call, Item, Slot
from roberta_inspect.releases import attention_of
from roberta_inspect.text import dtype_word

DOCS = Path(__file__).parents[2] / "docs"
KEPT = DOCS / "releases"
PAGE = DOCS / "releases.md"
BEHAVIOUR = "behaviour.json"
FAMILY = "family.json"

CLASSIFIER = {
    "id2label": {0: "negative", 1: "neutral", 2: "positive"},
    "problem_type": "single_label_classification",
}
TOKENS = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
"""As in RoBERTa, because the defaults of the classes of the family differ."""
SPARED = frozenset(
    {
        *("axes", "dtype", "error", "fingerprint", "items", "meaning", "origin", "same_as"),
        *("shape", "wrote_problem_type"),
    }
)
"""Keys of a call that are left out where they hold nothing: reading the map puts them back."""


@dataclass(frozen=True)
class Setup:
    """A configuration of the tiny checkpoint, and how it is loaded."""

    title: str
    set_by: str
    """The setup in a user's words."""
    config: Mapping[str, Any] = field(default_factory=dict)
    attention: str | None = None


CROSS = {"is_decoder": True, "add_cross_attention": True}
SETUPS = {
    "default": Setup("Default attention", "what `from_pretrained` makes of a plain checkpoint"),
    "eager": Setup(
        "Eager attention", 'the same loaded with `attn_implementation="eager"`', attention="eager"
    ),
    "decoder": Setup(
        "Decoder", "a checkpoint with `config.is_decoder = True`", {"is_decoder": True}
    ),
    "decoder-with-cross-attention": Setup(
        "Decoder with cross-attention",
        "a checkpoint with `config.is_decoder = True` and `config.add_cross_attention = True`",
        CROSS,
    ),
    "decoder-with-cross-attention-without-cache": Setup(
        "Decoder with cross-attention, without a cache",
        "the same with `config.use_cache = False`",
        {**CROSS, "use_cache": False},
    ),
}
"""Those that return something of their own on some release. `test_releases.py` holds the others to
what the default returns."""


def fresh_map(name: str) -> OutputMap:
    """The map of one setup on the release that is imported."""
    setup = SETUPS[name]
    with tempfile.TemporaryDirectory() as folder:
        make_checkpoint(folder, tiny_model(**CLASSIFIER, **setup.config))
        return inspect(folder, attention=setup.attention)


def layout(output_map: OutputMap, name: str) -> OutputMap:
    """The map with its layout only, without numbers, proofs, sentences and paths."""
    calls = tuple(
        replace(call, slots=tuple(_bare(slot, meaning=None) for slot in call.slots))
        for call in output_map.calls
    )
    checkpoint = replace(output_map.checkpoint, source=name)
    return replace(output_map, checkpoint=checkpoint, calls=calls, proofs=(), predictions=None)


def _bare(value: Any, **changes: Any) -> Any:
    items = tuple(_bare(item) for item in value.items)
    return replace(value, items=items, fingerprint=None, **changes)


def _spare(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _spare(element)
            for key, element in value.items()
            if key not in SPARED or element not in (None, [])
        }
    return [_spare(element) for element in value] if isinstance(value, list) else value


def behaviour() -> dict[str, str]:
    """Behaviour of the imported release that no map of these setups shows."""
    model, ids = tiny_model(), torch.tensor([[0, 5, 2]])
    return {
        "a keyword that `forward` does not have": _outcome(
            lambda: model(ids, output_hiddenstates=True) and "is ignored"
        ),
        "a decoder with cross-attention, without `output_attentions=True`": _outcome(
            lambda: tiny_model(**CROSS)(ids) and "works"
        ),
        "`from_pretrained` without a dtype, of a bfloat16 file": _outcome(_loaded_dtype),
        "what a layer's `forward` returns": _outcome(lambda: _returned_by_a_layer(model)),
        '`model.set_attn_implementation("eager")`': _outcome(lambda: _switched(model)),
    }


def _loaded_dtype() -> str:
    with tempfile.TemporaryDirectory() as folder:
        make_checkpoint(folder, tiny_model().to(torch.bfloat16))
        dtype = RobertaForSequenceClassification.from_pretrained(folder).dtype
    return f"loads {dtype_word(dtype)}"


def _returned_by_a_layer(model: Any) -> str:
    returned = model.roberta.encoder.layer[0](torch.zeros(1, 4, model.config.hidden_size))
    return f"a {type(returned).__name__.lower()}"


def _switched(model: Any) -> str:
    model.set_attn_implementation("eager")
    return "works" if attention_of(model.config) == "eager" else "changes nothing"


def family() -> dict[str, dict[str, str]]:
    """Class → the positions of the tuple with labels, and the module that returned each."""
    return {member.class_name: _member(member) for member in members().values()}


def _member(member: Member) -> dict[str, str]:
    config = member.config(**TINY, **TOKENS, attn_implementation="eager")
    call = inspect(seeded(member.cls, config)).call(return_dict=False, labels=True)
    states, attentions = call.slot("hidden_states"), call.slot("attentions")
    assert states is not None
    assert attentions is not None
    return {
        "the tuple": _positions(call),
        "`hidden_states[0]`": _origin(states.items[0]),
        "`hidden_states[1]`": _origin(states.items[1]),
        "`hidden_states[-1]`": _origin(states.items[-1]),
        "`attentions[0]`": _origin(attentions.items[0]),
    }


def _origin(item: Item) -> str:
    assert item.origin is not None
    return f"`{item.origin.through or item.origin.module}`"


def _outcome(action: Callable[[], str]) -> str:
    try:
        return action()
    except Exception as error:
        return f"raises `{type(error).__name__}`"


def write_maps() -> None:
    """The maps of the release that is imported, and its behaviour."""
    folder = KEPT / transformers.__version__
    folder.mkdir(parents=True, exist_ok=True)
    for name in SETUPS:
        layout_of_map = layout(fresh_map(name), name).to_dict()
        layout_of_map["calls"] = _spare(layout_of_map["calls"])
        text = json.dumps(layout_of_map, separators=(",", ":"))
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    for file, facts in ((BEHAVIOUR, behaviour()), (FAMILY, family())):
        text = json.dumps(facts, indent=1, ensure_ascii=False)
        (folder / file).write_text(text + "\n", encoding="utf-8")


def kept_releases() -> list[str]:
    """The releases whose maps are kept, the oldest first."""
    return sorted((folder.name for folder in KEPT.iterdir()), key=_number)


def _number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))


@cache
def kept_map(release: str, name: str) -> OutputMap:
    """The map of one setup that is kept for one release."""
    return OutputMap.from_json((KEPT / release / f"{name}.json").read_text(encoding="utf-8"))


@cache
def kept_behaviour(release: str) -> Mapping[str, str]:
    """The behaviour that is kept for one release."""
    answers: dict[str, str] = json.loads((KEPT / release / BEHAVIOUR).read_text(encoding="utf-8"))
    return answers


@cache
def kept_family(release: str) -> Mapping[str, Mapping[str, str]]:
    """What is kept of the classes of the family for one release."""
    facts: dict[str, dict[str, str]] = json.loads(
        (KEPT / release / FAMILY).read_text(encoding="utf-8")
    )
    return facts


def page() -> str:
    """The page, of all maps that are kept."""
    releases = kept_releases()
    return TEMPLATE.format(
        torch=kept_map(releases[-1], "default").versions.torch.partition("+")[0],
        answers="\n".join(_answers(releases)),
        behaviours="\n".join(_behaviours(releases)),
        advice=ADVICE,
        newest=releases[-1],
        family="\n".join(_family(kept_family(releases[-1]))),
        setups="\n".join(_section(name, releases) for name in SETUPS),
        changes="\n".join(filter(None, (_changes(*pair) for pair in pairwise(releases)))),
        count=len(releases),
        measured=", ".join(releases),
    )


def _rows(first: str, releases: Sequence[str], answer: Callable[[str], str]) -> Iterator[str]:
    """One row of a table per run of releases with the same answer."""
    for reply, run in groupby(releases, key=answer):
        alike = list(run)
        span = alike[0] if len(alike) == 1 else f"{alike[0]} – {alike[-1]}"
        yield f"| {first} | {span} | {reply} |".replace("|  |", "| |")
        first = ""


def _answers(releases: Sequence[str]) -> Iterator[str]:
    for question, (name, answer) in QUESTIONS.items():
        yield from _rows(
            question, releases, lambda release, a=answer, n=name: a(kept_map(release, n))
        )


def _behaviours(releases: Sequence[str]) -> Iterator[str]:
    for question in kept_behaviour(releases[-1]):
        yield from _rows(question, releases, lambda release, q=question: kept_behaviour(release)[q])


def _attentions(output_map: OutputMap) -> str:
    slot = output_map.call(return_dict=False, labels=True).slot("attentions")
    if slot is None:
        return "**`None`**; no index of the tuple leads to it"
    return f"**`()`** at {_place(slot)}" if slot.is_empty else f"weights at {_place(slot)}"


def _place(slot: Slot) -> str:
    return f"`{slot.access}` (with labels, in the tuple)"


def _of_a_decoder(name: str) -> Callable[[OutputMap], str]:
    def answer(output_map: OutputMap) -> str:
        call = output_map.call(return_dict=False, labels=True)
        if call.error:
            return f"**`output_attentions=True` raises `{call.error.type}`**"
        slot = call.slot(name)
        in_dict = output_map.call(return_dict=True, labels=True).slot(name) is not None
        if slot is None:
            return "only in the dict" if in_dict else "**gone** from the tuple; not in the dict"
        form = "a cache object" if slot.kind == "cache" else "a tuple"
        if all(part.same_as for item in slot.items for part in item.items):
            form = "the keys and values of `past_key_values` once more"
        return f"{form} at {_place(slot)}{'' if in_dict else '; not in the dict'}"

    return answer


QUESTIONS: Mapping[str, tuple[str, Callable[[OutputMap], str]]] = {
    "`attentions` under the default attention": ("default", _attentions),
    "`attentions` under eager attention": ("eager", _attentions),
    "the default attention": ("default", lambda output_map: f"`{output_map.setup.attention}`"),
    "`past_key_values` of a decoder": ("decoder", _of_a_decoder("past_key_values")),
    "`cross_attentions` of a decoder with cross-attention": (
        "decoder-with-cross-attention",
        _of_a_decoder("cross_attentions"),
    ),
    "what `roberta.encoder` returns to `roberta`, with `return_dict=False`": (
        "default",
        lambda output_map: f"`{output_map.stages[0].container}`",
    ),
}
"""Question of a reader → the setup whose map answers it, and the function that reads the answer."""


def _section(name: str, releases: Sequence[str]) -> str:
    setup = SETUPS[name]
    rows: list[str] = []
    for labels in (False, True):
        for return_dict in (False, True):
            call = f"{'dict' if return_dict else 'tuple'}, {'' if labels else 'no '}labels"

            def answer(release: str, key: tuple[bool, bool] = (return_dict, labels)) -> str:
                output_map = kept_map(release, name)
                return _positions(output_map.call(return_dict=key[0], labels=key[1]))

            rows += _rows(call, releases, answer)
    return f"### {setup.title}\n\nThis is {setup.set_by}.\n\n{TABLE}\n" + "\n".join(rows) + "\n"


def _positions(call: Call) -> str:
    if call.error:
        return f"raises `{call.error.type}: {call.error.message}`"
    return " · ".join(
        f"{'' if slot.index is None else f'**{slot.index}** '}{slot.name}{_form(slot)}"
        for slot in call.slots
    )


def _form(slot: Slot) -> str:
    if slot.items:
        return f" ({len(slot.items)})"
    return {"tensor": "", "none": " `None`"}.get(slot.kind, " `()`")


def _family(facts_of_class: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """A table of the classes: what each of them has, or that it is as RoBERTa's."""
    roberta = facts_of_class["RobertaForSequenceClassification"]
    yield f"| class | {' | '.join(roberta)} |"
    yield "|---" * (len(roberta) + 1) + "|"
    for name, facts in facts_of_class.items():
        cells = [
            "the same" if facts is not roberta and fact == roberta[question] else fact
            for question, fact in facts.items()
        ]
        yield f"| `{name}` | {' | '.join(cells)} |"


def _changes(before: str, after: str) -> str:
    """The differences of two neighbouring releases, each once with the setups that show it."""
    shown: dict[str, list[str]] = {}
    for name, setup in SETUPS.items():
        for difference in diff(kept_map(before, name), kept_map(after, name)):
            shown.setdefault(difference.sentence, []).append(setup.title)
    lines = [f"- *{'; '.join(titles)}* — {sentence}" for sentence, titles in shown.items()]
    return f"### {before} → {after}\n\n" + "\n".join(lines) + "\n" if lines else ""


TABLE = """| call | releases | positions |
|---|---|---|"""

ADVICE = """```python
import torch
from transformers import RobertaForSequenceClassification

model = RobertaForSequenceClassification.from_pretrained("my-roberta", attn_implementation="eager")
model.eval()
with torch.no_grad():
    outputs = model(
        input_ids=torch.tensor([[0, 7, 8, 2]]),
        labels=torch.tensor([1]),
        output_hidden_states=True,
        output_attentions=True,
        return_dict=True,
    )
loss, logits = outputs.loss, outputs.logits
print(len(outputs.hidden_states), "hidden states,", len(outputs.attentions or ()), "attentions")
```

```text
3 hidden states, 2 attentions
```

- Pass `return_dict=True` and reach outputs by name. An index depends on the labels, on the flags
  and on the release, and an index from the end (`outputs[-1]`) depends on them too.
- For attention weights load with `attn_implementation="eager"`. Code that must run with any
  attention tests `if outputs.attentions:`, which is false for `None` and for `()`.
- A classifier needs no cache and no cross-attention: leave `is_decoder` and `add_cross_attention`
  unset. Where a configuration must keep `is_decoder`, `use_cache = False` gives the positions of
  the default on every release.
- Say the dtype to `from_pretrained`, and check the keywords of `forward` yourself: a misspelt one
  may be ignored."""

TEMPLATE = """# What changes between releases of transformers

Everything here is measured, nothing is taken from release notes. The page is made of the maps in
`docs/releases/`, which roberta-inspect made on each release with torch {torch} of a tiny checkpoint
with 2 layers, hidden states and attentions asked for. The tests compare them with fresh ones, and
`pytest tests/test_releases.py --update` rewrites both.

## In short

| what | releases | answer |
|---|---|---|
{answers}

What a map does not show, measured as well:

| what | releases | answer |
|---|---|---|
{behaviours}

## What to write so that it works on all of them

{advice}

## What stands where

The number is the index; a field that is `None` has none, only its name. In brackets is the number
of items. The problem type, `return_dict = False` in the configuration, hidden states and attentions
asked for in the configuration, a decoder with `use_cache = False`, an untrained head, sharded
weights and `.bin` files move nothing: all of them have the positions of the default, which the
tests check on every release in `tests/releases.txt`.

{setups}
## The classes of the family

Each class on transformers {newest}, under eager attention, called with labels: what the tuple
holds, and the innermost module that returned the item, so that a hook on it sees the item. `the
same` means as in the first row. XLM-RoBERTa-XL and RoBERTa-PreLayerNorm normalise before each
part and once more at the end: their `hidden_states[-1]` is what that last LayerNorm returned, not
the last layer.

{family}

## What changed at which release

In the words of `roberta-inspect diff`, after the setups that show it.

{changes}
## Which releases were measured

{count}: {measured}.

Wherever something changes, the last release before it and the first one after it are among them.
Between two neighbours that are alike, the releases in between were not all tried.
"""

"""The smallest mistake that each claim about values catches, found by trying; writes docs/power.md.

OMP_NUM_THREADS=1 PYTHONPATH=tests python tests/tools/power.py    takes a quarter of an hour

A right model is made wrong in proportion to a share e, and e is halved until no claim refutes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from makers import seeded, tiny_config
from mutations import CROSS, DECODER, CrossReader, Decoder, right
from torch.nn import functional
from transformers import RobertaForSequenceClassification

from roberta_inspect.api import inspect
from roberta_inspect.claims.rounding import share as percent
from roberta_inspect.records import Proof
from roberta_inspect.releases import versions
from roberta_inspect.text import dtype_word

PAGE = Path(__file__).parents[2] / "docs" / "power.md"
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
EXPONENTS = range(-27, 3)
"""The powers of two that are tried as the size of the mistake."""

BASE: dict[str, Any] = {
    "vocab_size": 50265,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 514,
}

Change = Callable[[Any], Any]


def larger(e: float) -> Change:
    """A change that makes a tensor larger by the share e."""
    return lambda tensor: tensor * (1 + e)


def item(index: int, e: float) -> Change:
    """A change that makes one tensor of a tuple larger."""

    def change(items: Any) -> tuple[Any, ...]:
        place = index % len(items)
        return (*items[:place], larger(e)(items[place]), *items[place + 1 :])

    return change


def handed_back(
    name: str, change: Callable[[float], Change], kinds: tuple[str, ...] = ("dict", "tuple")
) -> Callable[[Any, float], None]:
    """A slot is changed before the caller gets it, in these containers."""

    def put_into(model: Any, e: float) -> None:
        def hook(module: Any, args: Any, kwargs: Any, output: Any) -> Any:
            labelled = kwargs.get("labels") is not None
            if name == "loss" and not labelled:
                return output
            if isinstance(output, tuple) and "tuple" in kinds:
                order = ["loss", "logits", "hidden_states", "attentions"][not labelled :]
                place = order.index(name)
                return (*output[:place], change(e)(output[place]), *output[place + 1 :])
            if not isinstance(output, tuple) and "dict" in kinds:
                output[name] = change(e)(output[name])
            return output

        model.register_forward_hook(hook, with_kwargs=True)

    return put_into


def returned(
    path: str, change: Callable[[float], Change], index: int = 0
) -> Callable[[Any, float], None]:
    """What a module returns is changed; of several values the one at `index`."""

    def put_into(model: Any, e: float) -> None:
        def hook(module: Any, args: Any, output: Any) -> Any:
            if not isinstance(output, tuple):
                return change(e)(output)
            return (*output[:index], change(e)(output[index]), *output[index + 1 :])

        model.get_submodule(path).register_forward_hook(hook)

    return put_into


def read_by_head(add: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Any, float], None]:
    """The head reads the share e of something else, too."""

    def put_into(model: Any, e: float) -> None:
        model.classifier.register_forward_pre_hook(
            lambda module, args: (args[0] + e * add(args[0]), *args[1:])
        )

    return put_into


def batch_of_one(e: float) -> Change:
    return lambda logits: larger(e)(logits) if len(logits) == 1 else logits


def under_sdpa(model: Any, e: float) -> None:
    def hook(module: Any, args: Any, output: Any) -> Any:
        if module.config._attn_implementation == "sdpa":
            output["logits"] = larger(e)(output["logits"])
        return output

    model.register_forward_hook(hook)


def padding_read(model: Any, e: float) -> None:
    """The first layer adds to every position the share e of the mean over the padded ones."""
    masks: list[torch.Tensor] = []
    model.register_forward_pre_hook(
        lambda module, args, kwargs: masks.append(kwargs["attention_mask"]), with_kwargs=True
    )

    def mixed(states: torch.Tensor) -> torch.Tensor:
        padded = (masks[-1] == 0)[..., None].to(states)
        return states + e * (states * padded).sum(1, keepdim=True) / padded.sum(1, True).clamp(1)

    returned("roberta.encoder.layer.0", lambda _: mixed)(model, e)


def first_keys(e: float) -> Change:
    """The keys of the first layer are larger."""
    return lambda layers: ((larger(e)(layers[0][0]), layers[0][1]), *layers[1:])


def padded_keys(e: float) -> Change:
    """Weights that are 0 get the share e."""
    return lambda weights: weights + e * (weights == 0)


def of_other_loss(
    compute: Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor],
) -> Callable[[Any, float], None]:
    """The loss is computed otherwise."""

    def put_into(model: Any, e: float) -> None:
        def hook(module: Any, args: Any, kwargs: Any, output: Any) -> Any:
            labels = kwargs.get("labels")
            if labels is None:
                return output
            is_tuple = isinstance(output, tuple)
            loss = compute(output[1] if is_tuple else output["logits"], labels, e)
            if is_tuple:
                return (loss, *output[1:])
            output["loss"] = loss
            return output

        model.register_forward_hook(hook, with_kwargs=True)

    return put_into


def one_class(logits: torch.Tensor, labels: torch.Tensor, e: float) -> torch.Tensor:
    weight = torch.ones(logits.shape[-1], dtype=logits.dtype)
    weight[-1] = 1 + e
    return functional.cross_entropy(logits, labels, weight=weight)


def smoothed(logits: torch.Tensor, labels: torch.Tensor, e: float) -> torch.Tensor:
    return functional.cross_entropy(logits, labels, label_smoothing=min(e, 1.0))


def noise(e: float) -> Change:
    return lambda logits: logits * (1 + e * torch.randn_like(logits))


@dataclass(frozen=True)
class Mistake:
    """A way in which a model is wrong in proportion to a share e."""

    caught_by: str
    """A claim, or the finding `not-deterministic`."""
    words: str
    """What is larger by the share e, or which other change is made by that share."""
    put_into: Callable[[Any, float], None]
    config: dict[str, Any] = field(default_factory=dict)
    cls: Any = RobertaForSequenceClassification

    def judged(self, model: Any, e: float) -> Proof:
        """The proof for a right model with a mistake of this size, which is undone afterwards."""
        if e:
            self.put_into(model, e)
        output_map = inspect(model)
        for module in model.modules():
            module._forward_hooks.clear()
            module._forward_pre_hooks.clear()
        if self.caught_by == "not-deterministic":
            parted = output_map.not_deterministic is not None
            status = "refuted" if parted else "proved"
            return Proof(id="", slot="", claim="", status=status, detail="")
        return next(proof for proof in output_map.proofs if proof.id == self.caught_by)


LAYER = "roberta.encoder.layer.0"
REGRESSION = {"num_labels": 1, "problem_type": "regression"}
SEVERAL = {"problem_type": "multi_label_classification"}

MISTAKES = (
    Mistake("loss-value", "the loss, in dict and tuple", handed_back("loss", larger)),
    Mistake("loss-value", "the loss of the tuple", handed_back("loss", larger, ("tuple",))),
    Mistake("loss-value", "the loss of a regression", handed_back("loss", larger), REGRESSION),
    Mistake(
        "loss-value", "the loss of a multi-label problem", handed_back("loss", larger), SEVERAL
    ),
    Mistake("loss-value", "the weight of one class in the loss", of_other_loss(one_class)),
    Mistake("loss-value", "label smoothing of e", of_other_loss(smoothed)),
    Mistake("logits-origin", "the logits, behind the head", handed_back("logits", larger)),
    Mistake(
        "logits-classifier", "hidden_states[-1]", handed_back("hidden_states", partial(item, -1))
    ),
    Mistake("logits-head", "what the head computes", returned("classifier", larger)),
    Mistake(
        "logits-position",
        "the head adds e × position 1 to position 0",
        read_by_head(lambda states: states.roll(-1, dims=1)),
    ),
    Mistake("padding", "the first layer adds e × the mean of the padding", padding_read),
    Mistake(
        "rows-beside",
        "the head adds e × the next row",
        read_by_head(lambda states: states.roll(-1, dims=0)),
    ),
    Mistake("alone", "the logits of a batch of one", returned("classifier", batch_of_one)),
    Mistake("attention-implementations", "the logits under sdpa", under_sdpa),
    Mistake(
        "hidden-states-embeddings",
        "what the embeddings return",
        returned("roberta.embeddings", larger),
    ),
    Mistake(
        "hidden-states-chain", "hidden_states[1]", handed_back("hidden_states", partial(item, 1))
    ),
    Mistake(
        "hidden-states-last", "hidden_states[-1]", handed_back("hidden_states", partial(item, -1))
    ),
    Mistake("attentions-origin", "attentions[0]", handed_back("attentions", partial(item, 0))),
    Mistake(
        "attentions-formula",
        "the weights that a layer returns",
        returned(f"{LAYER}.attention.self", larger, 1),
    ),
    Mistake(
        "attentions-values",
        "what a self-attention hands on",
        returned(f"{LAYER}.attention.self", larger),
    ),
    Mistake(
        "attentions-rows",
        "the weights that a layer returns",
        returned(f"{LAYER}.attention.self", larger, 1),
    ),
    Mistake(
        "attentions-padding",
        "padded keys get the weight e",
        returned(f"{LAYER}.attention.self", padded_keys, 1),
    ),
    Mistake(
        "cache-projections",
        "the keys of layer 0",
        handed_back("past_key_values", first_keys, ("dict",)),
        DECODER,
        Decoder,
    ),
    Mistake(
        "cross-attentions",
        "cross_attentions[0]",
        handed_back("cross_attentions", partial(item, 0), ("dict",)),
        CROSS,
        CrossReader,
    ),
    Mistake("tuple-and-dict", "the logits of the tuple", handed_back("logits", larger, ("tuple",))),
    Mistake("not-deterministic", "the logits × (1 + e × noise)", handed_back("logits", noise)),
)


def tiny(mistake: Mistake) -> Any:
    """The tiny model of the tests."""
    return right(cls=mistake.cls, **mistake.config)


def base(mistake: Mistake) -> Any:
    """A model of base size with the weights that it starts from, none of them 0."""
    config = tiny_config(attn_implementation="eager", **{**BASE, **mistake.config})
    return seeded(mistake.cls, config, noise=0.02)


def caught(mistake: Mistake, make: Callable[[Mistake], Any], dtype: torch.dtype) -> str:
    """The smallest mistake that is refuted, and from which size nothing is proved, in per cent."""
    model = make(mistake).to(dtype)

    @cache
    def status(exponent: int) -> str:
        return mistake.judged(model, 2.0**exponent).status

    still = mistake.judged(model, 0.0)
    if still.status == "refuted":
        raise AssertionError(f"{mistake.caught_by} refutes a right model: {still.detail}")
    if still.status == "not-tested":
        return f"not tested{f' ({percent(still.power)})' if still.power else ''}"
    refuted = first(lambda exponent: status(exponent) == "refuted")
    doubted = first(lambda exponent: status(exponent) != "proved")
    if doubted is None:
        return "missed"
    if refuted is None:
        return f"not tested from {percent(2.0**doubted)} on"
    if refuted == EXPONENTS[0]:
        return "any"
    also = "" if doubted == refuted else f" (not tested from {percent(2.0**doubted)} on)"
    return percent(2.0**refuted) + also


def first(holds: Callable[[int], bool]) -> int | None:
    """The lowest exponent for which it holds, if it holds for all above."""
    if not holds(EXPONENTS[-1]):
        return None
    low, high = EXPONENTS[0] - 1, EXPONENTS[-1]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def table(make: Callable[[Mistake], Any]) -> list[str]:
    """One row per mistake, one column per dtype."""
    dtypes = [dtype_word(dtype) for dtype in DTYPES]
    lines = [f"| caught by | what is wrong by the share e | {' | '.join(dtypes)} |"]
    lines.append("|---" * (2 + len(DTYPES)) + "|")
    for mistake in MISTAKES:
        cells = [caught(mistake, make, dtype) for dtype in DTYPES]
        lines.append(f"| `{mistake.caught_by}` | {mistake.words} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return lines


HEAD = """# What a proof would have caught

<!-- written by tests/tools/power.py -->

A claim that compares numbers is refuted only by mistakes above some size. These tables say which,
found by trying. A right model is made wrong in proportion to a share e: a tensor is multiplied by
1 + e, or the share e of something else is added. The table shows the smallest power of two for
which the claim refutes the model, in per cent.

- *any*: the smallest share that was tried, {lowest}, is refuted, because the claim sees another
  tensor or a number that is not 0.
- *not tested (11 %)*: on the right model, too, rounding could hide mistakes of that size, so that
  the claim is not tested. The number is the one that `run` prints.
- *not tested from 0.8 % on*: such a mistake is neither proved right nor refuted.

Where a claim is exact, the smallest mistake that is caught is about the distance of two
neighbouring numbers: 0.00001 % in float32, 0.4 % in bfloat16, 0.05 % in float16. A tensor of that
dtype holds no smaller one. A mistake that is added can be caught below that where what it is added
to is small. Class weights and label smoothing reach the loss diminished: logits that are nearly
alike hardly change it.

Transformers {transformers}, torch {torch}, eager attention, two rows of 16 tokens, the second
padded.
"""


def page() -> str:
    """The whole document."""
    head = HEAD.format(lowest=percent(2.0 ** EXPONENTS[0]), **versions()).replace("+cpu", "")
    tiny_size = "Two layers of 16 dimensions, random weights"
    base_size = "12 layers of 768 dimensions, random weights as a new model has them"
    parts = [head, "## A tiny model", f"\n{tiny_size}.\n", *table(tiny)]
    parts += ["\n## A model of base size", f"\n{base_size}.\n", *table(base)]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

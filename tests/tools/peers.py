"""What other tools report about the same wrong models. Writes docs/peers.md.

PYTHONPATH=tests python tests/tools/peers.py    with torchlens, pytest-torch and torchinfo installed
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest_torch
import torch
import torchinfo
import torchlens
from mutations import right
from torch import nn
from torch.nn import functional
from transformers import RobertaForSequenceClassification
from transformers.models.roberta import modeling_roberta

from roberta_inspect.api import inspect
from roberta_inspect.text import listed

PAGE = Path(__file__).parents[2] / "docs" / "peers.md"


class Edited(RobertaForSequenceClassification):
    """A classifier whose output is edited before it is returned."""

    def edit(self, output: Any, labels: torch.Tensor | None) -> None:
        raise NotImplementedError

    def forward(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        labels: Any = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        kwargs |= {"attention_mask": attention_mask, "labels": labels, "return_dict": True}
        output = super().forward(input_ids, **kwargs)
        self.edit(output, labels)
        return output.to_tuple() if return_dict is False else output


class Squeezed(Edited):
    def edit(self, output: Any, labels: torch.Tensor | None) -> None:
        output["logits"] = output["logits"].squeeze(0)


class Weighted(Edited):
    def edit(self, output: Any, labels: torch.Tensor | None) -> None:
        if labels is not None:
            weight = torch.arange(1.0, 1.0 + self.num_labels)
            output["loss"] = functional.cross_entropy(output["logits"], labels, weight=weight)


class Unmasked(RobertaForSequenceClassification):
    def forward(self, input_ids: Any = None, attention_mask: Any = None, **kwargs: Any) -> Any:
        return super().forward(input_ids, attention_mask=torch.ones_like(input_ids), **kwargs)


class EvenAttention(modeling_roberta.RobertaSelfAttention):
    """Weighs every position equally, but returns the softmax."""

    def forward(self, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        context, weights, *rest = super().forward(hidden_states, *args, **kwargs)
        even = (weights > 0).to(weights)
        split = (*hidden_states.shape[:-1], -1, self.attention_head_size)
        projected = functional.linear(hidden_states, self.value.weight, self.value.bias)
        values = projected.view(split).transpose(1, 2)
        mixed = (even / even.sum(dim=-1, keepdim=True)) @ values
        return mixed.transpose(1, 2).reshape(context.shape), weights, *rest


class DroppingHead(modeling_roberta.RobertaClassificationHead):
    def forward(self, features: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        return super().forward(functional.dropout(features, 0.1, training=True), **kwargs)


def with_parts(part: type[nn.Module], replaced: type[nn.Module]) -> nn.Module:
    """A right model, except for the modules of one class."""
    model: nn.Module = right()
    for module in model.modules():
        if type(module) is replaced:
            module.__class__ = part
    return model


MODELS: dict[str, Callable[[], nn.Module]] = {
    "nothing": right,
    "the attention mask is ignored": partial(right, cls=Unmasked),
    "attention weights are reported, others are used": partial(
        with_parts, EvenAttention, modeling_roberta.RobertaSelfAttention
    ),
    "a batch of one loses its batch axis": partial(right, cls=Squeezed),
    "classes have weights in the loss": partial(right, cls=Weighted),
    "dropout is left on in the head": partial(
        with_parts, DroppingHead, modeling_roberta.RobertaClassificationHead
    ),
}
"""What is wrong → the model."""

IDS = torch.tensor([[0, 11, 12, 13, 14, 15, 16, 2], [0, 21, 22, 2, 1, 1, 1, 1]])
INPUTS = {"input_ids": IDS, "attention_mask": (IDS != 1).long()}
LABELS = {"labels": torch.tensor([0, 2])}


def of_this_tool(make: Callable[[], nn.Module]) -> str:
    """The claims that are refuted."""
    output_map = inspect(make(), inputs={**INPUTS, **LABELS})
    claims = [f"`{proof.id}`" for proof in output_map.proofs if proof.status == "refuted"]
    if output_map.not_deterministic is not None:
        claims.append("`not-deterministic`")
    proved = sum(proof.status == "proved" for proof in output_map.proofs)
    return listed(claims) if claims else f"{proved} claims proved"


def of_torchlens(make: Callable[[], nn.Module]) -> str:
    """Whether replaying the recorded operations gives the output again."""
    valid = torchlens.validate(make(), (), input_kwargs={**INPUTS, **LABELS}, scope="forward")
    return "valid" if valid else "not valid"


def of_pytest_torch(make: Callable[[], nn.Module]) -> str:
    """The checks that fail."""
    model = make()
    report = pytest_torch.check_inference_contract(model, INPUTS, raise_on_failure=False)
    failed = [result.name.replace("_", " ") for result in report.results if result.status == "fail"]
    more_checks = {
        "masked ids": partial(pytest_torch.assert_mask_invariant, model, INPUTS, vocab_size=50),
        "more padding": partial(pytest_torch.assert_padding_invariant, model, INPUTS, pad_value=1),
    }
    for name, check in more_checks.items():
        try:
            check()
        except AssertionError:
            failed.append(name)
    return f"fails: {listed(failed)}" if failed else "passes"


def of_torchinfo(make: Callable[[], nn.Module]) -> str:
    """Whether its table has other shapes or sizes than that of the right model."""
    tables = [torchinfo.summary(model(), input_data=INPUTS, verbose=0) for model in (make, right)]
    rows = [[(row.output_size, row.num_params) for row in table.summary_list] for table in tables]
    return "the same table" if rows[0] == rows[1] else "another table"


TOOLS: dict[str, Callable[[Callable[[], nn.Module]], str]] = {
    "roberta-inspect": of_this_tool,
    "TorchLens": of_torchlens,
    "pytest-torch": of_pytest_torch,
    "torchinfo": of_torchinfo,
}

TEXT = """# Beside other tools

<!-- written by tests/tools/peers.py -->

Other tools look at models too, and were made for other questions. This is what they say of one
right model, and of five that are wrong in what their outputs mean.

{table}

- **TorchLens** asks whether its own record of a forward is right and complete: `validate` replays
  what was recorded. Each of these models does what it does, and the record of it is valid.
- **pytest-torch** asks whether a model is fit for inference, whatever it is: in eval mode, finite,
  deterministic, a row the same in any batch, nothing read of padding. It compares calls, so it
  finds three of the five. It needs no knowledge of the model, and so it cannot know what the
  attention weights or the loss should be.
- **torchinfo** asks which modules there are, with their shapes and sizes. It gives no verdict, and
  all of these models have the same table.
- **roberta-inspect** knows what the outputs of one family of classes should be. Of any other model
  it can say nothing, where the other three can.

TorchLens {torchlens} (`validate(scope="forward")`), pytest-torch {pytest-torch}
(`check_inference_contract`, `assert_mask_invariant` and `assert_padding_invariant`), torchinfo
{torchinfo}, transformers {transformers}. The models are tiny, in float32, under eager attention.
The input has two rows, one of them padded; the first two tools get labels too, which would make a
row depend on its batch in the eyes of the third.
"""


def page() -> str:
    """The whole document."""
    lines = [f"| wrong is | {' | '.join(TOOLS)} |", "|---" * (1 + len(TOOLS)) + "|"]
    for wrong, make in MODELS.items():
        cells = [judge(make) for judge in TOOLS.values()]
        lines.append(f"| {wrong} | {' | '.join(cells)} |")
    names = ("torchlens", "pytest-torch", "torchinfo", "transformers")
    return TEXT.format(table="\n".join(lines), **{name: version(name) for name in names})


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # TorchLens warns about what its record leaves out
    PAGE.write_text(page(), encoding="utf-8")

"""The model without its weights: fake tensors from the configuration and the file's header."""

from __future__ import annotations

from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from roberta_inspect.checkpoint import config as configs
from roberta_inspect.checkpoint import hub
from roberta_inspect.checkpoint import load as loading
from roberta_inspect.checkpoint.load import Loaded
from roberta_inspect.checkpoint.locate import Location
from roberta_inspect.checkpoint.memory import check_layers, check_memory
from roberta_inspect.records import Weights


class ShapesOnly(FakeTensorMode):  # type: ignore[misc]  # torch is not followed by mypy
    """Fake tensors; a yes-or-no question about their values is answered with no.

    Some releases ask whether the mask is all ones before they call sdpa: it is not, since
    the probe has a padded row. Shapes do not depend on it.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and args[0].dtype == torch.bool:
            return False
        return super().__torch_dispatch__(func, types, args, kwargs or {})


def skeleton(
    location: Location,
    *,
    attention: str | None = None,
    dtype: str | None = None,
    num_labels: int | None = None,
) -> Loaded:
    """The checkpoint's model on fake tensors, in eval mode.

    Of the weight files only the header is read. `attention` and `dtype` left out are what
    `from_pretrained` picks; `num_labels` overrides the configuration's.

    Raises:
        UsageError: no such dtype or attention implementation.
        CannotInspectError: a broken or foreign checkpoint, or more layers than can be built.
    """
    loading.check_options(attention, dtype)
    with loading.quiet():
        directory, header, names = hub.fetched_headers(location)
        values = configs.with_labels(configs.read_config(directory), num_labels)
        config = loading.configuration(directory, values)
        check_layers(directory, config)
        mode = ShapesOnly(allow_non_fake_inputs=True)
        with mode:
            model = loading.build_model(
                config, attention, loading.chosen_dtype(values, header, dtype)
            )
        check_memory(directory, model, element_bytes=0)
    if header is None:
        weights = Weights(verdict="no-weights", files=names)
    else:
        weights, header = loading.judge_weights(directory, model, header, names, values)
    return Loaded(
        model=model,
        mode=mode,
        weights=weights,
        header=header,
        source=location.source,
        location=location,
        values=values,
    )

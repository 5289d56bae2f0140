"""The dtypes that a model can be loaded in. Apart: the command line needs them without torch."""

from __future__ import annotations

from enum import Enum


class Dtype(str, Enum):
    """The dtypes that a checkpoint can be loaded in, by torch's names."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"
    float64 = "float64"


DTYPES = tuple(dtype.value for dtype in Dtype)
"""Their names."""

"""Restores what a consumer changes outside the model."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import random
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy
import torch


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Restore random generators, environment, log levels and the state of accelerate afterwards.
    Nothing is printed or logged, and no warning is shown.

    The Trainer seeds every generator, and accelerate keeps its state in a class.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    python, numbers = random.getstate(), numpy.random.get_state()
    environment, accelerators = dict(os.environ), [dict(state) for state in _accelerate()]
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with (
        torch.random.fork_rng(devices=devices),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(disabled)
            random.setstate(python)
            numpy.random.set_state(numbers)
            if dict(os.environ) != environment:
                os.environ.clear()
                os.environ.update(environment)
            for number, state in enumerate(_accelerate()):
                state.clear()
                state.update(accelerators[number] if accelerators else {})


def _accelerate() -> list[dict[str, Any]]:
    """The state that accelerate keeps for the whole process. Empty if it is not imported."""
    module = sys.modules.get("accelerate.state")
    names = ("PartialState", "AcceleratorState", "GradientState")
    return [] if module is None else [getattr(module, name)._shared_state for name in names]

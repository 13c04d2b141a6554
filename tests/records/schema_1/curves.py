"""The objective of this golden record: curves that depend on the values, and a few accidents."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

EPOCHS = 4


def train(values: Mapping[str, Any], report: Callable[[int, Mapping[str, float]], None]) -> dict[str, float]:
    """Report four epochs; the seed of the session adds up to one hundredth to the accuracy.

    Two environment variables, each the path of a file, cause an accident once: ``GOLDEN_KILL`` ends the worker,
    ``GOLDEN_HOLD`` waits in the second epoch until someone stops the sweep.
    """
    width, rate, optimizer = int(values["width"]), float(values["rate"]), str(values["optimizer"])
    print(f"width {width}, rate {rate}, optimizer {optimizer}")
    if (width, rate, optimizer) == (32, 0.1, "sgd"):
        raise ValueError("the gradient of width 32 with sgd explodes")
    top = 0.5 + width / 160 - rate / 2 - (0.1 if optimizer == "sgd" else 0.0) + random.uniform(0.0, 0.01)
    for epoch in range(EPOCHS):
        accuracy = top * (1 - 0.5 ** (epoch + 2))
        report(epoch, {"accuracy": accuracy, "loss": 1.0 - accuracy, "recall": accuracy / 2})
        if epoch == 1 and (width, rate, optimizer) == (16, 0.01, "sgd") and _first("GOLDEN_HOLD"):
            time.sleep(60)
        if epoch == 1 and (width, rate, optimizer) == (16, 0.1, "sgd") and _first("GOLDEN_KILL"):
            os._exit(3)
    return {"accuracy": accuracy, "loss": 1.0 - accuracy}


def _first(variable: str) -> bool:
    """Whether the variable names a file that is not there yet; it is there afterwards."""
    file = Path(os.environ.get(variable, "."))
    if file.exists():
        return False
    file.touch()
    return True

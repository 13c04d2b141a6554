"""Hyperparameter sweeps of Keras classifiers that survive anything and show the truth in TensorBoard.

The house, floor by floor; a module imports only from its own floor and those above it in this picture:

    words               errors  trials  system/  hparams/
    memory and choice   config/  record/  strategies/
    doing               datasets/  training/  executors/  writers/
    telling             kerastuner/  importing/  runner/  report/  cli/

    gridsearch sweep ──► config ──► grid ──► runner ──ask──► strategy
                                               │ journal first, then writers and progress are told
                                               ├─submit──► executor ──► worker ──► training
                                               └◄─collect─ epochs and outcomes ◄─┘

Nothing heavy is imported here: the names below load their module when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridsearch.config.sweep_config import SweepConfig
    from gridsearch.hparams.domain import Discrete, HParam, IntInterval, RealInterval
    from gridsearch.hparams.grid import Grid
    from gridsearch.runner.sweep import sweep

__all__ = ["Discrete", "Grid", "HParam", "IntInterval", "RealInterval", "SweepConfig", "sweep"]

__version__ = "0.1.0"

_MODULES = {
    "Discrete": "hparams.domain",
    "Grid": "hparams.grid",
    "HParam": "hparams.domain",
    "IntInterval": "hparams.domain",
    "RealInterval": "hparams.domain",
    "SweepConfig": "config.sweep_config",
    "sweep": "runner.sweep",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'gridsearch' has no attribute {name!r}")
    return getattr(import_module(f"gridsearch.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""Hyperparameter sweeps of Keras classifiers that survive anything and show the truth in TensorBoard.

The rooms, each above those that it may import from; a module never imports upward:

    errors        the error tree; each class knows its exit status
    system/       hardware, signals, files, child processes
    hparams/      domains, combinations, the grid, the search space
    trials        trials, sessions, outcomes, and the messages that travel between processes
    config/       the sweep file: one frozen, validated SweepConfig
    record/       sweep.db: its one writer, its readers, its lock, its migrations
    strategies/   which combinations come next
    datasets/     the user's pictures: prepared, inspected, drawn
    writers/      who is told: TensorBoard, Weights & Biases, MLflow
    training/     one session, from its first seed to its last metric
    executors/    where sessions are trained: in this process, in workers
    runner/       the only loop, and a sweep put together
    report/       why the winner won: analysis, page, figures, TensorBoard's tab, tables
    kerastuner/   the Tuner for those who come from KerasTuner
    importing/    trials that were trained elsewhere
    cli/          the command line

    gridsearch sweep ──► config ──► grid ──► runner ──ask──► strategy
                                               │ the journal first, then writers and progress
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

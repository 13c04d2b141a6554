"""Describe a search as the tables of a sweep file, for whoever reads its record."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras_tuner

from gridsearch.hparams.tables import hparam_table
from gridsearch.kerastuner.domains import grids_from_space

__all__ = ["sweep_tables"]


def sweep_tables(oracle: Any, declared: Iterable[Any], logdir: Path) -> dict[str, Any]:
    """Return the tables of a sweep file.

    Args:
        oracle: what searches; its limit of trials, or Hyperband's brackets, say how many there are to be.
        declared: every hyperparameter, parents first.
        logdir: the log directory.

    Raises:
        ValueError: names of hyperparameters clash.
    """
    grids = [{h.name: hparam_table(h) for h in grid} for grid in grids_from_space(declared)]
    objective, training = oracle.objective, {}
    sweep: dict[str, Any] = {"strategy": "random", "trials": oracle.max_trials or _most_trials(oracle)}
    if isinstance(oracle, keras_tuner.oracles.HyperbandOracle) and not oracle.max_trials:
        numbers = {"factor": oracle.factor, "hyperband_iterations": oracle.hyperband_iterations}
        options = {name: int(number) for name, number in numbers.items() if math.isfinite(number)}
        sweep, training = {"strategy": "hyperband", "options": options}, {"epochs": oracle.max_epochs}
    metric = {"metric": objective.name, "goal": objective.direction, "select": "best"}
    return {
        "hparams": grids[0] if len(grids) == 1 else grids,
        "model": {"objective": "gridsearch.kerastuner:trained_by_script"},
        "training": training,
        "sweep": {**sweep, "logdir": str(logdir), **metric},
    }


def _most_trials(oracle: Any) -> int:
    """Return how many trials an oracle without a limit makes at most; 1 if nobody knows, and more as they come."""
    grid = isinstance(oracle, keras_tuner.oracles.GridSearchOracle)
    return math.prod(len(list(hp.values)) for hp in oracle.get_space().space) if grid else 1

"""Compute what each value does on average, and what more time buys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridsearch.record.reader import Record
from gridsearch.report.analysis.table import Table
from gridsearch.trials import Objective, TrialRecord

__all__ = ["Effect", "Level", "effects", "fastest_best"]


@dataclass(frozen=True)
class Level:
    """The trials with one value: how many, and mean and sample standard deviation of the metric over the rest."""

    label: str
    n: int
    mean: float
    deviation: float | None


@dataclass(frozen=True)
class Effect:
    """An HParam's levels, numbers ascending, categories in declared order."""

    name: str
    levels: tuple[Level, ...]

    @property
    def span(self) -> float:
        """How far the largest mean is from the smallest."""
        means = [level.mean for level in self.levels]
        return max(means) - min(means)


def effects(table: Table) -> tuple[Effect, ...]:
    """Return the mean of the metric at each value of each HParam, over all that the others take."""
    found = []
    for column in table.columns:
        labels, index = column.levels
        at = np.array([-1 if i is None else i for i in index], int)
        groups = [(label, table.response[at == i]) for i, label in enumerate(labels)]
        levels = tuple(
            Level(label, len(g), float(g.mean()), float(g.std(ddof=1)) if len(g) > 1 else None)
            for label, g in groups
            if len(g)
        )
        found.append(Effect(column.name, levels))
    return tuple(found)


def fastest_best(record: Record, metric: str | None = None, *, maximize: bool | None = None) -> tuple[TrialRecord, ...]:
    """Return the Pareto front of time against a metric, fastest first: no trial is both faster and better.

    Args:
        record: the sweep.
        metric: the objective if not given.
        maximize: whether more of it is better; as of the objective if not given.
    """
    metric = metric or record.objective.metric
    objective = Objective(metric, record.objective.maximize if maximize is None else maximize)
    sign = -1.0 if objective.maximize else 1.0
    timed = [
        (seconds, sign * value, value, trial)
        for trial in record.trials
        if (seconds := trial.mean("seconds")) is not None and (value := trial.mean(metric)) is not None
    ]
    front: list[TrialRecord] = []
    best: float | None = None
    for _, _, value, trial in sorted(timed, key=lambda entry: entry[:2]):
        if best is None or objective.better(value, best):
            best = value
            front.append(trial)
    return tuple(front)

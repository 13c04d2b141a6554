"""Turn trials into a table: a column for each HParam, a metric as response. Every analysis begins with it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridsearch.errors import UserError
from gridsearch.hparams.domain import HParam, Value
from gridsearch.record.reader import Record
from gridsearch.trials import TrialRecord

__all__ = ["Column", "Floats", "Table", "metrics_of", "tabulate"]

Floats = NDArray[np.float64]

FEWEST = 4
"""Trials below which nothing is said: three points fit any story."""

MOST_LEVELS = 12
"""Distinct numbers that are levels of their own; more than these are gathered in BINS of equally many trials."""

BINS = 8


@dataclass(frozen=True)
class Column:
    """An HParam with its value in each trial; None where the trial has none."""

    hparam: HParam
    values: tuple[Value | None, ...]

    @property
    def name(self) -> str:
        """The HParam's."""
        return self.hparam.name

    @property
    def categorical(self) -> bool:
        """Whether its values are names rather than quantities: strings and bools, if only in earlier trials."""
        return self.hparam.domain.dtype in (str, bool) or any(isinstance(value, str | bool) for value in self.values)

    @property
    def varies(self) -> bool:
        """Whether there is more than one value."""
        return len(set(self.values)) > 1

    @cached_property
    def levels(self) -> tuple[tuple[str, ...], tuple[int | None, ...]]:
        """Labels of the values that occur, and for each trial the index of its own.

        Categories and values of a list keep their declared order where they are not numbers; numbers ascend. More than
        MOST_LEVELS numbers become BINS ranges, bounded by quantiles.
        """
        found = set(self.values) - {None}
        if self.categorical:
            declared = [value for value in self.hparam.domain.values if value in found]
            order: list[Any] = [*declared, *sorted(found - set(declared), key=str)]
        else:
            order = sorted(found)  # numbers all, since it is not categorical
            if len(order) > MOST_LEVELS:
                return self._binned()
        at = {value: index for index, value in enumerate(order)}
        return tuple(map(str, order)), tuple(None if value is None else at[value] for value in self.values)

    def _binned(self) -> tuple[tuple[str, ...], tuple[int | None, ...]]:
        known = np.array([value for value in self.values if value is not None], float)
        edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)))
        labels = tuple(f"{low:.4g} to {high:.4g}" for low, high in itertools.pairwise(edges))
        last = len(labels) - 1
        return labels, tuple(
            None if value is None else min(last, int(np.searchsorted(edges, float(value), "right")) - 1)
            for value in self.values
        )


@dataclass(frozen=True)
class Table:
    """The trials that have a metric, with what they were trained with."""

    metric: str
    trials: tuple[TrialRecord, ...]
    columns: tuple[Column, ...]
    """HParams in declared order, each with a value for every trial."""
    left_out: tuple[str, ...]
    """HParams that some of the trials have no value of: grids of a union need not share them."""
    response: Floats
    """The metric's mean over each trial's repeats, shape (trials,)."""

    @property
    def n(self) -> int:
        """How many trials."""
        return len(self.trials)

    def explainable(self) -> Table:
        """Return this table, if there is something to explain.

        Raises:
            UserError: too few trials, a metric that is the same in all of them, or no HParam that varies.
        """
        where = f"{self.metric} over {self.n} trials"
        if self.n < FEWEST:
            cure = "Train more combinations first."
            raise UserError(f"too few to explain anything; {FEWEST} are the least", where=where, cure=cure)
        if float(np.ptp(self.response)) == 0.0:
            cure = "There is nothing to explain; choose another metric with --metric."
            raise UserError(f"it is {self.response[0]:g} in every one of them", where=where, cure=cure)
        if not any(column.varies for column in self.columns):
            cure = "Sweep one over several values."
            raise UserError("no HParam has two values among the trials that have this metric", where=where, cure=cure)
        return self


def metrics_of(record: Record) -> tuple[str, ...]:
    """Return the metrics that at least one trial has, in the dashboard's order."""
    found = {name for trial in record.trials for session in trial.results for name in session.outcome.metrics}
    return tuple(name for name in record.objective.columns if name in found)


def tabulate(record: Record, metric: str) -> Table:
    """Return the record as a table with this metric as response.

    An HParam that a trial was trained before has its declared default there.

    Raises:
        UserError: no trial has the metric.
    """
    known = metrics_of(record)
    if metric not in known:
        cure = f"There are {', '.join(known)}." if known else "Run `gridsearch sweep` first, or see why trials failed."
        raise UserError(f"no trial has a metric {metric!r}", where=str(record.logdir), cure=cure)
    scored = [(trial, mean) for trial in record.trials if (mean := trial.mean(metric)) is not None]
    trials = tuple(trial for trial, _ in scored)
    columns = [Column(h, tuple(trial.trial.values.get(h.name, h.default) for trial in trials)) for h in record.hparams]
    return Table(
        metric,
        trials,
        tuple(column for column in columns if None not in column.values),
        tuple(column.name for column in columns if None in column.values),
        np.array([mean for _, mean in scored], float),
    )

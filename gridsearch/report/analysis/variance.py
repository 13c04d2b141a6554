"""Analyse the variance of a complete, balanced grid exactly, and test whether the winner is more than chance.

In a full factorial design with as many repeats in every cell, the sum of squares falls apart exactly into main
effects, interactions and what repeats of one cell differ by (Montgomery, Design and Analysis of Experiments, ch. 5).
Without repeats there is no error term: shares can be given, but no test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from gridsearch.errors import UserError
from gridsearch.record.reader import Record
from gridsearch.report.analysis.table import Column, Floats, Table
from gridsearch.trials import TrialRecord

__all__ = ["Separation", "Variance", "VarianceSource", "separation", "variance"]

LEVEL = 0.05
"""Probability of calling two equal trials different."""


@dataclass(frozen=True)
class VarianceSource:
    """Where variance comes from: an HParam, a pair of them, or what is left."""

    names: tuple[str, ...]
    sum_of_squares: float
    degrees: int
    share: float
    """Of the total sum of squares, 0 to 1."""
    f: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class Variance:
    """The whole table; the shares of effects, ``higher`` and ``error`` sum to 1."""

    metric: str
    effects: tuple[VarianceSource, ...]
    """Main effects in declared order, then pairs."""
    higher: VarianceSource
    """Interactions of three and more HParams."""
    error: VarianceSource
    """What repeats of one combination differ by; 0 degrees of freedom where each was trained once."""
    repeats: int
    n: int
    """Sessions."""

    def as_facts(self) -> dict[str, Any]:
        """Return the table as JSON can write it: an F without any error to divide by is the word "infinite"."""

        def row(source: VarianceSource) -> dict[str, Any]:
            return {**asdict(source), "f": "infinite" if source.f == math.inf else source.f}

        rows = {"effects": [row(e) for e in self.effects], "higher": row(self.higher), "error": row(self.error)}
        return {"metric": self.metric, **rows, "repeats": self.repeats, "n": self.n}


def variance(table: Table) -> Variance:
    """Return main effects and pairwise interactions as shares of the variance.

    Raises:
        UserError: the grid is not complete, or not equally often repeated; or as ``Table.explainable``.
    """
    columns = [column for column in table.explainable().columns if column.varies]
    cells = _cells(table, columns)
    return _decompose(table.metric, tuple(column.name for column in columns), cells)


def _cells(table: Table, columns: list[Column]) -> Floats:
    """Return the metric of every session, shape (levels of each column..., repeats).

    Raises:
        UserError: see ``variance``.
    """
    where = f"{table.metric} over {table.n} trials"
    if table.left_out:
        problem = f"not every trial has a value of {table.left_out[0]!r}, so this is no complete grid"
        raise UserError(problem, where=where)
    orders = [{value: i for i, value in enumerate(dict.fromkeys(column.values))} for column in columns]
    wanted = math.prod(len(order) for order in orders)
    points = [tuple(o[c.values[row]] for o, c in zip(orders, columns, strict=True)) for row in range(table.n)]
    if len(set(points)) < wanted or table.n != wanted:
        cure = "Analysis of variance needs a complete grid; importance and correlation do without."
        raise UserError(f"{len(set(points))} of {wanted} combinations have a result", where=where, cure=cure)
    sessions = [trial.values_of(table.metric) for trial in table.trials]
    counts = {len(values) for values in sessions}
    if len(counts) > 1:
        cure = "Analysis of variance needs as many repeats of each combination."
        raise UserError(f"some have {min(counts)} repeats, others {max(counts)}", where=where, cure=cure)
    cells = np.empty((*(len(order) for order in orders), counts.pop()))
    for point, values in zip(points, sessions, strict=True):
        cells[point] = values
    return cells


def _decompose(metric: str, names: tuple[str, ...], cells: Floats) -> Variance:
    """Return sums of squares of effects, each the mean over all other axes less the effects that it contains."""
    repeats, axes = cells.shape[-1], tuple(range(len(names)))
    cells = cells - cells.mean()  # the effects are small against the mean, and so would be their digits
    means = cells.mean(axis=-1)
    within = cells - means[..., None]
    total = float((cells**2).sum())
    main = [means.mean(axis=tuple(a for a in axes if a != i), keepdims=True) for i in axes]
    found: list[tuple[tuple[str, ...], Floats, int]] = [((names[i],), main[i], means.shape[i] - 1) for i in axes]
    for i, j in combinations(axes, 2):
        pair = means.mean(axis=tuple(a for a in axes if a not in (i, j)), keepdims=True) - main[i] - main[j]
        found.append(((names[i], names[j]), pair, (means.shape[i] - 1) * (means.shape[j] - 1)))
    rest = means.copy()
    for _, effect, _ in found:
        rest = rest - effect
    degrees = means.size * (repeats - 1)
    error = float((within**2).sum())
    mean_error = error / degrees if degrees else None

    def source(names: tuple[str, ...], squares: float, degrees: int) -> VarianceSource:
        f = _ratio(squares / degrees, mean_error) if degrees and mean_error is not None else None
        p = _f_tail(f, degrees, means.size * (repeats - 1)) if f is not None else None
        return VarianceSource(names, squares, degrees, squares / total, f, p)

    effects = tuple(
        source(names, cells.size / effect.size * float((effect**2).sum()), degrees) for names, effect, degrees in found
    )
    higher = means.size - 1 - sum(effect.degrees for effect in effects)
    return Variance(
        metric,
        effects,
        source((), repeats * float((rest**2).sum()) if higher else 0.0, higher),
        VarianceSource((), error, degrees, error / total),
        repeats,
        cells.size,
    )


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else math.inf if above > 0 else 0.0


def _f_tail(f: float, degrees: int, error_degrees: int) -> float:
    """Return the probability that F with these degrees of freedom is larger."""
    from scipy.special import fdtrc

    return 0.0 if math.isinf(f) else float(fdtrc(degrees, error_degrees, f))


@dataclass(frozen=True)
class Separation:
    """Winner against runner-up by the objective."""

    winner: str
    runner_up: str
    difference: float
    p: float | None
    """Two-sided, of such a difference where there is none; None without repeats, or without a difference."""
    sentence: str


def separation(record: Record) -> Separation | None:
    """Return whether the best trial can be told apart from the second, or None with fewer than two results.

    Student's t test. All combinations are trained with the same seeds, so the test pairs by seed: a seed that is good
    for every trial is no noise. The error is what is left of the trials with these seeds after the means of trial and
    seed, as in a randomised block design (Montgomery, ch. 4); of two trials this is the paired t test. Where seeds
    differ, in an imported study or because the seed is swept, it is the variance of repeats pooled over all trials.

    Comparing the two largest of many means by an ordinary two-sided test keeps its level (Gutmann and Maymin, Is the
    selected population the best?, 1987).
    """
    metric = record.objective.ranking
    ranked = [trial for trial in record.ranked() if trial.values_of(metric)]
    if len(ranked) < 2:
        return None
    first, second = ranked[:2]
    one, other = first.values_of(metric), second.values_of(metric)
    difference = abs(float(np.mean(one) - np.mean(other)))
    names = f"{first.trial.name} and {second.trial.name}"
    if difference == 0.0:
        others = sum(float(np.mean(trial.values_of(metric)) - np.mean(one)) == 0.0 for trial in ranked[2:])
        if others:
            names = f"{first.trial.name}, {second.trial.name} and {others} other{'s' if others > 1 else ''}"
        sentence = (
            f"{names} come to the same {metric}, {np.mean(one):.4g}; the one that was planned first is named first."
        )
        return Separation(first.trial.name, second.trial.name, 0.0, None, sentence)
    spread, degrees, how = _standard_error(ranked, metric)
    if not degrees:
        sentence = (
            f"{names} differ by {difference:.4g} in {metric}; each combination was trained once, so whether that is "
            "more than chance cannot be said (training.repeats = 3 would)."
        )
        return Separation(first.trial.name, second.trial.name, difference, None, sentence)
    p = _t_tails(_ratio(difference, spread), degrees)
    verdict = "can be told apart" if p < LEVEL else "cannot be told apart"
    sentence = (
        f"{names} {verdict}: they differ by {difference:.4g} in {metric}, standard error {spread:.2g}, "
        f"p = {p:.2g} ({how}, {degrees} degrees of freedom)."
    )
    return Separation(first.trial.name, second.trial.name, difference, p, sentence)


def _standard_error(ranked: Sequence[TrialRecord], metric: str) -> tuple[float, int, str]:
    """Return the standard error of the difference of the first two means, its degrees of freedom, and which test it is.

    Without repeats there are 0 degrees of freedom.
    """
    first, second = (trial.values_of(metric) for trial in ranked[:2])
    seeds = _by_seed(ranked[0], metric).keys()
    if len(seeds) == len(first) > 1 and _by_seed(ranked[1], metric).keys() == seeds and len(second) == len(seeds):
        sharing = [found for trial in ranked if (found := _by_seed(trial, metric)).keys() >= seeds]
        block = np.array([[found[seed] for seed in seeds] for found in sharing])  # (trials, seeds)
        rest = block - block.mean(axis=1, keepdims=True) - block.mean(axis=0, keepdims=True) + block.mean()
        degrees = (block.shape[0] - 1) * (block.shape[1] - 1)
        return math.sqrt(float((rest**2).sum()) / degrees * 2 / len(seeds)), degrees, "t test, paired by seed"
    degrees = sum(len(trial.values_of(metric)) - 1 for trial in ranked)
    if not degrees:
        return 0.0, 0, ""
    squares = sum(float(np.var(values)) * len(values) for trial in ranked if (values := trial.values_of(metric)))
    return math.sqrt(squares / degrees * (1 / len(first) + 1 / len(second))), degrees, "t test, seeds not shared"


def _by_seed(trial: TrialRecord, metric: str) -> dict[int, float]:
    return {s.session.seed: s.outcome.metrics[metric] for s in trial.results if metric in s.outcome.metrics}


def _t_tails(t: float, degrees: int) -> float:
    """Return the probability that Student's t is farther from 0, on either side."""
    from scipy.special import stdtr

    return 0.0 if math.isinf(t) else float(2 * stdtr(degrees, -t))

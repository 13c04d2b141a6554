"""Compute how much each HParam matters: feature importance of a random forest that predicts the metric from the values.

The meaning is that of the parameter importance panel of Weights & Biases: a forest is fitted from configuration to
metric, and how much splits on an HParam reduce the variance (mean decrease in impurity), summed over the one-hot
columns of a category, is its importance. The forest has the settings of Optuna's
``MeanDecreaseImpurityImportanceEvaluator``, against which it is tested. Only this module imports scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gridsearch.report.analysis.table import Column, Floats, Table

__all__ = ["METHOD", "SEED", "Importance", "importance"]

TREES, DEPTH, SEED = 64, 64, 0

METHOD = f"random forest of {TREES} trees, mean decrease in impurity, one-hot categories summed, seed {SEED}"


@dataclass(frozen=True)
class Importance:
    """Shares of what the forest explains, by HParam, which sum to 1; and over how many trials."""

    metric: str
    shares: Mapping[str, float]
    n: int
    left_out: tuple[str, ...]
    method: str = METHOD


def importance(table: Table, seed: int = SEED) -> Importance:
    """Return the importance of every HParam, largest first; of those with a single value it is 0.

    Raises:
        UserError: too few trials, a constant metric, nothing that varies.
    """
    table.explainable()
    columns = sorted(table.columns, key=lambda column: column.name)  # for the forest, their order is one more chance
    encoded = [_encode(column) for column in columns]
    features = np.concatenate(encoded, axis=1)
    parts = np.array(_forest(features.tobytes(), features.shape, table.response.tobytes(), seed))
    ends = np.cumsum([part.shape[1] for part in encoded])[:-1]
    shares = {c.name: float(part.sum()) for c, part in zip(columns, np.split(parts, ends), strict=True)}
    ordered = dict(sorted(shares.items(), key=lambda item: -item[1]))
    return Importance(table.metric, ordered, table.n, table.left_out)


def _encode(column: Column) -> Floats:
    """Return numbers as they are, a category as one column of 0 and 1 for each level; shape (trials, columns).

    scikit-learn keeps features in float32. Numbers that it cannot hold or tell apart become their ranks, which a tree
    splits at the same places.
    """
    if not column.categorical:
        numbers = np.array(column.values, float)
        distinct, ranks = np.unique(numbers, return_inverse=True)
        with np.errstate(over="ignore", under="ignore"):
            short = distinct.astype(np.float32)
        faithful = bool(np.isfinite(short).all()) and len(np.unique(short)) == len(distinct)
        return (numbers if faithful else ranks.astype(float))[:, None]
    labels, index = column.levels
    return np.array([[float(i == level) for level in range(len(labels))] for i in index])


@lru_cache(maxsize=16)  # a page that refreshes asks for the same forest until another trial has ended
def _forest(features: bytes, shape: tuple[int, int], response: bytes, seed: int) -> tuple[float, ...]:
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(
        n_estimators=TREES, max_depth=DEPTH, min_samples_split=2, min_samples_leaf=1, random_state=seed
    )
    forest.fit(np.frombuffer(features).reshape(shape), np.frombuffer(response))
    return tuple(float(share) for share in forest.feature_importances_)

"""Correlate each HParam linearly with the metric, as in the panel of Weights & Biases: Pearson's, from -1 to 1.

Values are taken as they are, also those of a log domain. A category has one for each of its levels: of being this
level (1) or not (0).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gridsearch.report.analysis.table import Floats, Table

__all__ = ["correlation"]

Correlations = Mapping[str, float | Mapping[str, float | None] | None]


def correlation(table: Table) -> Correlations:
    """Return pearson's correlation by HParam; by level for categories; None where a column has a single value.

    Raises:
        UserError: too few trials, a constant metric, nothing that varies.
    """
    table.explainable()
    found: dict[str, float | Mapping[str, float | None] | None] = {}
    for column in table.columns:
        if column.categorical:
            labels, index = column.levels
            levels = np.array(index, int)
            found[column.name] = {
                label: _pearson((levels == i).astype(float), table.response) for i, label in enumerate(labels)
            }
        else:
            found[column.name] = _pearson(np.array(column.values, float), table.response)
    return found


def _pearson(one: Floats, other: Floats) -> float | None:
    if np.ptp(one) == 0.0 or np.ptp(other) == 0.0:  # the mean of six times 0.1 is not 0.1
        return None
    a, b = one - one.mean(), other - other.mean()
    # Scaled first: the squares of 1e-200 would be 0, those of 1e200 infinite.
    a, b = a / np.abs(a).max(), b / np.abs(b).max()
    return float(np.clip((a @ b) / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))

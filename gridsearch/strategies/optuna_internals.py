"""What Optuna keeps private and this package needs, in one place.

``tests/strategies/test_internals.py`` fails with a sentence when a new version moves it.
"""

from __future__ import annotations

from typing import Any

import optuna

__all__ = ["suggest"]


def suggest(trial: optuna.Trial, name: str, distribution: optuna.distributions.BaseDistribution) -> Any:
    """Return what a trial's sampler proposes from a distribution of any kind.

    Upstream: ``optuna.Trial._suggest``. The public methods take the arguments of one kind of distribution each.
    """
    return trial._suggest(name, distribution)

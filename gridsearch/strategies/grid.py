"""Propose the whole space in its declared order."""

from __future__ import annotations

from collections.abc import Iterator

from gridsearch.hparams.combination import Combination, combination_id
from gridsearch.hparams.grid import Space
from gridsearch.trials import TrialRecord

__all__ = ["GridStrategy"]


class GridStrategy:
    """Proposes every combination of a space that has no trial yet; results do not change what comes next."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._rest: Iterator[Combination] = iter(space)
        self._known: set[str] = set()

    def tell(self, trial: TrialRecord) -> None:
        """Note that a trial exists: its combination need not be proposed."""
        self._known.add(combination_id(self._space.with_defaults(trial.trial.values)))

    def ask(self) -> Combination | None:
        """Return the next combination without a trial, or None when the space is exhausted."""
        for values in self._rest:
            if combination_id(values) not in self._known:
                return values
        return None

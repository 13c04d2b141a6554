"""Propose no more than so many trials, counting those of earlier runs (``sweep.trials``)."""

from __future__ import annotations

from typing import Literal

from gridsearch.hparams.combination import Combination, combination_id
from gridsearch.hparams.grid import Space
from gridsearch.hparams.search_space import SearchSpace
from gridsearch.strategies import Strategy, SupportsExplanation, Wait
from gridsearch.trials import TrialRecord

__all__ = ["TrialLimit"]


class TrialLimit:
    """Asks a strategy for new combinations until there are enough.

    Args:
        strategy: what proposes.
        space: trials outside of it do not count.
        most: how many trials there may be.
    """

    def __init__(self, strategy: Strategy, space: Space | SearchSpace, most: int) -> None:
        self._strategy, self._space, self._most = strategy, space, most
        self._known: set[str] = set()

    @property
    def over(self) -> str:
        """Why the strategy has nothing more; reaching the limit needs no explanation."""
        return self._strategy.over if isinstance(self._strategy, SupportsExplanation) else ""

    def tell(self, trial: TrialRecord) -> None:
        """Count a trial, and pass it on."""
        values = self._space.with_defaults(trial.trial.values)
        if values in self._space:
            self._known.add(combination_id(values))
        self._strategy.tell(trial)

    def ask(self) -> Combination | Literal[Wait.WAIT] | None:
        """Return what the strategy proposes, or None when there are enough."""
        if len(self._known) >= self._most:
            return None
        values = self._strategy.ask()
        if values is not None and not isinstance(values, Wait):
            self._known.add(combination_id(values))
        return values

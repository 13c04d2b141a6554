"""Propose combinations at random: uniformly in each domain, or in the logarithm of those on a log scale."""

from __future__ import annotations

from gridsearch.hparams.combination import Combination, combination_id
from gridsearch.hparams.search_space import SearchSpace
from gridsearch.trials import TrialRecord

__all__ = ["RandomStrategy"]


class RandomStrategy:
    """Proposes combinations in a random order that its seed decides, none of them twice.

    Args:
        space: what to draw from; a finite one is gone through to its last combination.
        seed: the same seed is the same order, and what has a trial already is left out of it.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space, self._stream = space, space.sample(seed)
        self.known: set[str] = set()
        """Ids of what was proposed or heard of."""
        self.over = ""

    def tell(self, trial: TrialRecord) -> None:
        """Note that a trial exists: its combination need not be proposed."""
        self.known.add(combination_id(self._space.with_defaults(trial.trial.values)))

    def ask(self) -> Combination | None:
        """Return the next combination without a trial, or None when the space is exhausted."""
        for values in self._stream:
            identity = combination_id(values)
            if identity not in self.known:
                self.known.add(identity)
                return values
        size = self._space.size
        self.over = f"space exhausted: {size} of {size}" if size is not None else "space exhausted"
        return None

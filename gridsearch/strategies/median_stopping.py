"""Stop trials by the median rule: a trial that is worse than half of the others were after as many epochs is stopped.

Golovin and others, "Google Vizier: A Service for Black-Box Optimization" (2017), section 3.2: a trial's best objective
up to an epoch is compared with the median of the running means of the others' objectives up to that epoch. Here their
best takes the place of their mean, since it is the best epoch that counts.
"""

from __future__ import annotations

from statistics import median
from typing import Literal

from gridsearch.hparams.combination import Combination
from gridsearch.strategies import Strategy, SupportsExplanation, Wait
from gridsearch.trials import Objective, Session, Status, TrialRecord, Verdict

__all__ = ["MedianStopping"]


class MedianStopping:
    """A strategy whose hopeless trials are stopped by the median rule.

    Args:
        strategy: what proposes.
        objective: what is compared.
        trials: how many must have been trained to their end before the first is stopped.
        epochs: how many every trial is given.

    Raises:
        ValueError: fewer than one of either.
    """

    def __init__(self, strategy: Strategy, objective: Objective, *, trials: int = 5, epochs: int = 1) -> None:
        if trials < 1 or epochs < 1:
            raise ValueError("trials and epochs: at least 1")
        self._strategy, self._objective, self._trials, self._epochs = strategy, objective, trials, epochs
        self._best: dict[str, list[float]] = {}
        """For each session its best objective up to each epoch."""
        self._finished: set[str] = set()

    @property
    def over(self) -> str:
        """What the strategy says."""
        return self._strategy.over if isinstance(self._strategy, SupportsExplanation) else ""

    def ask(self) -> Combination | Literal[Wait.WAIT] | None:
        """Return what the strategy proposes."""
        return self._strategy.ask()

    def tell(self, trial: TrialRecord) -> None:
        """Note which sessions were trained to their end: others are compared with them."""
        self._finished |= {session.name for session in trial.results if session.status is Status.COMPLETED}
        self._strategy.tell(trial)

    def report(self, session: Session, epoch: int, value: float) -> Verdict:
        """Return whether the session keeps up with the median of those that are finished."""
        curve = self._best.setdefault(session.name, [])
        better = not curve or self._objective.better(value, curve[-1])
        curve += [value if better else curve[-1]] * (epoch + 1 - len(curve))
        others = [self._best[name][epoch] for name in self._finished if len(self._best.get(name, ())) > epoch]
        if epoch + 1 < self._epochs or len(others) < self._trials:
            return Verdict.GO_ON
        return Verdict.STOP if self._objective.better(median(others), curve[epoch]) else Verdict.GO_ON

"""Halve successively: every trial gets a few epochs, the best third a few more, and only the best of those all.

    factor 3, 5 epochs         rung 0     rung 1     rung 2
    epochs trained             1          2          5
    of 36 trials               36         12         4          60 epochs in place of 180

Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization" (2016). A trial that
reaches a rung is paused with its checkpoint; when all have come that far, the best are asked for again and go on.
Which they are is computed from the epochs that were reported, so that nothing need be remembered between runs.
"""

from __future__ import annotations

import math
from typing import Literal

from gridsearch.hparams.combination import Combination, combination_id
from gridsearch.strategies import WAIT, Strategy, SupportsExplanation, Wait
from gridsearch.trials import Objective, Session, TrialRecord, Verdict

__all__ = ["SuccessiveHalving", "rungs"]


def rungs(epochs: int, factor: float, least: int = 1) -> tuple[int, ...]:
    """Return after how many epochs trials are compared, ascending; the last is all of them."""
    found = [epochs]
    while found[-1] > least:
        found.append(max(least, min(found[-1] - 1, math.ceil(found[-1] / factor))))
    return tuple(reversed(found))


class SuccessiveHalving:
    """A strategy of whose trials only the best are trained to their end.

    Args:
        strategy: what proposes; it must come to an end.
        objective: what is compared.
        epochs: of a trial that is trained to its end.
        factor: one in so many goes on from each rung.
        least: epochs that every trial gets.

    Raises:
        ValueError: a factor of 1 or less, or ``least`` below 1.
    """

    def __init__(
        self, strategy: Strategy, objective: Objective, epochs: int, *, factor: float = 3, least: int = 1
    ) -> None:
        if factor <= 1 or least < 1:
            raise ValueError("factor: above 1; least: at least 1 epoch")
        self._strategy, self._objective, self._factor = strategy, objective, factor
        self._rungs = rungs(epochs, factor, min(least, epochs))
        self._values: list[dict[str, float]] = [{} for _ in self._rungs]
        """For each rung the objective of every trial that has reached it."""
        self._members: list[dict[str, None]] = [{}]
        """Who is to reach each rung that has been opened, in order."""
        self._combinations: dict[str, Combination] = {}
        self._busy: set[str] = set()
        self._exhausted = False

    @property
    def over(self) -> str:
        """What the strategy says."""
        return self._strategy.over if isinstance(self._strategy, SupportsExplanation) else ""

    def tell(self, trial: TrialRecord) -> None:
        """Hear that a trial is planned, paused or ended; one that failed or completed is not asked for again."""
        identity = trial.trial.id
        self._join(identity, trial.trial.values)
        self._busy.discard(identity)
        if not trial.sessions:
            self._busy.add(identity)  # it has sessions that an earlier run left
        elif trial.paused is None:
            self._combinations.pop(identity, None)
        self._strategy.tell(trial)

    def report(self, session: Session, epoch: int, value: float) -> Verdict:
        """Pause a trial at the rung that it is to reach."""
        identity, done = session.trial.id, epoch + 1
        self._join(identity, session.trial.values)
        for rung, epochs in enumerate(self._rungs):
            if done == epochs:
                self._values[rung][identity] = value
        aim = max(rung for rung, members in enumerate(self._members) if identity in members)
        return Verdict.PAUSE if self._rungs[aim] <= done < self._rungs[-1] else Verdict.GO_ON

    def _join(self, identity: str, values: Combination) -> None:
        if identity not in self._members[0]:
            self._members[0][identity] = None
            self._combinations[identity] = values

    def ask(self) -> Combination | Literal[Wait.WAIT] | None:
        """Return a new combination, then those that go on; WAIT while a rung is not complete."""
        if not self._exhausted:
            values = self._strategy.ask()
            if isinstance(values, Wait):
                return values
            if values is not None:
                identity = combination_id(values)
                self._join(identity, values)
                self._busy.add(identity)
                return values
            self._exhausted = True
        return self._next_promoted()

    def _next_promoted(self) -> Combination | Literal[Wait.WAIT] | None:
        for rung in range(len(self._rungs)):
            if rung == len(self._members):
                self._members.append(dict.fromkeys(self._best_of(rung - 1)))
            waiting = [one for one in self._members[rung] if one not in self._values[rung]]
            for identity in waiting if rung else ():
                if identity in self._combinations and identity not in self._busy:
                    self._busy.add(identity)
                    return self._combinations[identity]
            if any(identity in self._busy for identity in self._members[rung]):
                return WAIT
        return None

    def _best_of(self, rung: int) -> list[str]:
        """Return those that go on from a complete rung; of equal ones the earlier."""
        reached = self._values[rung]
        values = {identity: reached[identity] for identity in self._members[rung] if identity in reached}
        sign = -1.0 if self._objective.maximize else 1.0
        ordered = sorted(values, key=lambda identity: sign * values[identity])
        return ordered[: math.ceil(len(self._members[rung]) / self._factor)]

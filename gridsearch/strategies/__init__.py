"""Which combinations come next: one file per kind, all of them ``Strategy``.

    runner                          strategy
      tell(completed trials) ──────►           on resume, every fact that is known
      ask() ───────────────────────►           values of a combination never proposed before
      tell(trial with its results) ►
      ask() ───────────────────────► None      nothing more, ever
      ask() ───────────────────────► WAIT      nothing until something running has ended

A strategy gets finished facts and returns values. It never sees the record, an executor or a clock.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal, Protocol

from gridsearch.hparams import Combination
from gridsearch.record import TrialRecord

__all__ = ["WAIT", "Strategy", "Wait"]


class Wait(Enum):
    """The answer of a strategy that can propose more only after it is told more."""

    WAIT = "wait"


WAIT: Final[Literal[Wait.WAIT]] = Wait.WAIT


class Strategy(Protocol):
    """Proposes combinations and learns what became of them."""

    def ask(self) -> Combination | Literal[Wait.WAIT] | None:
        """The next combination, cast by its domains and never one that was proposed or told before."""

    def tell(self, trial: TrialRecord) -> None:
        """A trial and how it stands: planned in an earlier run, or ended just now, also when it failed."""

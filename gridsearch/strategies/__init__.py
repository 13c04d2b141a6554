"""Decide which combinations come next: one file for each kind of ``Strategy``.

    runner                          strategy
      tell(completed trials) ──────►           on resume, every trial that is recorded
      ask() ───────────────────────►           values of a combination never proposed before
      tell(trial with its results) ►
      ask() ───────────────────────► None      nothing more, ever
      ask() ───────────────────────► WAIT      nothing until something running has ended

A strategy that ``SupportsVerdicts`` also hears of every epoch. It may stop the trial, or pause it at a rung with its
checkpoint. A paused trial resumes when its combination is asked for once more; when a sweep is resumed, the strategy
hears the epochs of such trials first.

      report(session, epoch, value) ► PAUSE
      ask() ───────────────────────►           values of a paused combination: it resumes

A strategy gets finished facts and returns values. It never sees the record, an executor or a clock. Its state is
stored nowhere: with the same seed and the same facts, a fresh one proposes what the old one would have.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal, Protocol, runtime_checkable

from gridsearch.hparams.combination import Combination
from gridsearch.trials import Session, TrialRecord, Verdict

__all__ = ["WAIT", "Strategy", "SupportsExplanation", "SupportsVerdicts", "Wait"]


class Wait(Enum):
    """The answer of a strategy that can propose more only after it hears more."""

    WAIT = "wait"


WAIT: Final[Literal[Wait.WAIT]] = Wait.WAIT


class Strategy(Protocol):
    """Proposes combinations and learns what became of them."""

    def ask(self) -> Combination | Literal[Wait.WAIT] | None:
        """Return the next combination, cast by its domains and never one that it has proposed or heard of before.

        Unless it is paused, see ``SupportsVerdicts``.
        """

    def tell(self, trial: TrialRecord) -> None:
        """Hear of a trial: planned in an earlier run, or ended just now, also when it failed."""


@runtime_checkable
class SupportsVerdicts(Protocol):
    """A strategy that looks at running trials."""

    def report(self, session: Session, epoch: int, value: float) -> Verdict:
        """Return what becomes of a session, given its objective after an epoch from 0; on resume nobody asks."""


@runtime_checkable
class SupportsExplanation(Protocol):
    """A strategy that can say why it has nothing more to propose."""

    over: str
    """One line, as in "space exhausted: 18 of 18"; empty while there is more, or when there is nothing to explain."""

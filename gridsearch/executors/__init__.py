"""Decide where a trial runs: one file for each kind of ``Executor``.

submit(task) ──► a free slot ──► worker.run_session
collect(t)   ◄── epochs, heartbeats, and for every task exactly one Ended, whatever happened to its process
close()          nothing that was started is left running, and what had ended before can still be collected
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from gridsearch.training.task import Task
from gridsearch.trials import Message, Outcome, Verdict

__all__ = ["Executor", "SupportsAnswers", "SupportsCancel", "SupportsPump"]


class Executor(Protocol):
    """Trains tasks, ``slots`` of them at a time."""

    slots: int

    def submit(self, task: Task) -> None:
        """Start a task; the caller keeps to ``slots`` unended ones."""

    def collect(self, seconds: float) -> list[Message]:
        """Return messages in order, as soon as there are any; [] after about ``seconds`` without."""

    def close(self) -> None:
        """End everything at once, running tasks too; what they had said is left to collect. Again it does nothing."""


@runtime_checkable
class SupportsCancel(Protocol):
    """An executor that can end one running task without touching the others."""

    def cancel(self, session: str, outcome: Outcome) -> None:
        """End this session's task; its ``Ended`` carries the given outcome."""


@runtime_checkable
class SupportsAnswers(Protocol):
    """An executor that can tell a running task, when it asks after an epoch, whether to go on."""

    def answer(self, session: str, epoch: int, verdict: Verdict) -> None:
        """Pass on what becomes of a session whose ``Epoch`` asked."""


@runtime_checkable
class SupportsPump(Protocol):
    """An executor that runs tasks inside ``collect``: what they say before they ask must be taken from it there."""

    pump: Callable[[list[Message]], None]
    """Set by whoever collects."""

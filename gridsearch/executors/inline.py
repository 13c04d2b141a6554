"""Train in this very process, one trial after another: for debuggers, notebooks and tests."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from gridsearch.training.session import run_session
from gridsearch.training.task import Task
from gridsearch.trials import Ended, FailureKind, Message, Outcome, Verdict

__all__ = ["InlineExecutor"]


class InlineExecutor:
    """Runs each task to its end inside ``collect``; what it prints goes to its log.

    Args:
        interruptible: a context in which a stop signal raises KeyboardInterrupt, see ``stopping.Stop``.
    """

    slots = 1

    def __init__(self, interruptible: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self._interruptible = interruptible
        self._waiting: deque[Task] = deque()
        self._verdict = Verdict.GO_ON
        self.pump: Callable[[list[Message]], None] = lambda messages: None

    def submit(self, task: Task) -> None:
        """Keep the task until ``collect``."""
        self._waiting.append(task)

    def collect(self, seconds: float) -> list[Message]:
        """Run the task that waits, if one does, and return all that it said."""
        messages: list[Message] = []
        failures: list[Exception] = []

        def hear(epoch: int) -> Verdict:
            self._verdict = Verdict.GO_ON
            said, messages[:] = list(messages), []
            try:
                self.pump(said)
            except Exception as error:  # the sweep's own, and no fault of the trial that waits for it
                failures.append(error)
                raise KeyboardInterrupt from error
            return self._verdict

        if self._waiting:
            task = self._waiting.popleft()
            task.directory.mkdir(parents=True, exist_ok=True)
            log = (task.directory / "log.txt").open("a", encoding="utf-8", errors="backslashreplace")
            with log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                try:
                    with self._interruptible():
                        run_session(task, messages.append, hear)
                except KeyboardInterrupt:
                    outcome = Outcome.failed(FailureKind.INTERRUPTED, "the sweep was stopped", charged=False)
                    messages.append(Ended(task.session.name, outcome))
        if failures:
            raise failures[0]
        return messages

    def answer(self, session: str, epoch: int, verdict: Verdict) -> None:
        """Keep it for the task, which is waiting."""
        self._verdict = verdict

    def close(self) -> None:
        """Forget what waits; nothing else can be running."""
        self._waiting.clear()

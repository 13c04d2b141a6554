"""Run a writer in a process of its own, so that its failure never costs a trial.

    runner ──► IsolatedWriter ──► queue ──thread──socket pair──► process ──► the writer, say W&B's, and its service
                                            ◄──── accepted, or an error ────

The thread sends a message after the process accepted the one before. The runner only puts messages into the queue,
which takes microseconds. A writer is switched off with one line if it raises, dies, falls behind or does not answer
in time. What it missed is in the record, and ``gridsearch.writers.backfill`` writes it later.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from gridsearch.system.child_process import ChildProcess
from gridsearch.trials import Epoch, SessionRecord
from gridsearch.writers import SweepInfo

__all__ = ["IsolatedWriter"]

MOST_WAITING = 10_000
"""The number of messages that the queue holds: a few MiB."""

SECONDS_TO_START = 120.0
SECONDS_TO_ANSWER = 120.0
"""How long the process may take for one message while the sweep runs. The sweep does not wait for it."""

SECONDS_AT_END = 10.0
"""How long it may take for one message when the sweep has ended and waits.

A message that was sent more than half this time before the sweep ended gets no further time.
"""

MOST_AT_END = 30.0
"""Seconds that the sweep waits at its end for all messages in the queue."""

SECONDS_TO_LEAVE = 5.0


class _SwitchedOffError(Exception):
    """The writer is switched off; the message says why."""


class IsolatedWriter:
    """A ``Writer`` that passes everything on to a writer in another process, and never raises or waits.

    Args:
        name: the writer's entry point.
        background: the sweep info that the writer is made with.
        warn: shows a line to the user.
        cure: ends that line: how to write what the writer missed.
    """

    def __init__(self, name: str, background: SweepInfo, warn: Callable[[str], None], cure: str = "") -> None:
        self.name, self._background, self._warn, self._cure = name, background, warn, cure
        self._queue: queue.Queue[tuple[str, Any]] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._child: ChildProcess | None = None
        self._ready = False
        self._asked: float | None = None
        self._problem = ""
        self._said_so = False

    def begin(self, session: SessionRecord) -> None:
        """Queue it for the process."""
        self._put("begin", session)

    def epoch(self, epoch: Epoch) -> None:
        """Queue it for the process."""
        self._put("epoch", epoch)

    def end(self, session: SessionRecord) -> None:
        """Queue it for the process."""
        self._put("end", session)

    def _put(self, what: str, about: Any) -> None:
        if not self._problem:
            if self._thread is None:  # a sweep with nothing left to do starts no process
                self._thread = threading.Thread(target=self._deliver, daemon=True)
                self._thread.start()
            try:
                self._queue.put_nowait((what, about))
            except queue.Full:
                self._problem = f"{MOST_WAITING:,} messages are waiting for it"
        self._say_if_off()

    def _say_if_off(self) -> None:
        if self._problem and not self._said_so:
            self._said_so = True
            self._kill()
            line = f"{self.name} is switched off, the sweep goes on without it: {self._problem}"
            self._warn(line + (f"; {self._cure}" if self._cure else ""))

    def close(self) -> None:
        """Wait until the process accepted every message or missed its deadline; then end the process."""
        if self._thread is not None and not self._problem:
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(("close", None))
            self._wait()
        self._say_if_off()
        self._kill()
        if self._thread is not None:
            self._thread.join(SECONDS_TO_LEAVE)
        if self._child is not None:
            self._child.close()

    def _wait(self) -> None:
        assert self._thread is not None
        patience = 0.0 if self._silent() > SECONDS_AT_END / 2 else SECONDS_AT_END
        deadline = time.monotonic() + MOST_AT_END
        while self._thread.is_alive() and not self._problem:
            if not self._ready:  # the process still imports its packages: the limit counts from its first answer
                deadline = time.monotonic() + MOST_AT_END
            if self._silent() > patience:
                self._problem = f"it has not answered for {self._silent():.0f} s"
            elif time.monotonic() > deadline:
                self._problem = f"{self._queue.qsize():,} messages are still waiting for it"
            self._thread.join(0.05)

    def _silent(self) -> float:
        """Return the seconds since the unanswered message was sent; 0 without one."""
        asked = self._asked
        return 0.0 if asked is None else time.monotonic() - asked

    # In the thread.

    def _deliver(self) -> None:
        try:
            connection = self._start()
            try:
                while not self._problem:
                    what, about = self._queue.get()
                    self._asked = time.monotonic()
                    connection.send((what, about))
                    self._answer(connection, SECONDS_TO_ANSWER)
                    if what == "close":
                        return
            finally:
                connection.close()
        except _SwitchedOffError as error:
            self._problem = self._problem or str(error)
        except (EOFError, OSError):
            self._problem = self._problem or f"its process ended{self._last_words()}"

    def _start(self) -> Connection:
        self._child = ChildProcess("gridsearch.writers.isolated_process")
        connection = self._child.connection
        connection.send((self.name, self._background))
        self._answer(connection, SECONDS_TO_START)
        self._ready = True
        return connection

    def _answer(self, connection: Connection, seconds: float) -> None:
        if not connection.poll(seconds):
            raise _SwitchedOffError(f"it has not answered for {seconds:.0f} s")
        problem = connection.recv()
        if problem:
            raise _SwitchedOffError(problem)
        self._asked = None

    def _last_words(self) -> str:
        if self._child is None:
            return ""
        self._child.wait(SECONDS_TO_LEAVE)
        said = self._child.last_words()
        return f" ({said})" if said else ""

    def _kill(self) -> None:
        """Kill the process and everything it started; W&B's service is in a session of its own."""
        if self._child is not None:
            if not self._problem:
                self._child.wait(SECONDS_TO_LEAVE)
            self._child.kill(tree=True)

"""A writer in a process of its own, so that whatever becomes of it is no concern of the sweep.

    runner ──► Outside ──► queue ──thread──socket pair──► process (child) ──► the writer, say W&B's, and its service
                                       ◄──── taken, or what went wrong ────

A message is sent when the one before it was taken. The runner only ever puts one in the queue, which costs it
microseconds. A writer that raises, dies, falls behind or says nothing for too long is switched off with a line; what
it missed is in the record.
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
"""Messages that the queue holds: some MiB."""

SECONDS_TO_START = 120.0
SECONDS_TO_ANSWER = 120.0
"""How long a message may be on its way while the sweep runs; nobody waits for it."""

SECONDS_AT_END = 10.0
"""The same when the sweep has ended and waits, unless the writer had then said nothing for half that time already."""

MOST_AT_END = 30.0
"""Seconds that the sweep waits for everything that is still in the queue."""

SECONDS_TO_LEAVE = 5.0


class _SwitchedOffError(Exception):
    """Why."""


class IsolatedWriter:
    """Tells a writer in another process; a ``Writer`` that never raises and never waits.

    Args:
        name: of its entry point.
        background: what it is made with.
        warn: says a line to the user.
        cure: what that line ends with: how what was missed can be made up for.
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
        """Pass it on."""
        self._put("begin", session)

    def epoch(self, epoch: Epoch) -> None:
        """Pass it on."""
        self._put("epoch", epoch)

    def end(self, session: SessionRecord) -> None:
        """Pass it on."""
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
        """Wait until everything was taken, or until the writer has shown that it will not; then end its process."""
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
            if not self._ready:  # it is being imported, which waits for nobody else
                deadline = time.monotonic() + MOST_AT_END
            if self._silent() > patience:
                self._problem = f"it has not answered for {self._silent():.0f} s"
            elif time.monotonic() > deadline:
                self._problem = f"{self._queue.qsize():,} messages are still waiting for it"
            self._thread.join(0.05)

    def _silent(self) -> float:
        """Seconds since the message that is on its way was sent; 0 if there is none."""
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
        """End the process with all that it has started, W&B's service among it, which is in a session of its own."""
        if self._child is not None:
            if not self._problem:
                self._child.wait(SECONDS_TO_LEAVE)
            self._child.kill(tree=True)

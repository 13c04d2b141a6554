"""Hold the lock of a log directory: one runner at a time, on whichever machine.

    row in sweep.db     token, who holds it, a heartbeat every 15 s from a thread of its own
    sweep.lock          a lock held by the kernel, where the file system has one: it cannot outlive its process

A holder in the same PID namespace is looked at directly. Of any other only the heartbeat can be seen. A fresh one is
believed; one that seems old may come from a clock that was set, so it is watched for longer than its interval before
the lock is taken over. Every transaction of the journal proves that the token is still there.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from gridsearch.errors import LogdirError
from gridsearch.record.database import connect
from gridsearch.system.liveness import ProcessIdentity, start_ticks

__all__ = ["RunnerLock", "is_held", "read_holder"]

BEAT_EVERY = 15.0
"""Seconds between two heartbeats."""

DEAD_AFTER = 120.0
"""Seconds without a heartbeat after which a runner that cannot be seen from here may be dead."""

WATCH = 2.5 * BEAT_EVERY
"""Seconds for which such a runner's heartbeat is watched before its lock is taken over."""

SAME_SECOND = 5.0
"""Seconds by which a creation time of schema version 1 may differ from today's reading of it."""

Holder = tuple[ProcessIdentity, float]
"""Who holds the lock, and the last heartbeat in seconds since 1970."""


def read_holder(database: sqlite3.Connection, version: int) -> Holder | None:
    """Return who holds the lock, alive or not; None if nobody does."""
    if version == 1:
        row = database.execute("SELECT host, pid, born, boot, beat FROM runner").fetchone()
        return None if row is None else (_identity_of_1(*row[:4]), float(row[4]))
    row = database.execute("SELECT host, pid, ticks, boot, namespace, beat FROM runner").fetchone()
    return None if row is None else (ProcessIdentity(*row[:5]), float(row[5]))


def _identity_of_1(host: str, pid: int, born: float, boot: str) -> ProcessIdentity:
    """Return a holder as schema version 1 knew it: by the second of its creation, which setting the clock moves."""
    import psutil

    here = ProcessIdentity.current()
    ticks = -2  # of no process
    with suppress(psutil.Error):
        if host == here.host and abs(psutil.Process(pid).create_time() - born) < SAME_SECOND:
            ticks = start_ticks(pid)
    return ProcessIdentity(host, pid, ticks, boot, here.namespace)


def is_held(holder: Holder | None) -> bool:
    """Return whether a runner is at work, as far as one look can tell."""
    if holder is None:
        return False
    alive = holder[0].is_alive()
    return _is_fresh(holder[1]) if alive is None else alive


def _is_fresh(beat: float) -> bool:
    return abs(time.time() - beat) < DEAD_AFTER


class RunnerLock:
    """The lock of one log directory, taken by ``take`` inside a transaction of the caller.

    Args:
        logdir: the log directory.
        file: its database.
        warn: says a line to the user while another runner's heartbeat is watched.
    """

    def __init__(self, logdir: Path, file: Path, warn: Callable[[str], None] = lambda line: None) -> None:
        self._logdir, self._file, self._warn = logdir, file, warn
        self._token = uuid.uuid4().hex
        self._kernel = FileLock(logdir / "sweep.lock", blocking=False)
        self._left = threading.Event()
        self._thread: threading.Thread | None = None
        self.beat_before = 0.0
        """The last heartbeat of the runner before, in seconds since 1970; 0.0 if there was none."""

    def wait_for_holder(self, database: sqlite3.Connection, version: int) -> None:
        """Take the kernel's lock, and refuse if another runner is at work; to be called outside of a transaction.

        Raises:
            LogdirError: another runner holds the log directory.
        """
        holder = read_holder(database, version) if version else None
        try:
            self._kernel.acquire()
        except Timeout:
            raise self._refusal(holder) from None
        except (OSError, NotImplementedError):  # a file system without locks: the row is all there is
            pass
        if holder is not None and self._seems_alive(database, version, holder):
            self.release_kernel_lock()
            raise self._refusal(holder)

    def _seems_alive(self, database: sqlite3.Connection, version: int, holder: Holder) -> bool:
        identity, beat = holder
        alive = identity.is_alive()
        if alive is not None or _is_fresh(beat):
            return alive is not False
        self._warn(f"process {identity.pid} on {identity.host} was at work here; looking for {WATCH:.0f} s if it lives")
        deadline = time.monotonic() + WATCH
        while time.monotonic() < deadline:
            time.sleep(min(1.0, WATCH / 10))
            now = read_holder(database, version)
            if now is None or now != holder:
                return now is not None
        return False

    def _refusal(self, holder: Holder | None) -> LogdirError:
        who = f": process {holder[0].pid} on {holder[0].host}" if holder else ""
        cure = "Wait for it, stop it, or name another directory with --logdir."
        return LogdirError(f"another runner is at work here{who}", where=str(self._logdir), cure=cure)

    def take(self, database: sqlite3.Connection) -> None:
        """Write this process into the database as the holder; inside the caller's exclusive transaction.

        Raises:
            LogdirError: another runner has taken the lock since ``wait_for_holder``.
        """
        holder = read_holder(database, 2)
        if holder is not None:
            if is_held(holder):
                raise self._refusal(holder)
            self.beat_before = holder[1]
        me = ProcessIdentity.current()
        row = (1, self._token, me.host, me.pid, me.ticks, me.boot, me.namespace, time.time())
        database.execute("INSERT OR REPLACE INTO runner VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def start_beating(self) -> None:
        """Show other hosts that this runner lives, also while it decodes pictures or trains a trial itself."""
        self._thread = threading.Thread(target=self._keep_beating, name="gridsearch-heartbeat", daemon=True)
        self._thread.start()

    def _keep_beating(self) -> None:
        while not self._left.wait(BEAT_EVERY):
            # What is wrong with the disk is said where something must be written.
            with suppress(sqlite3.Error), closing(connect(self._file, readonly=False)) as own:
                own.execute("UPDATE runner SET beat = ? WHERE token = ?", (time.time(), self._token))

    def prove(self, database: sqlite3.Connection) -> None:
        """Prove that the lock is still this runner's; inside every transaction, before anything is written.

        Raises:
            LogdirError: another runner has taken over, since this one was frozen for long.
        """
        if database.execute("SELECT 1 FROM runner WHERE token = ?", (self._token,)).fetchone() is None:
            problem = "another runner has taken over, since this one showed no sign of life"
            raise LogdirError(problem, where=str(self._logdir), cure="Leave the sweep to that one.")

    def release(self, database: sqlite3.Connection) -> None:
        """Give the lock back; one that another runner has taken over is left to it."""
        self._left.set()
        if self._thread is not None:
            self._thread.join()
        try:
            database.execute("DELETE FROM runner WHERE token = ?", (self._token,))
        finally:
            self.release_kernel_lock()

    def release_kernel_lock(self) -> None:
        """Give the kernel's lock back, where it was taken."""
        self._kernel.release()

"""What disks and databases say when they cannot, told plainly; and whether whoever holds a home still lives."""

from __future__ import annotations

import errno
import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridsearch.errors import HomeError

__all__ = ["boot_id", "disk_full", "is_full", "lives", "told_plainly"]

DEAD_AFTER = 120.0
"""Seconds without a sign of life after which a runner on another host counts as dead."""

MAKE_ROOM = "Make room on that disk and run the same command again: what was finished is kept."
PERMIT = "Give this user write permission there, or name another directory with --logdir."


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no room left; HDF5 says so in words only."""
    full = (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, OSError) and (error.errno in full or os.strerror(errno.ENOSPC) in str(error))


def disk_full(where: Path, problem: str) -> HomeError:
    """The error of a disk without room."""
    return HomeError(f"the disk is full: {problem}", where=str(where), cure=MAKE_ROOM)


@contextmanager
def told_plainly(file: Path) -> Iterator[None]:
    """Errors of SQLite and of the file system as something that the user can mend.

    Raises:
        HomeError: in place of ``sqlite3.Error`` and ``OSError``.
    """
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        raise HomeError(f"the record cannot be used: {text}", where=str(file), cure=_cure(text, file)) from error
    except OSError as error:
        if is_full(error):
            raise disk_full(file, str(error)) from error
        raise HomeError(f"cannot be used: {error}", where=str(file), cure=PERMIT) from error


def _cure(text: str, file: Path) -> str:
    if "full" in text or "disk I/O" in text:
        return MAKE_ROOM
    if "locked" in text:
        return "Another program holds the file open; close it and run the same command again."
    if "readonly" in text or "unable to open" in text:
        return PERMIT
    return (
        f"Move {file.name} aside; `sqlite3 {file.name} .recover` of SQLite's own shell brings back what is readable, "
        "and the event files and models beside it are untouched."
    )


def boot_id() -> str:
    """What tells this run of this machine from the one before its last restart."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import psutil

        return f"{psutil.boot_time():.0f}"


def lives(host: str, pid: int, born: float, boot: str, beat: float) -> bool:
    """Whether a runner is still there.

    Args:
        host: where it runs.
        pid: its process there.
        born: when that process began, in seconds since 1970; a number is used again, a beginning is not.
        boot: that machine's ``boot_id``.
        beat: its last sign of life, in seconds since 1970; all there is to go by on another host.
    """
    import psutil

    if host != socket.gethostname():
        return time.time() - beat < DEAD_AFTER
    if boot != boot_id():
        return False
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - born) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

"""Writing files so that a crash, a full disk or a missing permission is explained and leaves nothing half done."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridsearch.errors import LogdirError

__all__ = ["MAKE_ROOM", "PERMIT", "disk_full", "explain_os_errors", "is_full", "write_atomically"]

MAKE_ROOM = "Make room on that disk and run the same command again: what was finished is kept."
PERMIT = "Give this user write permission there, or name another directory with --logdir."


def is_full(error: BaseException) -> bool:
    """Return whether an error says that the disk has no room left; HDF5 says so in words only."""
    full = (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, OSError) and (error.errno in full or os.strerror(errno.ENOSPC) in str(error))


def disk_full(where: Path, problem: str) -> LogdirError:
    """Return the error of a disk without room."""
    return LogdirError(f"the disk is full: {problem}", where=str(where), cure=MAKE_ROOM)


@contextmanager
def explain_os_errors(file: Path) -> Iterator[None]:
    """Turn errors of the file system into errors that the user can mend.

    Args:
        file: what is read or written inside, named in the message.

    Raises:
        LogdirError: in place of ``OSError``.
    """
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise disk_full(file, str(error)) from error
        raise LogdirError(f"cannot be used: {error}", where=str(file), cure=PERMIT) from error


def write_atomically(file: Path, content: bytes | str, *, sync: bool = False) -> None:
    """Write a file beside its place and rename it there, so that no reader ever sees half of it.

    Args:
        file: its place; the folder must exist.
        content: text is encoded as UTF-8.
        sync: whether the content is on disk before the rename, for files that must survive a power cut.

    Raises:
        OSError: it cannot be written; the file that was there before is untouched.
    """
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as opened:
            opened.write(content.encode() if isinstance(content, str) else content)
            if sync:
                opened.flush()
                os.fsync(opened.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)

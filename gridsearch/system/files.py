"""Write files so that a crash, a full disk or a missing permission is explained and leaves nothing half done."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridsearch.errors import LogdirError

__all__ = [
    "MAKE_ROOM",
    "PERMIT",
    "disk_full",
    "explain_os_errors",
    "is_full",
    "make_directory",
    "remove",
    "replace_when_whole",
]

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


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it, if it is there.

    Raises:
        OSError: it cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_directory(directory: Path) -> None:
    """Make a directory; a file or a broken link that stands in its place, or in that of a parent, makes way.

    Args:
        directory: what is made, if it is not there; somewhere in a directory of ours.

    Raises:
        OSError: it cannot be made.
    """
    if directory.is_dir():
        return
    make_directory(directory.parent)
    remove(directory)
    directory.mkdir(exist_ok=True)


@contextmanager
def replace_when_whole(file: Path, suffix: str = "") -> Iterator[Path]:
    """Yield a path beside a file to write to, and rename it to the file's when the block ends without an error.

    No reader ever sees half of the file, and one that was there before stays until the new one is whole.

    Args:
        file: its place; the folder must exist.
        suffix: what the path ends with, for libraries that choose a format by it.

    Raises:
        OSError: it cannot be renamed; the file that was there before is untouched.
    """
    part = file.with_name(f"{file.name}.{os.getpid()}.part{suffix}")
    try:
        yield part
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)

"""Find the sweeps below a folder. TensorBoard's tab imports this module, so it imports nothing but what that has."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["require_sweeps", "sweeps_below"]

DATABASE = "sweep.db"

DEEPEST = 4
"""Folders below the log directory in which a sweep is looked for."""

MOST_FOLDERS = 5000
"""Folders looked into, in all; a log directory is no file system."""


def sweeps_below(logdir: Path) -> dict[str, Path]:
    """Return every sweep's log directory in a log directory, by its path relative to it; the directory itself is ".".

    Links that lead out of the log directory are not followed, whether of folders or of ``sweep.db`` itself; below a
    logdir there is no other.
    """
    root, found, looked = logdir.resolve(), dict[str, Path](), 0
    for folder, below, files in os.walk(logdir):
        here, looked = Path(folder), looked + 1
        depth = len(here.relative_to(logdir).parts)
        if DATABASE in files and (here / DATABASE).resolve().is_relative_to(root):
            found[here.relative_to(logdir).as_posix()] = here
            below.clear()
        if depth >= DEEPEST or looked >= MOST_FOLDERS:
            below.clear()
        below.sort()
        below[:] = [name for name in below if not name.startswith(".")]
    return found


def require_sweeps(logdir: Path) -> dict[str, Path]:
    """Return the log directories of a sweep, or of all sweeps below a folder, by name as ``sweeps_below``.

    Raises:
        NothingRecorded: there is none.
    """
    found = {".": logdir} if (logdir / DATABASE).exists() else sweeps_below(logdir)
    if not found:
        from gridsearch.record.reader import Record

        Record.read(logdir)  # raises
    return found

"""Prove that a session reads the pictures that the record has: before it trains, and before its result counts.

Content that is known costs a look at each file's size, times and inode, see ``datasets.fingerprints``.
"""

from __future__ import annotations

from gridsearch.datasets.fingerprints import recompute_fingerprint
from gridsearch.errors import DataError
from gridsearch.training.task import Task

__all__ = ["PicturesChanged", "prove_pictures"]


class PicturesChanged(Exception):
    """The pictures are not those that the record has."""


def prove_pictures(task: Task) -> None:
    """Compare the pictures of a task with the fingerprint that the record has of them; do nothing without one.

    Raises:
        PicturesChanged: they differ, or cannot be read.
    """
    if not task.fingerprint:
        return
    data = task.settings.data
    try:
        found = recompute_fingerprint(task.fingerprint, {"train": data.train, "validation": data.validation})
    except (DataError, OSError) as error:
        problem = " ".join(str(error).split())
        raise PicturesChanged(f"the pictures are not those that the record has: {problem}") from error
    if found != task.fingerprint:
        where = f"the pictures in {data.train} and {data.validation} are not those that the record has"
        raise PicturesChanged(f"{where}: recorded {task.fingerprint}, found {found}")

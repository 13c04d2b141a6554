"""Prove that a session reads the pictures that the record has: before it trains, and before its result counts.

Content that is known costs a look at each file's size, times and inode, see ``datasets.fingerprints``.
"""

from __future__ import annotations

from gridsearch.datasets.fingerprints import recompute_fingerprint
from gridsearch.errors import DataError
from gridsearch.training.task import Task

__all__ = ["PicturesChanged", "PicturesProof"]


class PicturesChanged(Exception):
    """The pictures are not those that the record has."""


class PicturesProof:
    """Compares the pictures of a task with the fingerprint that the record has of them.

    Args:
        task: without a fingerprint, nothing is compared. Its folders are those of now, wherever its training goes.
    """

    def __init__(self, task: Task) -> None:
        data = task.settings.data
        self._fingerprint, self._shown = task.fingerprint, f"{data.train} and {data.validation}"
        self._folders = {"train": data.train.absolute(), "validation": data.validation.absolute()}

    def prove(self) -> None:
        """Compare them now.

        Raises:
            PicturesChanged: they differ, or cannot be read.
        """
        if not self._fingerprint:
            return
        try:
            found = recompute_fingerprint(self._fingerprint, self._folders)
        except (DataError, OSError) as error:
            problem = " ".join(str(error).split())
            raise PicturesChanged(f"the pictures are not those that the record has: {problem}") from error
        if found != self._fingerprint:
            problem = f"the pictures in {self._shown} are not those that the record has"
            raise PicturesChanged(f"{problem}: recorded {self._fingerprint}, found {found}")

"""Hold what a user says about a layout that can be read in more than one way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gridsearch.datasets.folder_tree import Folder
from gridsearch.errors import DataError

__all__ = ["ClassesFrom", "LayoutChoice", "UnclearLayoutError"]

ClassesFrom = Literal["folders", "parents", "names"]


class UnclearLayoutError(Exception):
    """A layout is unknown, or can be read in two ways.

    Args:
        problem: what was seen.
        cure: how to say which way is meant; empty for the list of known layouts.
    """

    def __init__(self, problem: str, cure: str = "") -> None:
        super().__init__(problem)
        self.cure = cure


@dataclass(frozen=True)
class LayoutChoice:
    """The user's reading of a source; folders are named by their path below it, or by the end of that path.

    Args:
        train_from: folders with the training pictures; empty if the layout decides.
        validation_from: folders with the validation pictures; only with `train_from`.
        test_from: folders with labelled test pictures; only with `train_from`.
        classes_from: ``folders``: every folder is a class, whatever its name and whatever is in it; ``parents``: the
            folder that a picture lies in is its class; ``names``: the beginning of a picture's name is its class.
        ignore: folders that are left out.

    Raises:
        DataError: validation or test folders without a training folder.
    """

    train_from: tuple[str, ...] = ()
    validation_from: tuple[str, ...] = ()
    test_from: tuple[str, ...] = ()
    classes_from: ClassesFrom | None = None
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.validation_from or self.test_from) and not self.train_from:
            given = self.validation_from or self.test_from
            raise DataError(
                f"{given[0]!r} is named for validation or test, and no folder to train on",
                cure="Name one with --train-from, or leave all three out if the layout says it.",
            )

    def as_options(self) -> dict[str, object]:
        """Return what is not a default, for the record of a prepared folder."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items() if value}

    def find_folder(self, top: Folder, path: str) -> Folder:
        """Return the one folder that `path` names.

        Raises:
            UnclearLayoutError: no folder or more than one has this path.
        """
        found = [folder for folder in top.find(path) if folder is not top]
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(sorted(repr(folder.path) for folder in found)[:5])
            raise UnclearLayoutError(
                f"{len(found)} folders end with {path!r}: {several}", "Name one by its whole path."
            )
        there = ", ".join(sorted(map(repr, top.folders))[:8]) or "none"
        raise UnclearLayoutError(f"there is no folder {path!r} in it", f"The folders at its top: {there}.")

    def ignore_folders(self, top: Folder) -> None:
        """Remove the ignored folders from a source's tree.

        Raises:
            UnclearLayoutError: there is no folder of that name.
        """
        for path in self.ignore:
            found = [folder for folder in top.find(path) if folder is not top]
            if not found:
                self.find_folder(top, path)
            for folder in found:
                _remove(top, folder)


def _remove(top: Folder, folder: Folder) -> None:
    above = [top]
    for part in folder.path.split("/")[:-1]:
        if part not in above[-1].folders:  # it went with a folder around it
            return
        above.append(above[-1].folders[part])
    if above[-1].folders.pop(folder.name, None) is not None:
        for around in above:
            around.pictures -= folder.pictures

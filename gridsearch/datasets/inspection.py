"""Is this data fit to train on? Asked before every sweep (cheaply) and by ``gridsearch data check`` (thoroughly).

A sweep runs for hours and the stock Keras class finds out about a bad picture only when its turn comes, about an empty
class never. So everything that can be known beforehand is, with the offending folders and files named.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gridsearch.datasets.parallel import Progress, map_pictures
from gridsearch.datasets.pictures import (
    KERAS_EXTENSIONS,
    Picture,
    decode_problem,
    header_problem,
    list_pictures,
    shown,
    tree_fingerprint,
)
from gridsearch.errors import DataError

__all__ = ["DataSummary", "inspect"]

_NAMED = 5
_PREPARE = "Let `gridsearch data prepare` build both folders from an archive or a folder of pictures."


@dataclass(frozen=True)
class DataSummary:
    """What a pair of data folders holds.

    Args:
        classes: names in the order of Keras's class indices (sorted).
        train: number of training pictures of each class, 1 or more.
        validation: number of validation pictures of each class, 1 or more.
        fingerprint: 16 hex digits over the names and sizes of all pictures, wherever the folders are.
    """

    classes: tuple[str, ...]
    train: Mapping[str, int]
    validation: Mapping[str, int]
    fingerprint: str

    @property
    def train_total(self) -> int:
        """Number of training pictures."""
        return sum(self.train.values())

    @property
    def validation_total(self) -> int:
        """Number of validation pictures."""
        return sum(self.validation.values())


def inspect(
    train: Path,
    validation: Path,
    *,
    batch_size: int | None = None,
    deep: bool = False,
    workers: int | None = None,
    on_progress: Progress | None = None,
) -> DataSummary:
    """Check the two data folders and count their pictures.

    Args:
        train: folder with one sub-folder per class.
        validation: likewise, with the same classes.
        batch_size: of the training, to be refused if larger than the number of training pictures; None skips that.
        deep: decode every picture fully, in parallel processes; otherwise only the ends of the files are read (about
            0.1 ms a picture), which finds empty, foreign, oversized and cut-off files but no damage in the middle.
        workers: processes for the deep check, 1 or more; None takes one per processor. The caller's main module must
            be importable (``if __name__ == "__main__"``) unless it is 1.
        on_progress: called with the pictures done and their total.

    Raises:
        DataError: a folder is missing, empty or not a folder; fewer than two classes; a class without pictures;
            different classes in the two folders; unusable pictures; a batch size larger than the training set.
    """
    listings = {"train": _listed(train), "validation": _listed(validation)}
    _check_same_classes(listings, train, validation)
    for folder, classes in ((train, listings["train"]), (validation, listings["validation"])):
        _check_classes(folder, classes)
    _check_batch_size(batch_size, train, sum(map(len, listings["train"].values())))
    paths = [*_paths(train, listings["train"]), *_paths(validation, listings["validation"])]
    _check_pictures(paths, deep, workers, on_progress or _quiet)
    return DataSummary(
        classes=tuple(listings["train"]),
        train={name: len(pictures) for name, pictures in listings["train"].items()},
        validation={name: len(pictures) for name, pictures in listings["validation"].items()},
        fingerprint=tree_fingerprint(listings),
    )


def _quiet(done: int, total: int) -> None:
    """No progress is shown."""


def _listed(folder: Path) -> dict[str, list[Picture]]:
    if not os.path.lexists(folder):
        raise DataError("there is no such folder", where=str(folder), cure=_PREPARE)
    if not os.path.isdir(folder):
        what = "a file" if os.path.exists(folder) else "a link that leads nowhere"
        raise DataError(f"{what} where a folder with one sub-folder per class is expected", where=str(folder))
    listing = list_pictures(folder)
    if not listing:
        raise DataError("no class folders in it", where=str(folder), cure=_PREPARE)
    return listing


def _check_same_classes(listings: Mapping[str, Mapping[str, object]], train: Path, validation: Path) -> None:
    only_train = sorted(listings["train"].keys() - listings["validation"].keys())
    only_validation = sorted(listings["validation"].keys() - listings["train"].keys())
    differences = [
        f"only {folder} has {', '.join(map(repr, names))}"
        for folder, names in ((train, only_train), (validation, only_validation))
        if names
    ]
    if differences:
        raise DataError(
            f"the class folders differ: {'; '.join(differences)}",
            where=f"{train} and {validation}",
            cure="Every sub-folder is a class, hidden ones too; both folders need the same ones.",
        )


def _check_classes(folder: Path, classes: Mapping[str, Sequence[Picture]]) -> None:
    if len(classes) == 1:
        raise DataError(f"only one class, {next(iter(classes))!r}; a classifier needs two or more", where=str(folder))
    for name, pictures in classes.items():
        if not pictures:
            raise DataError(
                f"no pictures of class {name!r}",
                where=str(folder / name),
                cure=f"Pictures are files that end in {', '.join(KERAS_EXTENSIONS)}. Add some, or remove the folder.",
            )


def _check_batch_size(batch_size: int | None, train: Path, pictures: int) -> None:
    if batch_size is not None and batch_size > pictures:
        raise DataError(
            f"a batch of {batch_size} is larger than the training set of {pictures} pictures",
            where=str(train),
            cure=f"Choose a batch size of {pictures} or less.",
        )


def _paths(folder: Path, classes: Mapping[str, Sequence[Picture]]) -> Iterator[Path]:
    return (folder / picture.name for pictures in classes.values() for picture in pictures)


def _check_pictures(paths: Sequence[Path], deep: bool, workers: int | None, on_progress: Progress) -> None:
    examine = decode_problem if deep else header_problem
    # headers are read faster than processes start
    unusable = []
    on_progress(0, len(paths))
    with closing(map_pictures(examine, paths, total=len(paths), workers=workers if deep else 1)) as problems:
        for done, (path, problem) in enumerate(zip(paths, problems, strict=True), 1):
            if problem is not None:
                unusable.append(f"{shown(path)}: {problem}")
            on_progress(done, len(paths))
    if unusable:
        raise DataError(
            _told(unusable), cure="Remove or replace these files; `gridsearch data prepare` leaves such out."
        )


def _told(unusable: Sequence[str]) -> str:
    count = "1 picture cannot be used" if len(unusable) == 1 else f"{len(unusable)} pictures cannot be used"
    rest = len(unusable) - _NAMED
    lines = [*unusable[:_NAMED], *([f"and {rest} more"] if rest > 0 else [])]
    return f"{count}:" + "".join(f"\n    {line}" for line in lines)

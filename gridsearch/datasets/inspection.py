"""Check that data folders can be trained on: before every sweep (cheaply) and by ``gridsearch data check`` (in full).

A sweep runs for hours, and the stock Keras class finds a bad picture only when its turn comes and an empty class never.
So everything that can be known beforehand is checked, and the folders and files are named.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gridsearch.datasets.fingerprints import compute_fingerprint
from gridsearch.datasets.listing import KERAS_EXTENSIONS, FolderListing, Picture, list_folder
from gridsearch.datasets.names import read_role
from gridsearch.datasets.parallel import Progress, map_pictures
from gridsearch.datasets.pictures import DEEP, check_header, check_pixels, escape_name
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
        fingerprint: of the names and contents of all pictures, wherever the folders are; see `fingerprints`.
        notes: sentences about files in the folders that are not used.
    """

    classes: tuple[str, ...]
    train: Mapping[str, int]
    validation: Mapping[str, int]
    fingerprint: str
    notes: tuple[str, ...] = ()

    @property
    def train_total(self) -> int:
        """Return the number of training pictures."""
        return sum(self.train.values())

    @property
    def validation_total(self) -> int:
        """Return the number of validation pictures."""
        return sum(self.validation.values())


def inspect(
    train: Path,
    validation: Path,
    *,
    batch_size: int | None = None,
    color_modes: Sequence[str] = ("rgb",),
    deep: bool = False,
    workers: int | None = None,
    on_progress: Progress | None = None,
) -> DataSummary:
    """Check the two data folders and count their pictures.

    Args:
        train: folder with one sub-folder per class.
        validation: likewise, with the same classes.
        batch_size: of the training, to be refused if larger than the number of training pictures; None skips that.
        color_modes: ``rgb``, ``grayscale`` or both: what the pictures are trained in.
        deep: decode every picture fully, in parallel processes; otherwise only the ends of the files are read (about
            0.1 ms a picture), which finds empty, foreign, oversized and cut-off files but no damage in the middle.
        workers: processes for the deep check, 1 or more; None takes one per processor. The caller's main module must
            be importable (``if __name__ == "__main__"``) unless it is 1.
        on_progress: called with the pictures done and their total.

    Raises:
        DataError: a folder is missing, empty or not a folder, or holds split folders; both are one folder, or one lies
            in the other; fewer than two classes; a class without pictures; different classes in the two folders;
            unusable pictures; a batch size larger than the training set.
    """
    folders = {"train": train, "validation": validation}
    found = {split: _list(folder) for split, folder in folders.items()}
    listings = {split: listing.classes for split, listing in found.items()}
    _check_apart(train, validation)
    for split, folder in folders.items():
        _check_no_splits(folder, listings[split])
    _check_same_classes(listings, train, validation)
    for split, folder in folders.items():
        _check_classes(folder, found[split])
    _check_batch_size(batch_size, train, sum(map(len, listings["train"].values())))
    paths = [*_list_paths(train, listings["train"]), *_list_paths(validation, listings["validation"])]
    _check_pictures(
        paths, partial(_examine, deep, tuple(color_modes)), workers if deep else 1, on_progress or _ignore_progress
    )
    return DataSummary(
        classes=tuple(listings["train"]),
        train={name: len(pictures) for name, pictures in listings["train"].items()},
        validation={name: len(pictures) for name, pictures in listings["validation"].items()},
        fingerprint=compute_fingerprint(folders, listings),
        notes=tuple(note for split, folder in folders.items() for note in _describe_unused(folder, found[split])),
    )


def _ignore_progress(done: int, total: int) -> None:
    """Show no progress."""


def _list(folder: Path) -> FolderListing:
    if not os.path.lexists(folder):
        raise DataError("there is no such folder", where=str(folder), cure=_PREPARE)
    if not os.path.isdir(folder):
        what = "a file" if os.path.exists(folder) else "a link that leads nowhere"
        raise DataError(f"{what} where a folder with one sub-folder per class is expected", where=str(folder))
    listing = list_folder(folder)
    if not listing.classes:
        raise DataError("no class folders in it", where=str(folder), cure=_PREPARE)
    return listing


def _check_apart(train: Path, validation: Path) -> None:
    one, other = train.resolve(), validation.resolve()
    if one == other or one in other.parents or other in one.parents:
        how = "the same folder" if one == other else "one inside the other"
        raise DataError(
            f"training and validation pictures are in {how}",
            where=f"{train} and {validation}",
            cure=f"Validation pictures must not be trained on. {_PREPARE}",
        )


def _check_no_splits(folder: Path, classes: Mapping[str, Sequence[Picture]]) -> None:
    """Refuse a folder whose sub-folders are split folders, which Keras would take for classes."""
    inner = {name: _folders_in(pictures) for name, pictures in classes.items()}
    splits = [name for name in classes if read_role(name) and len(inner[name]) > 1]
    if splits and len(splits) == len(classes):
        raise DataError(
            f"holds split folders and no classes: {', '.join(map(repr, splits))}",
            where=str(folder),
            cure=f"Name one of them, such as {folder / splits[0]}. {_PREPARE}",
        )


def _folders_in(pictures: Sequence[Picture]) -> set[str]:
    """Return the names of the folders directly in a class folder that hold pictures."""
    return {parts[1] for picture in pictures if len(parts := picture.name.split("/")) > 2}


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
            cure="Every sub-folder is a class; both folders need the same ones.",
        )


def _check_classes(folder: Path, listing: FolderListing) -> None:
    if len(listing.classes) == 1:
        ((name, pictures),) = listing.classes.items()
        inner = sorted(_folders_in(pictures))
        raise DataError(
            f"only one class, {name!r}; a classifier needs two or more",
            where=str(folder),
            cure=f"If {', '.join(map(repr, inner[:4]))} are the classes, name {folder / name}." if inner else "",
        )
    for name, pictures in listing.classes.items():
        if not pictures:
            uncounted = ", ".join(f"{count} .{suffix}" for suffix, count in listing.uncounted.items())
            raise DataError(
                f"no pictures of class {name!r}" + (f" (not counted: {uncounted})" if uncounted else ""),
                where=str(folder / name),
                cure=f"Pictures are files that end in {', '.join(KERAS_EXTENSIONS)}. Add some, or remove the folder.",
            )


def _describe_unused(folder: Path, listing: FolderListing) -> Iterator[str]:
    """Yield a sentence for each kind of picture file that is not used."""
    if listing.uncounted:
        kinds = ", ".join(f"{count} .{suffix}" for suffix, count in sorted(Counter(listing.uncounted).items()))
        yield (
            f"{folder}: not counted, as Keras does not read them: {kinds}; "
            "`gridsearch data prepare` converts what Pillow can read"
        )
    if listing.beside:
        files = "1 picture" if len(listing.beside) == 1 else f"{len(listing.beside)} pictures"
        yield f"{folder}: {files} beside the class folders not used, such as {escape_name(listing.beside[0])}"
    holders: dict[str, list[str]] = defaultdict(list)
    for name, pictures in listing.classes.items():
        for inner in _folders_in(pictures):
            holders[inner].append(name)
    for inner, names in sorted(holders.items()):
        if len(names) > 1:
            several = ", ".join(map(repr, names[:4]))
            yield f"{folder}: {several} each hold a folder {inner!r}; pictures at any depth are of the class above"
            return


def _check_batch_size(batch_size: int | None, train: Path, pictures: int) -> None:
    if batch_size is not None and batch_size > pictures:
        raise DataError(
            f"a batch of {batch_size} is larger than the training set of {pictures} pictures",
            where=str(train),
            cure=f"Choose a batch size of {pictures} or less.",
        )


def _list_paths(folder: Path, classes: Mapping[str, Sequence[Picture]]) -> Iterator[Path]:
    return (folder / picture.name for pictures in classes.values() for picture in pictures)


def _examine(deep: bool, color_modes: Sequence[str], path: Path) -> str | None:
    """Return the first problem of a picture in one of the color modes, or None."""
    problem_of = check_pixels if deep else check_header
    return next((problem for mode in color_modes if (problem := problem_of(path, mode))), None)


def _check_pictures(
    paths: Sequence[Path], examine: Callable[[Path], str | None], workers: int | None, on_progress: Progress
) -> None:
    # headers are read faster than processes start
    unusable = []
    on_progress(0, len(paths))
    with closing(map_pictures(examine, paths, total=len(paths), workers=workers)) as problems:
        for done, (path, problem) in enumerate(zip(paths, problems, strict=True), 1):
            if problem is not None:
                unusable.append(f"{escape_name(path)}: {problem}")
            on_progress(done, len(paths))
    if unusable:
        raise DataError(
            _describe(unusable),
            cure="`gridsearch data prepare` scales pictures of more than 8 bits. Remove or replace the other files."
            if any(line.endswith(DEEP) for line in unusable)
            else "Remove or replace these files; `gridsearch data prepare` leaves such out.",
        )


def _describe(unusable: Sequence[str]) -> str:
    count = "1 picture cannot be used" if len(unusable) == 1 else f"{len(unusable)} pictures cannot be used"
    rest = len(unusable) - _NAMED
    lines = [*unusable[:_NAMED], *([f"and {rest} more"] if rest > 0 else [])]
    return f"{count}:" + "".join(f"\n    {line}" for line in lines)

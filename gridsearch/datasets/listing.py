"""List the pictures of a data folder: one sub-folder per class, as ``flow_from_directory`` of Keras 3 counts them.

Hidden folders and what systems leave behind (``.ipynb_checkpoints``, ``__MACOSX``, ``@eaDir``, ``._0.jpg``) are left
out, here and in training. Picture files that Keras does not count, such as ``0.webp``, are counted apart, so that they
can be mentioned.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gridsearch.datasets.names import UNREAD_SUFFIXES, is_leftover_file, is_leftover_folder
from gridsearch.errors import DataError

__all__ = ["KERAS_EXTENSIONS", "FolderListing", "Picture", "list_classes", "list_folder", "list_pictures"]

KERAS_EXTENSIONS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")
"""What ``flow_from_directory`` of Keras 3 counts as a picture: file names that end so, in any case."""


@dataclass(frozen=True)
class Picture:
    """A picture file of a data folder.

    Args:
        name: path below the data folder with ``/`` between the parts, such as ``cat/cat.0.jpg``.
        size: bytes; -1 when the file cannot be looked at (a dangling link).
    """

    name: str
    size: int


@dataclass(frozen=True)
class FolderListing:
    """What lies in a data folder.

    Args:
        classes: the pictures of each class, classes and pictures in the order of Keras.
        uncounted: how many picture files Keras does not count, by suffix (``webp``).
        beside: pictures that lie beside the class folders, of no class.
    """

    classes: Mapping[str, Sequence[Picture]]
    uncounted: Mapping[str, int]
    beside: Sequence[str]


def list_classes(folder: Path) -> list[str]:
    """Return the classes of a data folder in the order in which Keras numbers them: its sub-folders, sorted.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        return sorted(name for name in os.listdir(folder) if (folder / name).is_dir() and not is_leftover_folder(name))
    except OSError as error:
        raise _unreadable(error, folder) from error


def list_pictures(folder: Path) -> dict[str, list[Picture]]:
    """Return the pictures of a data folder by class, in the order in which Keras lists them.

    Like Keras: every sub-folder is a class; pictures lie at any depth below it; links to files are followed, links to
    folders below a class are not.

    Raises:
        DataError: a folder cannot be read.
    """
    return {name: list(pictures) for name, pictures in list_folder(folder).classes.items()}


def list_folder(folder: Path) -> FolderListing:
    """Return the pictures of a data folder and the picture files in it that are not used.

    Raises:
        DataError: a folder cannot be read.
    """
    uncounted: Counter[str] = Counter()
    try:
        classes = {name: _list_class(folder, name, uncounted) for name in list_classes(folder)}
        beside = sorted(
            name
            for name in os.listdir(folder)
            if name.lower().endswith((*KERAS_EXTENSIONS, *UNREAD_SUFFIXES)) and not (folder / name).is_dir()
        )
    except OSError as error:
        raise _unreadable(error, folder) from error
    return FolderListing(classes, uncounted, [name for name in beside if not is_leftover_file(name)])


def _list_class(folder: Path, class_name: str, uncounted: Counter[str]) -> list[Picture]:
    steps = []
    for root, folders, files in os.walk(folder / class_name, onerror=_raise):
        folders[:] = [name for name in folders if not is_leftover_folder(name)]
        steps.append((root, files))
    found = []
    for root, files in sorted(steps):
        prefix = Path(root).relative_to(folder).as_posix()
        for file in sorted(files):
            if is_leftover_file(file):
                continue
            if file.lower().endswith(KERAS_EXTENSIONS):
                found.append(Picture(f"{prefix}/{file}", _size(os.path.join(root, file))))
            elif file.lower().endswith(UNREAD_SUFFIXES):
                uncounted[file.lower().rpartition(".")[2]] += 1
    return found


def _raise(error: OSError) -> None:
    raise error


def _unreadable(error: OSError, folder: Path) -> DataError:
    return DataError(f"cannot be read: {error.strerror}", where=str(error.filename or folder))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1  # check_header says why when it comes to this file

"""Find the folders of a data set's splits: training, validation and test pictures, whatever these are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gridsearch.datasets.class_folders import ClassReader, find_innermost, format_count, quote_names
from gridsearch.datasets.folder_tree import Folder
from gridsearch.datasets.layout_choice import UnclearLayoutError
from gridsearch.datasets.names import Role, is_side_folder, read_role, read_words

__all__ = ["SplitFolders", "find_splits"]

_BESIDE_SPLITS = {
    *("sample", "samples", "meta", "models", "papers", "paper", "doc", "docs", "documentation", "figures", "readme"),
}
"""Folders beside split folders that are known not to be used: fastai's ``sample``, GTSRB's ``Meta``, and such."""


@dataclass(frozen=True)
class SplitFolders:
    """The split folders of a data set.

    Args:
        train: the folder of the training pictures.
        validation: that of the validation pictures; None if the data set has none.
        test: those that may hold test pictures, with labels or without, 0 or more.
    """

    train: Folder
    validation: Folder | None
    test: Sequence[Folder]


def find_splits(folder: Folder, reader: ClassReader) -> SplitFolders | None:
    """Return the split folders directly in a folder; None if its folders are no splits.

    Raises:
        UnclearLayoutError: they are, but two have the same part, or hold pictures without classes, or lie beside a
            folder of another kind.
    """
    inner = folder.inner()
    roles = {name: role for name in inner if (role := read_role(name))}
    train = [name for name, role in roles.items() if role.split == "train"] or _unnamed_train(inner, roles, reader)
    if not train:
        return None
    sorted_into_classes = [name for name in inner if reader.has_classes(inner[name])]
    if not set(train) & set(sorted_into_classes):
        if len(roles) < 2:  # a class of that name
            return None
        raise UnclearLayoutError(
            f"{_describe(inner, roles)} are not sorted into classes{_tables(folder)}",
            "Sort the training pictures into a folder per class, or begin their names with the class.",
        )
    if len({roles[name].rest for name in roles if name in sorted_into_classes}) > 1:
        return None
    if len(train) > 1:
        raise UnclearLayoutError(
            f"there are {len(train)} folders of training pictures: {quote_names(train)}",
            "Name the ones to use: --train-from FOLDER, as often as needed.",
        )
    if own := folder.own_pictures():
        reader.notes.append(f"{format_count(len(own), 'picture')} beside the split folders not used")
    _account_for_others(folder, [name for name in inner if name not in roles and name not in train], reader)
    unlabelled = [name for name, role in roles.items() if role.split == "unlabelled"]
    reader.note_unused([inner[name] for name in unlabelled], "without labels")
    return SplitFolders(
        inner[train[0]],
        _single(inner, [name for name, role in roles.items() if role.split == "validation"], "validation"),
        _test_folders(inner, [name for name, role in roles.items() if role.split == "test"], sorted_into_classes),
    )


def _unnamed_train(inner: Mapping[str, Folder], roles: Mapping[str, Role], reader: ClassReader) -> list[str]:
    """Return the folder whose name the others extend, as ``rps`` is that of ``rps-test-set``."""
    rests = {role.rest for name, role in roles.items() if role.rest and reader.has_classes(inner[name])}
    unnamed = [name for name in inner if name not in roles and reader.has_classes(inner[name])]
    return unnamed if len(rests) == len(unnamed) == 1 and read_words(unnamed[0]) in rests else []


def _single(inner: Mapping[str, Folder], names: Sequence[str], split: str) -> Folder | None:
    if len(names) > 1:
        raise UnclearLayoutError(
            f"there are {len(names)} folders of {split} pictures: {quote_names(names)}",
            f"Name the ones to use: --train-from FOLDER --{split}-from FOLDER",
        )
    return inner[names[0]] if names else None


def _test_folders(inner: Mapping[str, Folder], names: Sequence[str], with_classes: Sequence[str]) -> list[Folder]:
    _single(inner, [name for name in names if name in with_classes], "test")
    return [inner[name] for name in names]


def _account_for_others(folder: Folder, others: Sequence[str], reader: ClassReader) -> None:
    """Note the folders beside split folders that are known not to be pictures to train on; refuse any other."""
    for name in others:
        if not (name.lower() in _BESIDE_SPLITS or is_side_folder(name)):
            raise UnclearLayoutError(
                f"next to train and validation folders there is a folder {name!r} "
                f"({format_count(folder.folders[name].pictures, 'picture')})",
                f"--ignore {name!r} leaves it out; or name the folders to use: --train-from FOLDER --validation-from "
                "FOLDER",
            )
        reader.note_unused([folder.folders[name]], "beside the split folders")


def _describe(inner: Mapping[str, Folder], roles: Mapping[str, Role]) -> str:
    return " and ".join(
        f"the {format_count(find_innermost(inner[name]).pictures, 'picture')} of {name!r}" for name in sorted(roles)
    )


def _tables(folder: Folder) -> str:
    files = [file.parts[-1] for file in folder.files if file.parts[-1].lower().endswith((".csv", ".json", ".mat"))]
    return f" (a table such as {files[0]!r} is not read)" if files else ""

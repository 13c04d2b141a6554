"""Which class a picture belongs to, read off the ways in which collections of pictures are laid out.

Known are the Dogs-vs-Cats competition (``train/cat.0.jpg``: the class begins the file's name), one folder per class
(``PetImages/Cat/0.jpg``), and either of them below ``train`` and ``validation`` folders. Wrapping folders are looked
through, a competition's ``test`` pictures have no labels and are left out. What fits none of these is refused, since a
guess would be trained on.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gridsearch.datasets.archives import Entry
from gridsearch.datasets.pictures import natural_key
from gridsearch.errors import DataError

__all__ = ["UNSPLIT", "Candidate", "Layout", "Pool", "claims_to_be_picture", "find_layout", "natural_order"]

UNSPLIT = ""
"""The split of pictures that are still to be split."""

_PICTURE = re.compile(r"\.(png|jpe?g|jfif|bmp|ppm|tiff?|gif|webp)$", re.IGNORECASE)
_LABELLED = re.compile(r"(?P<label>[^\W\d_].*?)[._ -]+[0-9]+\.[A-Za-z]+")
_FOLDER_NAME = re.compile(r"[^\\/:*?\"<>|]{0,99}[^\\/:*?\"<>|. ]")
_TEST = {"test", "test1"}
_SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
}
_CURE = (
    "Known layouts: one sub-folder per class (cat/0.jpg, dog/0.jpg), names that begin with the class "
    "(train/cat.0.jpg), or either of these below train/ and validation/."
)


class Pool(NamedTuple):
    """Pictures that are drawn from together: those of one class, and of one split if the source has splits."""

    split: str
    class_name: str


@dataclass(frozen=True)
class Candidate:
    """An entry with the name it has within its class (``0.jpg``, ``puppies/0.jpg``)."""

    entry: Entry
    name: str


@dataclass(frozen=True)
class Layout:
    """The pictures of a source.

    Args:
        pools: every pool's candidates, 1 or more, in natural order of their names.
        unlabelled: pictures among the labelled ones whose names say no class.
    """

    pools: Mapping[Pool, Sequence[Candidate]]
    unlabelled: Sequence[Entry]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of all classes, sorted."""
        return tuple(sorted({pool.class_name for pool in self.pools}))


def claims_to_be_picture(entry: Entry) -> bool:
    """Whether the entry's name ends like that of a picture."""
    return _PICTURE.search(entry.parts[-1]) is not None


class _Folder:
    """A folder of the source, rebuilt from the names of its entries."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.files: list[Entry] = []
        self.folders: dict[str, _Folder] = {}

    def add(self, entry: Entry) -> None:
        folder = self
        for part in entry.parts[:-1]:
            folder = folder.folders.setdefault(part, _Folder(part))
        folder.files.append(entry)

    def pictures(self) -> list[Entry]:
        """The files directly in it that claim to be pictures, which a readme does not."""
        return [entry for entry in self.files if claims_to_be_picture(entry)]

    def labels(self) -> dict[str, list[Candidate]]:
        """The pictures directly in it by the class that begins their names."""
        found = defaultdict(list)
        for entry in self.pictures():
            if match := _LABELLED.fullmatch(entry.parts[-1]):
                found[match["label"].lower()].append(Candidate(entry, entry.parts[-1]))
        return found

    def inner(self) -> dict[str, _Folder]:
        """The folders directly in it, without unlabelled test pictures."""
        return {name: folder for name, folder in self.folders.items() if name.lower() not in _TEST}

    def everything(self) -> Iterator[Candidate]:
        """All files in it at any depth."""
        waiting = [("", self)]
        while waiting:  # an archive can nest folders deeper than Python can recurse
            prefix, folder = waiting.pop()
            yield from (Candidate(entry, prefix + entry.parts[-1]) for entry in folder.files)
            waiting.extend((f"{prefix}{name}/", inner) for name, inner in folder.folders.items())


def find_layout(entries: Sequence[Entry], source: Path) -> Layout:
    """Sort entries into classes.

    Args:
        entries: the files of a source.
        source: where they are from, for messages.

    Raises:
        DataError: no pictures, fewer than two classes, a class name that cannot be a folder's name everywhere, or a
            layout that is not known.
    """
    top = _Folder(source.name)
    for entry in entries:
        top.add(entry)
    unlabelled: list[Entry] = []
    try:
        found = _find(top, unlabelled)
    except _UnclearError as unclear:
        raise DataError(str(unclear), where=str(source), cure=_CURE) from None
    pools = {pool: sorted(found[pool], key=natural_order) for pool in sorted(found)}
    layout = Layout(pools, unlabelled)
    _check_classes(layout.classes, source)
    _check_splits(layout, source)
    return layout


class _UnclearError(Exception):
    """The layout can be read in two ways."""


def natural_order(candidate: Candidate) -> tuple[tuple[tuple[int, int | str], ...], str, int]:
    """The sort key of the candidates of a class, in which 9 comes before 10."""
    # the full name decides between Cat/0.jpg and cat/0.jpg, the number between equal names in an archive
    return (natural_key(candidate.name), candidate.entry.name, candidate.entry.number)


def _find(folder: _Folder, unlabelled: list[Entry]) -> dict[Pool, list[Candidate]]:
    while len(inner := folder.inner()) == 1 and len(folder.labels()) < 2:
        folder = next(iter(inner.values()))
    splits = {name: _SPLITS[name.lower()] for name in inner if name.lower() in _SPLITS}
    if set(splits.values()) != {"train", "validation"}:
        return _pooled([(UNSPLIT, _classes(folder, unlabelled))])
    if others := inner.keys() - splits.keys():
        raise _UnclearError(f"next to train and validation folders there is a folder {min(others)!r}")
    return _pooled((split, _classes(inner[name], unlabelled)) for name, split in sorted(splits.items()))


def _pooled(splits: Iterable[tuple[str, Mapping[str, Sequence[Candidate]]]]) -> dict[Pool, list[Candidate]]:
    pools: dict[Pool, list[Candidate]] = defaultdict(list)
    for split, classes in splits:
        for name, candidates in classes.items():
            pools[Pool(split, name)].extend(candidates)
    return pools


def _classes(folder: _Folder, unlabelled: list[Entry]) -> Mapping[str, Sequence[Candidate]]:
    labels, inner = folder.labels(), folder.inner()
    if len(labels) > 1 and inner:
        raise _UnclearError(
            f"there are both pictures labelled by name, such as {next(iter(labels))!r}, and a folder {min(inner)!r}"
        )
    if inner:
        classes: dict[str, list[Candidate]] = defaultdict(list)
        for name, class_folder in inner.items():
            classes[name.lower()].extend(class_folder.everything())
        return classes
    if labels:
        labelled = {candidate.entry for candidates in labels.values() for candidate in candidates}
        unlabelled.extend(entry for entry in folder.pictures() if entry not in labelled)
        return labels
    return {folder.name.lower(): [Candidate(entry, entry.parts[-1]) for entry in folder.files]} if folder.files else {}


def _check_classes(classes: Sequence[str], source: Path) -> None:
    if not classes:
        raise DataError("no pictures in a layout that is known", where=str(source), cure=_CURE)
    if len(classes) == 1:
        raise DataError(
            f"only one class, {classes[0]!r}; a classifier needs two or more", where=str(source), cure=_CURE
        )
    for name in classes:
        if not (_FOLDER_NAME.fullmatch(name) and name.isprintable()):
            raise DataError(
                f"the class {name!r} has a name that not every system takes for a folder", where=str(source)
            )


def _check_splits(layout: Layout, source: Path) -> None:
    if any(pool.split == UNSPLIT for pool in layout.pools):
        return
    for class_name in layout.classes:
        for split in ("train", "validation"):
            if Pool(split, class_name) not in layout.pools:
                raise DataError(f"no {split} pictures of class {class_name!r}", where=str(source))

"""Read off which class and split a picture belongs to, from the folder or the file name it has.

The layouts that can be read, each also inside further folders (`docs/layouts.md` lists public data sets by layout):

    cat/0.jpg, dog/0.jpg                     a folder per class
    cat.0.jpg, dog_1.jpg, cat (2).jpg        names that begin with the class
    train/, validation/, test/               either of these in split folders, whatever their exact names are
                                             (training_set, seg_train, Final_Training, val, valid, Testing)

A layout that can be read in two ways is refused with what was seen; `LayoutChoice` says which way is meant. What is
left out of a layout (unlabelled test pictures, masks, a second copy of the same folders) is listed in its notes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gridsearch.datasets.archives import Entry
from gridsearch.datasets.class_folders import ClassReader, format_count
from gridsearch.datasets.folder_tree import Candidate, Folder, build_tree
from gridsearch.datasets.layout_choice import LayoutChoice, UnclearLayoutError
from gridsearch.datasets.names import read_role
from gridsearch.datasets.pictures import escape_name, natural_key
from gridsearch.datasets.split_folders import SplitFolders, find_splits
from gridsearch.errors import DataError

__all__ = ["UNSPLIT", "Layout", "LayoutChoice", "Pool", "find_layout", "natural_order"]

UNSPLIT = ""
"""The split of pictures that are still to be split."""

_NAME_BYTES = 200
"""UTF-8 bytes that the name of a class may have; file systems end at 255."""

_CURE = (
    "Known layouts: one sub-folder per class (cat/0.jpg, dog/0.jpg), names that begin with the class "
    "(train/cat.0.jpg), or either of these below train/ and validation/."
)


class Pool(NamedTuple):
    """Pictures that are drawn from together: those of one class, and of one split if the source has splits."""

    split: str
    class_name: str


@dataclass(frozen=True)
class Layout:
    """The pictures of a source.

    Args:
        pools: every pool's candidates, 1 or more, in natural order of their names.
        unlabelled: pictures among labelled ones whose names say no class, each with the reason.
        notes: sentences about what the source holds besides, and about what was assumed.
    """

    pools: Mapping[Pool, Sequence[Candidate]]
    unlabelled: Sequence[tuple[Entry, str]]
    notes: Sequence[str]

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of all classes that are trained on, sorted."""
        return tuple(sorted({pool.class_name for pool in self.pools if pool.split != "test"}))


def find_layout(entries: Sequence[Entry], source: Path, choice: LayoutChoice | None = None) -> Layout:
    """Return sort entries into classes and splits.

    Args:
        entries: the files of a source.
        source: where they are from, for messages.
        choice: what the user says about the layout.

    Raises:
        DataError: no pictures, fewer than two classes, a class name that cannot be a folder's name everywhere, or a
            layout that is unknown or can be read in two ways.
    """
    choice = choice or LayoutChoice()
    top = build_tree(entries, source.resolve().name)
    reader = ClassReader(choice)
    try:
        choice.ignore_folders(top)
        if not top.pictures:
            raise UnclearLayoutError(_no_pictures(top))
        found = _read(top, reader, choice)
    except UnclearLayoutError as unclear:
        raise DataError(str(unclear), where=escape_name(source), cure=unclear.cure or _CURE) from None
    pools = {pool: sorted(found[pool], key=natural_order) for pool in sorted(found)}
    layout = Layout(pools, reader.unlabelled, tuple(dict.fromkeys(reader.notes)))
    _check_classes(layout.classes, source)
    _check_splits(layout, source)
    return layout


def natural_order(candidate: Candidate) -> tuple[tuple[tuple[int, int | str], ...], str, int]:
    """Return the sort key of the candidates of a class, in which 9 comes before 10."""
    # the full name decides between Cat/0.jpg and cat/0.jpg, the number between equal names in an archive
    return (natural_key(candidate.name), candidate.entry.name, candidate.entry.number)


def _no_pictures(top: Folder) -> str:
    names = [candidate.name for candidate in top.candidates()]
    archives = sorted(name for name in names if name.lower().endswith((".zip", ".tar", ".gz", ".tgz", ".rar", ".7z")))
    if archives:
        several = f"no pictures, but {format_count(len(archives), 'archive')}, such as {escape_name(archives[0])}"
        return f"{several}: unpack them, or name one"
    return "no pictures" + (f" among {len(names)} files, such as {escape_name(names[0])}" if names else " in it")


def _read(top: Folder, reader: ClassReader, choice: LayoutChoice) -> dict[Pool, list[Candidate]]:
    if choice.train_from:
        return _read_chosen(top, reader, choice)
    folder = reader.unwrap(top)
    splits = None if choice.classes_from == "folders" and not _only_splits(folder) else find_splits(folder, reader)
    if splits is None:
        return _pool([(UNSPLIT, reader.read_classes(folder))])
    return _read_splits(splits, reader)


def _only_splits(folder: Folder) -> bool:
    return all(read_role(name) for name in folder.inner())


def _read_splits(splits: SplitFolders, reader: ClassReader) -> dict[Pool, list[Candidate]]:
    train = reader.read_classes(reader.unwrap(splits.train), in_split=True)
    found = [("train" if splits.validation else UNSPLIT, train)]
    if splits.validation:
        found.append(("validation", reader.read_split(splits.validation, train, "validation")))
    for folder in splits.test:
        if classes := reader.read_test(folder, train):
            found.append(("test", classes))
    return _pool(found)


def _read_chosen(top: Folder, reader: ClassReader, choice: LayoutChoice) -> dict[Pool, list[Candidate]]:
    found = []
    for path in choice.train_from:
        folder = reader.unwrap(choice.find_folder(top, path))
        split = "train" if choice.validation_from else UNSPLIT
        found.append((split, reader.read_classes(folder, in_split=True)))
    train = dict.fromkeys(name for _, classes in found for name in classes)
    for split, paths in (("validation", choice.validation_from), ("test", choice.test_from)):
        found += [(split, reader.read_split(choice.find_folder(top, path), train, split)) for path in paths]
    return _pool(found)


def _pool(splits: Iterable[tuple[str, Mapping[str, Sequence[Candidate]]]]) -> dict[Pool, list[Candidate]]:
    pools: dict[Pool, list[Candidate]] = defaultdict(list)
    for split, classes in splits:
        for name, candidates in classes.items():
            pools[Pool(split, name)].extend(candidates)
    return pools


def _check_classes(classes: Sequence[str], source: Path) -> None:
    if len(classes) == 1:
        raise DataError(
            f"only one class, {classes[0]!r}; a classifier needs two or more", where=escape_name(source), cure=_CURE
        )
    for name in classes:
        if not name.isprintable() or name[-1:] in (".", " ", "") or set(name) & set('\\/:*?"<>|'):
            problem = f"the class {name!r} has a name that not every system takes for a folder"
            raise DataError(problem, where=escape_name(source), cure="Rename its folder.")
        if len(name.encode("utf-8", "surrogateescape")) > _NAME_BYTES:
            problem = f"the class {name[:20]!r}... has a name of more than {_NAME_BYTES} bytes"
            raise DataError(problem, where=escape_name(source), cure="Rename its folder.")


def _check_splits(layout: Layout, source: Path) -> None:
    if not any(pool.split == "validation" for pool in layout.pools):
        return
    for class_name in layout.classes:
        for split in ("train", "validation"):
            if Pool(split, class_name) not in layout.pools:
                raise DataError(
                    f"no {split} pictures of class {class_name!r}",
                    where=escape_name(source),
                    cure="Both parts need the same classes. To take validation pictures from the training pictures, "
                    "name only these: --train-from FOLDER",
                )

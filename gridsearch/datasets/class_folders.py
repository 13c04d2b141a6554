"""Read the classes below one folder: from its sub-folders, or from the names of its pictures."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from gridsearch.datasets.archives import Entry
from gridsearch.datasets.folder_tree import Candidate, Folder
from gridsearch.datasets.layout_choice import LayoutChoice, UnclearLayoutError
from gridsearch.datasets.names import (
    is_container,
    is_generic_folder,
    is_generic_label,
    is_side_folder,
    read_label,
    read_role,
)
from gridsearch.datasets.pictures import escape_name

__all__ = ["ClassReader", "find_innermost", "format_count", "quote_names"]

Classes = Mapping[str, Sequence[Candidate]]
"""The candidates of every class, by its name in lower case."""

_BESIDE_AT_MOST = 3
"""Pictures beside the only folder that may be left out with a note, such as a preview; or one in a hundred."""

_BACKGROUND = {"background_google", "257.clutter", "background", "_background_noise_"}


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 picture``, ``12,500 pictures``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def quote_names(names: Iterable[str], most: int = 4) -> str:
    """Return names for a message, sorted and quoted, the first few only."""
    ordered = sorted(names)
    rest = len(ordered) - most
    return ", ".join(repr(name) for name in ordered[:most]) + (f" and {rest} more" if rest > 0 else "")


def find_innermost(folder: Folder) -> Folder:
    """Return the folder itself or, where it holds nothing but one folder with pictures, that one, and so on."""
    while len(inner := folder.inner()) == 1 and not folder.own_pictures():
        folder = next(iter(inner.values()))
    return folder


class ClassReader:
    """Reads classes and collects what has to be said about them.

    Attributes:
        notes: sentences about what was left out or assumed.
        unlabelled: pictures that were left out because their names say no class, each with the reason.
    """

    def __init__(self, choice: LayoutChoice) -> None:
        self.choice = choice
        self.notes: list[str] = []
        self.unlabelled: list[tuple[Entry, str]] = []

    def has_classes(self, folder: Folder) -> bool:
        """Tell whether a folder holds two folders with pictures, or pictures whose names begin with two classes."""
        inside = find_innermost(folder)
        return len(inside.inner()) > 1 or len(self.labels(inside)) > 1

    def labels(self, folder: Folder) -> Classes:
        """Return the pictures directly in a folder by the class that begins their names, without camera names."""
        found = folder.labels()
        if self.choice.classes_from == "names":
            return found
        merged: dict[str, list[Candidate]] = defaultdict(list)
        for label, candidates in found.items():
            shorter = (read_label(f"{label}.x") or label) if "." in label else label  # cat.1 (2).jpg is a cat
            merged[shorter if shorter in found else label].extend(candidates)
        return {label: candidates for label, candidates in merged.items() if not is_generic_label(label)}

    def unwrap(self, folder: Folder, known: Collection[str] = ()) -> Folder:
        """Return the folder within `folder` that holds more than one folder with pictures, or pictures.

        Copies of the folders beside them and folders with annotations are left out, with a note.

        Args:
            folder: where to begin.
            known: classes in lower case; a folder that holds one of them is not entered.

        Raises:
            UnclearLayoutError: a single folder lies beside pictures, or repeats the names of those beside it.
        """
        while True:
            self._leave_out_copies(folder)
            inner = self._without_sides(folder)
            if len(inner) != 1 or len(self.labels(folder)) > 1:
                return folder
            (only,) = inner.values()
            if only.name.lower() in known:
                return folder
            if own := folder.own_pictures():
                if len(own) > max(_BESIDE_AT_MOST, only.pictures // 100):
                    raise UnclearLayoutError(
                        f"beside the folder {only.name!r} there are {format_count(len(own), 'picture')}, "
                        f"such as {escape_name(own[0].name)}",
                        "Give every class a folder, or name the folder to use.",
                    )
                self._note_unused(own, f"beside the folder {only.name!r}")
            folder = only

    def read_classes(self, folder: Folder, *, in_split: bool = False) -> Classes:
        """Return the candidates of every class of a folder, 1 or more classes.

        Args:
            folder: as `unwrap` returns it.
            in_split: whether the folder is that of a split, in which ``test`` can only be a class.

        Raises:
            UnclearLayoutError: there are none, or the layout can be read in two ways.
        """
        if self.choice.classes_from:
            return self._read_as_told(folder)
        inner, labels = folder.inner(), self.labels(folder)
        if inner and len(labels) > 1:
            if not all(map(is_side_folder, inner)):
                raise UnclearLayoutError(
                    f"there are both pictures labelled by name, such as {min(labels)!r}, and a folder {min(inner)!r}",
                    f"Name what is not to be used: --ignore {_quote(min(inner))}",
                )
            self._note_folders(inner.values(), "not pictures to train on")
            inner = {}
        if not inner:
            return self._read_names(folder, labels)
        self._check_folders(inner, in_split)
        if own := folder.own_pictures():
            self._note_unused(own, "beside the class folders")
        return self._merge((name, inner[name].candidates()) for name in inner)

    def read_split(self, folder: Folder, train: Collection[str], split: str) -> Classes:
        """Return the candidates of a validation or test folder, of the classes that are trained on.

        Raises:
            UnclearLayoutError: its pictures are not sorted into these classes.
        """
        inside = self.unwrap(folder, train)
        named = self._names_of_classes(inside)
        if not named & set(train):
            raise UnclearLayoutError(
                f"the {split} folder {folder.path!r} holds {format_count(folder.pictures, 'picture')} that are not "
                f"sorted into the classes of the training pictures ({quote_names(train)})",
                "Sort them into a folder per class, or take validation pictures from the training pictures: "
                "--train-from FOLDER",
            )
        if split == "test" and (extra := named - set(train)):
            raise UnclearLayoutError(
                f"the test folder {folder.path!r} has classes that are not trained on: {quote_names(extra)}",
                f"Leave it out with --ignore {_quote(folder.path)}",
            )
        return self.read_classes(inside, in_split=True)

    def read_test(self, folder: Folder, train: Collection[str]) -> Classes:
        """Return the candidates of a test folder; none, with a note, if its pictures have no labels."""
        inside = self.unwrap(folder, train)
        if not self._names_of_classes(inside) & set(train) and len(inside.inner()) < 2:
            self._note_folders([folder], "without labels")
            return {}
        classes = self.read_split(folder, train, "test")
        pictures = sum(map(len, classes.values()))
        self.notes.append(f"{folder.path}: {format_count(pictures, 'picture')} kept as test pictures, not trained on")
        return classes

    def note_unused(self, folders: Iterable[Folder], what: str) -> None:
        """Note that the pictures of some folders are not used, and what they are."""
        self._note_folders(folders, what)

    def _names_of_classes(self, folder: Folder) -> set[str]:
        inner = {name.lower() for name in folder.inner()}
        if self.choice.classes_from == "parents":
            return {leaf.name.lower() for leaf in folder.leaves()}
        return inner or set(self.labels(folder))

    def _read_as_told(self, folder: Folder) -> Classes:
        if self.choice.classes_from == "folders":
            return self._merge((name, inner.candidates()) for name, inner in folder.inner().items())
        leaves = sorted(folder.leaves(), key=lambda leaf: leaf.path)
        if self.choice.classes_from == "parents":
            return self._merge((leaf.name, [Candidate(file, file.parts[-1]) for file in leaf.files]) for leaf in leaves)
        found: dict[str, list[Candidate]] = defaultdict(list)
        for leaf in leaves:
            for label, candidates in leaf.labels().items():
                found[label].extend(candidates)
            self.unlabelled.extend(
                (entry, "its name does not begin with a class")
                for entry in leaf.own_pictures()
                if not read_label(entry.parts[-1])
            )
        if not found:
            raise UnclearLayoutError(_explain_missing_classes(folder))
        return found

    def _read_names(self, folder: Folder, labels: Classes) -> Classes:
        pictures = folder.own_pictures()
        if len(labels) < 2:
            raise UnclearLayoutError(_explain_missing_classes(folder))
        labelled = {candidate.entry for candidates in labels.values() for candidate in candidates}
        others = [entry for entry in pictures if entry not in labelled]
        if len(others) > len(labelled):
            raise UnclearLayoutError(
                f"{len(others)} of {format_count(len(pictures), 'picture')} have names that say no class, such as "
                f"{escape_name(others[0].parts[-1])}; the others would be {quote_names(labels)}",
                "Give every class a folder; or --classes-from names uses those whose names say one.",
            )
        if doubtful := [label for label in labels if (role := read_role(label)) and role.split != "train"]:
            raise UnclearLayoutError(
                f"names that begin with {doubtful[0]!r} may be those of a class or of pictures without labels",
                "--classes-from names makes a class of every beginning.",
            )
        for entry in others:
            label = read_label(entry.parts[-1])
            camera = "its name is that of a camera or program, not of a class"
            self.unlabelled.append((entry, camera if label else "its name does not begin with a class"))
        return labels

    def _check_folders(self, inner: Mapping[str, Folder], in_split: bool) -> None:
        """Refuse folders that may not be classes."""
        if sides := [name for name in inner if is_side_folder(name)]:
            raise UnclearLayoutError(
                f"beside {quote_names(set(inner) - set(sides))} there is a folder {sides[0]!r}, which may be a class "
                "or hold annotations",
                f"--ignore {_quote(sides[0])} leaves it out; --classes-from folders makes every folder a class.",
            )
        _refuse_variants(inner)
        _refuse_nested(inner)
        _refuse_generic(inner)
        if not in_split:
            self._check_split_words(inner)
        for name in inner:
            if name.lower() in _BACKGROUND:
                self.notes.append(f"{name} is a class of its own; --ignore {_quote(name)} leaves it out")

    def _check_split_words(self, inner: Mapping[str, Folder]) -> None:
        """Refuse a class folder whose name is that of a split, unless it can be nothing but a class."""
        roles = {name: role.split for name in inner if (role := read_role(name)) and not role.rest}
        if not roles:
            return
        if list(roles.values()) == ["train"]:
            self.notes.append(f"the folder {min(roles)!r} is a class: it holds no classes itself")
            return
        name = min(name for name, split in roles.items() if split != "train")
        raise UnclearLayoutError(
            f"beside {quote_names(set(inner) - {name})} there is a folder {name!r}, which may be a class or hold "
            f"{roles[name]} pictures without labels",
            f"--ignore {_quote(name)} leaves it out; --classes-from folders makes every folder a class.",
        )

    def _merge(self, folders: Iterable[tuple[str, Iterable[Candidate]]]) -> Classes:
        classes: dict[str, list[Candidate]] = defaultdict(list)
        spellings: dict[str, set[str]] = defaultdict(set)
        for name, candidates in folders:
            classes[name.lower()].extend(candidates)
            spellings[name.lower()].add(name)
        for names in spellings.values():
            if len(names) > 1:
                self.notes.append(f"the folders {quote_names(names)} are one class")
        return classes

    def _leave_out_copies(self, folder: Folder) -> None:
        inner = folder.inner()
        for name, child in inner.items() if len(inner) > 1 else ():
            inside = find_innermost(child)
            shared = [other for other in inside.inner() if other in inner and other != name]
            if not shared:
                continue
            if all(inside.folders[other].sizes().items() <= inner[other].sizes().items() for other in shared):
                self._remove_copy(folder, child, "repeats pictures of the folders beside it")
                return
            raise UnclearLayoutError(
                f"the folder {child.path!r} holds folders of the same names as those beside it "
                f"({quote_names(shared)}), with other pictures",
                f"--ignore {_quote(child.path)} leaves it out; or name the folder to use.",
            )
        originals: dict[str, Folder] = {}
        for child in inner.values():
            inside = find_innermost(child)
            if read_role(child.name) or len(inside.inner()) < 2:
                continue
            original = originals.setdefault(inside.name.lower(), inside)
            if inside is not original and inside.sizes() == original.sizes():
                self._remove_copy(folder, child, f"repeats {original.path}")

    def _remove_copy(self, folder: Folder, copy: Folder, why: str) -> None:
        self.notes.append(f"{copy.path} {why} and is not used")
        del folder.folders[copy.name]

    def _without_sides(self, folder: Folder) -> dict[str, Folder]:
        """Return the inner folders without annotations, where these lie beside the one folder with pictures."""
        inner = folder.inner()
        sides = [child for name, child in inner.items() if is_side_folder(name)]
        others = {name: child for name, child in inner.items() if not is_side_folder(name)}
        if sides and len(others) == 1 and all(is_container(name) or read_role(name) for name in others):
            self._note_folders(sides, "not pictures to train on")
            for side in sides:
                del folder.folders[side.name]
            return others
        return inner

    def _note_folders(self, folders: Iterable[Folder], what: str) -> None:
        for folder in folders:
            self.notes.append(f"{folder.path}: {format_count(folder.pictures, 'picture')} not used ({what})")

    def _note_unused(self, entries: Sequence[Entry], where: str) -> None:
        self.notes.append(
            f"{format_count(len(entries), 'picture')} {where} not used, such as {escape_name(entries[0].name)}"
        )


def _quote(path: str) -> str:
    """Return a path as it is typed in a shell."""
    return shlex.quote(path)


def _refuse_variants(inner: Mapping[str, Folder]) -> None:
    holders: dict[str, list[str]] = defaultdict(list)
    for name, folder in inner.items():
        if len(inside := find_innermost(folder).inner()) > 1:
            for below in inside:
                holders[below].append(name)
    for below, names in holders.items():
        if len(names) > 1:
            first, second = sorted(names)[:2]
            raise UnclearLayoutError(
                f"the folders {quote_names(names)} hold folders of the same names, such as {below!r}: they may be "
                "parts or variants of one data set",
                f"Name the one to use, or say which is which: --train-from {_quote(first)} --validation-from "
                f"{_quote(second)}. If they are the classes: --classes-from folders",
            )


def _refuse_nested(inner: Mapping[str, Folder]) -> None:
    for name, folder in inner.items():
        inside = find_innermost(folder)
        if len(inside.inner()) > 1 and not inside.own_pictures():
            raise UnclearLayoutError(
                f"the folder {name!r} holds no pictures but folders, {quote_names(inside.inner())}: either may be the "
                "classes",
                f"--classes-from folders makes {name!r} a class; --classes-from parents makes every folder with "
                "pictures a class.",
            )


def _refuse_generic(inner: Mapping[str, Folder]) -> None:
    bare = [name for name in inner if is_container(name)]
    if bare or all(map(is_generic_folder, inner)):
        raise UnclearLayoutError(
            f"the folders {quote_names(inner)} do not look like classes: {(bare or sorted(inner))[0]!r} is no name of "
            "one",
            "Give every class a folder; or say how to read them: --classes-from folders makes every folder a class, "
            "--classes-from names takes the beginning of each picture's name.",
        )


def _explain_missing_classes(folder: Folder) -> str:
    """Return say why the pictures that lie in one folder have no classes."""
    pictures, labels = folder.own_pictures(), folder.labels()
    if not pictures:
        return "no pictures in a layout that is known"
    example = escape_name(pictures[0].parts[-1])
    have = f"its {format_count(len(pictures), 'picture')} lie in one folder"
    if not labels and folder.path and not (read_role(folder.name) or is_container(folder.name)):
        return f"only one class, {folder.name.lower()!r}; a classifier needs two or more"
    if labels and all(map(is_generic_label, labels)):
        return f"{have}, and names such as {example} come from a camera or a program: they say no class"
    if len(labels) == 1:
        return f"{have}, and their names give only one class, {min(labels)!r}; a classifier needs two or more"
    tables = [file.parts[-1] for file in folder.files if file.parts[-1].lower().endswith((".csv", ".json", ".mat"))]
    note = f" (a table such as {escape_name(tables[0])} is not read)" if tables else ""
    return f"{have}, and names such as {example} say no class{note}"

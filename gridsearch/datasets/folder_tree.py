"""Rebuild the folders of a source from the names of its entries."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gridsearch.datasets.archives import Entry
from gridsearch.datasets.names import read_label

__all__ = ["Candidate", "Folder", "build_tree", "claims_to_be_picture"]

_PICTURE = re.compile(r"\.(png|jpe?g|jpe|jfif|bmp|ppm|pgm|pbm|tiff?|gif|webp|avif|heic|heif|jp2)$", re.IGNORECASE)


@dataclass(frozen=True)
class Candidate:
    """An entry with the name it has within its class (``0.jpg``, ``puppies/0.jpg``)."""

    entry: Entry
    name: str


def claims_to_be_picture(entry: Entry) -> bool:
    """Tell whether the entry's name ends like that of a picture."""
    return _PICTURE.search(entry.parts[-1]) is not None


class Folder:
    """A folder of a source.

    Attributes:
        name: its own name; that of the source for the topmost one.
        path: its path below the source with ``/`` between the parts; empty for the topmost one.
        files: the files directly in it.
        folders: the folders directly in it, by name.
        pictures: number of files at any depth that claim to be pictures.
    """

    def __init__(self, name: str, path: str = "") -> None:
        self.name, self.path = name, path
        self.files: list[Entry] = []
        self.folders: dict[str, Folder] = {}
        self.pictures = 0

    def own_pictures(self) -> list[Entry]:
        """Return the files directly in the folder that claim to be pictures."""
        return [entry for entry in self.files if claims_to_be_picture(entry)]

    def labels(self) -> dict[str, list[Candidate]]:
        """Return the pictures directly in the folder by the class that begins their names."""
        found: dict[str, list[Candidate]] = defaultdict(list)
        for entry in self.own_pictures():
            if label := read_label(entry.parts[-1]):
                found[label].append(Candidate(entry, entry.parts[-1]))
        return dict(found)

    def inner(self) -> dict[str, Folder]:
        """Return the folders directly in the folder that hold pictures at any depth."""
        return {name: folder for name, folder in self.folders.items() if folder.pictures}

    def candidates(self) -> Iterator[Candidate]:
        """Yield all files of the folder, at any depth."""
        waiting = [("", self)]
        while waiting:  # an archive can nest folders deeper than Python can recurse
            prefix, folder = waiting.pop()
            yield from (Candidate(entry, prefix + entry.parts[-1]) for entry in folder.files)
            waiting.extend((f"{prefix}{name}/", inner) for name, inner in folder.folders.items())

    def leaves(self) -> Iterator[Folder]:
        """Yield the folders at any depth, this one included, that hold pictures directly."""
        waiting = [self]
        while waiting:
            folder = waiting.pop()
            if folder.own_pictures():
                yield folder
            waiting.extend(folder.inner().values())

    def sizes(self) -> dict[str, int]:
        """Return the bytes of every picture at any depth by its name within the folder."""
        return {found.name: found.entry.size for found in self.candidates() if claims_to_be_picture(found.entry)}

    def find(self, path: str) -> list[Folder]:
        """Return the folder with this path below the source, or else all whose path ends with it."""
        wanted = path.strip("/")
        ending, waiting = [], [self]
        while waiting:
            folder = waiting.pop()
            if folder.path == wanted:
                return [folder]
            if folder.path.endswith(f"/{wanted}"):
                ending.append(folder)
            waiting.extend(folder.folders.values())
        return ending


def build_tree(entries: Iterable[Entry], name: str) -> Folder:
    """Build the folders that hold the entries; `name` is that of the topmost one."""
    top = Folder(name)
    for entry in entries:
        above = [top]
        for part in entry.parts[:-1]:
            here = above[-1]
            if part not in here.folders:
                here.folders[part] = Folder(part, f"{here.path}/{part}" if here.path else part)
            above.append(here.folders[part])
        above[-1].files.append(entry)
        if claims_to_be_picture(entry):
            for folder in above:
                folder.pictures += 1
    return top

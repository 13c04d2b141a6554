"""Name a sweep's rows so that no other sweep has them, and recognise a copied log directory.

TensorBoard makes one row of sessions with one name, wherever below its log directory they lie. So every row's name
ends with the sweep's group. A copy has its original's group until it is found out: the record remembers the path and
inode of its log directory, and a copy has others while the original is still where it was.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from gridsearch.errors import GridsearchError
from gridsearch.record.database import DATABASE, connect, explain_damage, explain_database_errors
from gridsearch.record.journal import Journal
from gridsearch.record.validation import parse_table

__all__ = ["Place", "read_place", "settle_group"]

LONGEST_NAME = 32


@dataclass(frozen=True)
class Place:
    """A sweep's group, and where its log directory was when it was last written.

    Args:
        group: ends the name of each row.
        path: absolute, without links.
        inode: of the directory.
    """

    group: str
    path: str
    inode: int

    def is_at(self, logdir: Path) -> bool:
        """Return whether the log directory is the remembered one: by its path, or moved within its file system."""
        return str(logdir.resolve()) == self.path or logdir.stat().st_ino == self.inode


def read_place(logdir: Path) -> Place | None:
    """Return what a record remembers of its place; None if it remembers none.

    Raises:
        LogdirError: the record is damaged or cannot be read.
    """
    file = logdir / DATABASE
    with explain_database_errors(file), closing(connect(file, readonly=True)) as database:
        row = database.execute("SELECT value FROM sweep WHERE key = 'place'").fetchone()
        with explain_damage(file):
            return _parse_place(row[0]) if row else None


def _parse_place(text: str) -> Place:
    place = Place(**parse_table(text))
    if tuple(map(type, (place.group, place.path, place.inode))) != (str, str, int) or "\0" in place.path:
        raise TypeError(f"{text[:80]!r} is no place")
    return place


def is_copy(place: Place, logdir: Path) -> bool:
    """Return whether the log directory is a copy of the remembered one, which is still there."""
    original = Path(place.path)
    with suppress(GridsearchError, OSError):
        if not place.is_at(logdir) and original.stat().st_ino == place.inode and (original / DATABASE).is_file():
            there = read_place(original)
            return there is not None and there.group == place.group
    return False


def settle_group(journal: Journal, taken: Collection[str] = ()) -> str:
    """Return the group of a sweep; give it one if it is new, a copy, or has that of another sweep.

    Args:
        journal: the record; it remembers group and place.
        taken: groups of other sweeps below the same folder.
    """
    logdir = journal.logdir
    place = read_place(logdir)
    name = logdir.resolve().name[:LONGEST_NAME]
    if place is None:
        identity = journal.record().identity or uuid.uuid4().hex
        group = f"{name}-{identity[:8]}"
    else:
        group = place.group
    if group in taken or (place is not None and is_copy(place, logdir)):
        group = f"{name}-{uuid.uuid4().hex[:8]}"
    here = Place(group, str(logdir.resolve()), logdir.stat().st_ino)
    if here != place:
        with journal.transaction():
            journal.set_property("place", asdict(here))
    return group

"""Compute fingerprints of data folders from the content of their pictures.

    v2:CONTENT:NAMES    today's fingerprint: 32 hex digits over names and contents (BLAKE2b), and those below
    NAMES               16 hex digits over names and sizes (SHA-256): the fingerprint of older records

A content is hashed once. The hash is kept in the cache folder with the file's size, time of modification, time of
change and inode; as long as these four are the same, the file is not read again:

    CACHE/hashes/<digest of the folder's path>.json

A file that was changed within two seconds of being hashed is hashed again the next time, since a change within the
resolution of a file system's clock would go unnoticed. A hash file that is missing or damaged is written anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from gridsearch.datasets.listing import Picture, list_pictures
from gridsearch.system.files import replace_when_whole
from gridsearch.system.hardware import processors

__all__ = [
    "UNREADABLE",
    "cache_folder",
    "compute_fingerprint",
    "compute_names_fingerprint",
    "hash_bytes",
    "hash_pictures",
    "recompute_fingerprint",
]

Listings = Mapping[str, Mapping[str, Iterable[Picture]]]
"""The pictures of each split by class."""

_PREFIX = "v2:"
_SETTLED = 2_000_000_000
"""Nanoseconds between a file's last change and its hashing after which the four numbers vouch for its content."""

UNREADABLE = "unreadable"
"""The hash of a file that cannot be read."""

_FORMAT = 1


@dataclass(frozen=True)
class _Stamp:
    """What vouches for a file's content."""

    size: int
    modified: int
    changed: int
    inode: int


def cache_folder() -> Path:
    """Return the folder for what can be computed again: ``$GRIDSEARCH_CACHE``, or one in the user's cache folder."""
    named = os.environ.get("GRIDSEARCH_CACHE")
    if named:
        return Path(named)
    return platformdirs.user_cache_path("gridsearch", appauthor=False)


def compute_names_fingerprint(splits: Listings) -> str:
    """Return 16 hex digits that change when a picture is added, removed, renamed or changes its size.

    They depend neither on where the folders are nor on the order of their entries. Records made before version 2 of
    the fingerprint hold this one.
    """
    lines = sorted(
        f"{split}/{picture.name}\0{picture.size}\n"
        for split, classes in splits.items()
        for pictures in classes.values()
        for picture in pictures
    )
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def compute_fingerprint(folders: Mapping[str, Path], listings: Listings | None = None) -> str:
    """Return the fingerprint that changes with the name or the content of any picture: ``v2:CONTENT:NAMES``.

    It depends neither on where the folders are nor on the order of their entries.

    Args:
        folders: the folder of each split.
        listings: their pictures, if they have been listed already.

    Raises:
        DataError: a folder cannot be read.
    """
    listed = listings or {split: list_pictures(folder) for split, folder in folders.items()}
    lines = []
    for split, folder in folders.items():
        pictures = [picture for found in listed[split].values() for picture in found]
        lines += [f"{split}/{name}\0{digest}\n" for name, digest in hash_pictures(folder, pictures).items()]
    text = "".join(sorted(lines)).encode("utf-8", "surrogateescape")
    return f"{_PREFIX}{hashlib.blake2b(text, digest_size=16).hexdigest()}:{compute_names_fingerprint(listed)}"


def recompute_fingerprint(recorded: str, folders: Mapping[str, Path], listings: Listings | None = None) -> str:
    """Return the fingerprint of data folders by the formula that a recorded fingerprint was made with."""
    if recorded.startswith(_PREFIX):
        return compute_fingerprint(folders, listings)
    return compute_names_fingerprint(listings or {split: list_pictures(folder) for split, folder in folders.items()})


def hash_bytes(content: bytes) -> str:
    """Return 32 hex digits of a file's content."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def hash_pictures(
    folder: Path, pictures: Sequence[Picture], *, on_hashed: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, str]:
    """Return the hash of every picture's content by its name.

    Args:
        folder: the data folder.
        pictures: some of its pictures.
        on_hashed: called with the number of files read and to be read.

    Returns:
        32 hex digits for each name; ``unreadable`` for a file that cannot be read, which the checks of pictures name.
    """
    known = _read_known(folder)
    stamps = {picture.name: _read_stamp(folder / picture.name) for picture in pictures}
    hashes = {name: known[name, stamp] for name, stamp in stamps.items() if stamp and (name, stamp) in known}
    missing = [name for name in stamps if name not in hashes]
    if not missing:
        return {name: hashes[name] for name in stamps}
    fresh: dict[str, tuple[_Stamp, str]] = {}
    pool = ThreadPoolExecutor(processors())  # hashing and reading let go of the interpreter
    try:
        for done, (name, (digest, stamp)) in enumerate(
            zip(missing, pool.map(lambda name: hash_file(folder / name), missing), strict=True), 1
        ):
            hashes[name] = digest
            if stamp:
                fresh[name] = stamp, digest
            on_hashed(done, len(missing))
    finally:
        pool.shutdown(cancel_futures=True)
    kept = {name: (stamp, known[name, stamp]) for name, stamp in stamps.items() if stamp and (name, stamp) in known}
    _write_known(folder, kept | fresh)
    return {name: hashes[name] for name in stamps}


def hash_file(path: Path) -> tuple[str, _Stamp | None]:
    """Return the hash of a file's content, and what vouches for it from now on; None if nothing does.

    Nothing vouches for a file that changed while it was read or less than two seconds before.
    """
    before = _read_stamp(path)
    if before is None:  # a pipe is not opened: that can wait for ever
        return UNREADABLE, None
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, _new_hash).hexdigest()
    except OSError:
        return UNREADABLE, None
    settled = before == _read_stamp(path) and before.changed + _SETTLED < time.time_ns()
    return digest, before if settled else None


def _new_hash() -> Any:
    return hashlib.blake2b(digest_size=16)


def _read_stamp(path: Path) -> _Stamp | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return _Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _find_hash_file(folder: Path) -> Path:
    digest = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return cache_folder() / "hashes" / f"{digest}.json"


def _read_known(folder: Path) -> dict[tuple[str, _Stamp], str]:
    try:
        found = json.loads(_find_hash_file(folder).read_text(encoding="utf-8", errors="surrogateescape"))
        if found["format"] != _FORMAT or found["folder"] != str(folder.resolve()):
            return {}
        return {(name, _Stamp(*map(int, stamp))): str(digest) for name, digest, *stamp in found["pictures"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # every file is hashed again, which is always right


def _write_known(folder: Path, known: Mapping[str, tuple[_Stamp, str]]) -> None:
    """Keep hashes for the next time; without a place to keep them, they are computed again."""
    rows = [[name, digest, *vars(stamp).values()] for name, (stamp, digest) in known.items()]
    about = {"format": _FORMAT, "folder": str(folder.resolve()), "pictures": rows}
    target = _find_hash_file(folder)
    with contextlib.suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        with replace_when_whole(target) as part:
            part.write_text(json.dumps(about), encoding="utf-8", errors="surrogateescape")

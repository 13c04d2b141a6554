"""Look after the stores of decoded pictures: list, lock and delete them; ``training.cache`` builds them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from gridsearch.datasets.fingerprints import cache_folder

__all__ = ["Stored", "clean", "delete_store", "lock_store", "stores"]

KEY = re.compile(r"[0-9a-f]{24}")
"""What the name of a store is like."""

SECONDS_TO_BUILD = 3600.0
"""What is half built and was not written to for so long is left of a killed process, even where locks do nothing."""


@contextlib.contextmanager
def lock_store(store: Path, seconds: float = -1.0) -> Iterator[None]:
    """Hold the store's lock; the kernel lets go of it for a process that is killed.

    Args:
        store: the lock's name is beside it.
        seconds: how long to wait; -1 is for ever.

    Raises:
        filelock.Timeout: another process held it all the time.
    """
    store.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(store.with_suffix(".lock"))
    try:
        lock.acquire(seconds)
    except Timeout:
        raise
    except (OSError, NotImplementedError):  # a file system without locks: two may build, both right
        pass
    try:
        yield
    finally:
        lock.release()


def delete_store(store: Path) -> None:
    """Delete a store, or what stands in its place. Whoever has it mapped goes on with it."""
    if store.is_dir() and not store.is_symlink():
        shutil.rmtree(store, ignore_errors=True)
    else:
        store.unlink(missing_ok=True)


@dataclass(frozen=True)
class Stored:
    """A store on disk."""

    path: Path
    folder: str
    pictures: int
    height: int
    width: int
    bytes: int
    used: float
    """When it was last opened, seconds since the epoch."""


def stores() -> list[Stored]:
    """Return every store, the most recently used first."""
    found = []
    for about in (cache_folder() / "pictures").glob("*/about.json"):
        if ".part-" in about.parent.name:
            continue
        with contextlib.suppress(
            OSError, ValueError, KeyError, TypeError
        ):  # it is being deleted, damaged, or is not ours
            facts = json.loads(about.read_text(encoding="utf-8"))
            size = sum(file.stat().st_size for file in about.parent.iterdir())
            used = about.parent.stat().st_mtime
            shape = (facts["pictures"], facts["height"], facts["width"])
            found.append(Stored(about.parent, facts["folder"], *shape, size, used))
    return sorted(found, key=lambda store: -store.used)


def clean(limit: int, keep: Path | None = None) -> list[Stored]:
    """Delete the least recently used stores until all together take no more than ``limit`` bytes.

    Whoever has one mapped goes on with it. Also deletes what killed processes left half built, and stores that are so
    damaged that they cannot be listed. A store that another process builds or opens just now stays.

    Returns:
        The stores that went.
    """
    room, gone, kept = limit, [], set[Path]()
    for store in stores():
        room -= store.bytes
        kept.add(store.path)
        if room < 0 and store.path != keep and _delete_unless_in_use(store.path, store.path):
            gone.append(store)
    for folder in (cache_folder() / "pictures").glob("*"):
        key = folder.name.partition(".part-")[0]
        if KEY.fullmatch(key) and folder not in kept and folder != keep:
            _delete_unless_in_use(folder, folder.with_name(key))
    return gone


def _delete_unless_in_use(folder: Path, store: Path) -> bool:
    """Delete what belongs to a store unless another process holds its lock; return whether it is gone."""
    with contextlib.suppress(Timeout), lock_store(store, 0.0):
        if time.time() - _last_written(folder) > SECONDS_TO_BUILD or ".part-" not in folder.name:
            delete_store(folder)
    return not os.path.lexists(folder)


def _last_written(folder: Path) -> float:
    """Return when something in a folder was last written, in seconds since 1970."""
    times = [0.0]
    for path in (folder, *folder.glob("*")):
        with contextlib.suppress(OSError):  # it is gone
            times.append(path.stat().st_mtime)
    return max(times)

"""Publish a prepared data folder all at once or not at all, whatever happens to the process that makes it.

    OUT/.prepare-<pid>/     everything is written here first, on the same file system
    OUT/.prepare-ready/     its name once nothing is missing: one rename decides
    OUT/train, validation, prepare.json    moved out of there

The next run removes a folder of the first kind that a dead process has left. A folder of the second kind is complete,
so the next run finishes moving it. ``prepare.json`` records what the pictures were made from: a repeated command finds
that there is nothing to do, and a different one refuses to mix two collections.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from gridsearch.datasets.fingerprints import compute_fingerprint, recompute_fingerprint
from gridsearch.errors import DataError

__all__ = [
    "RECORD",
    "SPLITS",
    "fingerprint_splits",
    "finish_interrupted",
    "open_staging_folder",
    "publish",
    "read_existing_record",
]

SPLITS = ("train", "validation", "test")
"""The folders that a data folder may have; ``test`` only if there are labelled test pictures."""

RECORD = "prepare.json"

_READY = ".prepare-ready"
_PREFIX = ".prepare-"
_CURE = "Remove its train and validation folders, or choose another folder."


def finish_interrupted(out: Path) -> None:
    """Bring `out` into a whole state after runs that were killed: complete what was ready, remove what was not.

    Raises:
        DataError: another process is preparing `out` at this moment.
    """
    if (out / _READY).is_dir():
        _move_into_place(out)
    for folder in sorted(out.glob(f"{_PREFIX}*")):
        pid = folder.name.removeprefix(_PREFIX)
        if not pid.isdecimal():
            continue
        if _is_at_work(int(pid), folder):
            raise DataError(f"process {pid} is preparing this folder", where=str(out), cure="Wait until it has ended.")
        shutil.rmtree(folder)


def _is_at_work(pid: int, folder: Path) -> bool:
    if pid == os.getpid():  # in a container every run may have the same number
        return False
    try:
        # a process younger than what was last written is another one that got the dead one's number
        return psutil.Process(pid).create_time() <= folder.stat().st_mtime
    except psutil.NoSuchProcess:
        return False


@contextmanager
def open_staging_folder(out: Path) -> Iterator[Path]:
    """Make an empty folder in `out` to write to; remove it at the end, and `out` too if it is new and empty."""
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=True)
    staging = out / f"{_PREFIX}{os.getpid()}"
    staging.mkdir()
    try:
        yield staging
    except BaseException:
        if (out / _READY).is_dir():  # interrupted between two renames: forward is the shorter way
            _move_into_place(out)
        raise
    finally:
        # what cannot be removed now is removed by the next run; an error here would hide the one that matters
        shutil.rmtree(staging, ignore_errors=True)
        _remove_empty(missing)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        if any(folder.iterdir()):
            return
        folder.rmdir()


def publish(staging: Path, out: Path, record: Mapping[str, Any]) -> None:
    """Make the finished ``train`` and ``validation`` of `staging` those of `out`, with their record.

    Raises:
        OSError: a rename failed; `out` is as before.
    """
    text = json.dumps(record, indent=2) + "\n"
    with (staging / RECORD).open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    staging.rename(out / _READY)
    _move_into_place(out)


def _move_into_place(out: Path) -> None:
    ready = out / _READY
    for name in SPLITS:
        if (ready / name).exists():
            (ready / name).rename(out / name)  # replaces an empty folder, fails at any other
    if (ready / RECORD).exists():  # last, so that the record never speaks of pictures that are not there
        (ready / RECORD).replace(out / RECORD)
    shutil.rmtree(ready)


def fingerprint_splits(folder: Path, like: str | None = None) -> str:
    """Return the fingerprint of the pictures below the split folders of `folder`, by the formula of another one."""
    folders = {split: folder / split for split in SPLITS if (folder / split).is_dir()}
    return compute_fingerprint(folders) if like is None else recompute_fingerprint(like, folders)


def read_existing_record(out: Path, content: Mapping[str, Any], options: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the record of `out` if it holds what would be made again; None if it holds no pictures.

    Args:
        out: the data folder, which need not exist.
        content: what the record must say of the content of the source.
        options: what the record must say of the options.

    Raises:
        DataError: `out` is a file, or holds other pictures.
    """
    if out.exists() and not out.is_dir():
        raise DataError("a file where a folder is expected", where=str(out))
    if not any(_is_occupied(out / split) for split in SPLITS):
        return None
    record = _read_record(out)
    if record is None:
        raise DataError(f"already holds pictures that have no readable {RECORD}", where=str(out), cure=_CURE)
    if record.get("content") != content:
        problem = f"already holds pictures of {record.get('source')!r}, which had other content"
        raise DataError(problem, where=str(out), cure=_CURE)
    if record.get("options") != options:
        was, now = _find_differences(record.get("options"), options)
        raise DataError(f"its pictures were prepared with {was}; you asked for {now}", where=str(out), cure=_CURE)
    recorded = str(record.get("fingerprint"))
    if not all((out / split).is_dir() for split in SPLITS[:2]) or fingerprint_splits(out, recorded) != recorded:
        raise DataError(f"its pictures are not those that {RECORD} tells of any more", where=str(out), cure=_CURE)
    return record


def _find_differences(recorded: object, wanted: Mapping[str, Any]) -> tuple[str, str]:
    """Return the options that differ as they are typed, those recorded and those wanted."""
    known = recorded if isinstance(recorded, Mapping) else {}
    names = [name for name in {**known, **wanted} if known.get(name) != wanted.get(name)]
    return _format_options(known, names), _format_options(wanted, names)


def _format_options(options: Mapping[str, Any], names: Sequence[str]) -> str:
    typed = []
    for name in names:
        values = options.get(name)
        option = f"--{name.replace('_', '-')}"
        listed = values if isinstance(values, list) else [] if values is None else [values]
        typed += [f"{option} {value}" for value in listed] or [f"no {option}"]
    return " ".join(typed)


def _is_occupied(folder: Path) -> bool:
    if not os.path.lexists(folder):
        return False
    return not folder.is_dir() or any(folder.iterdir())


def _read_record(out: Path) -> Mapping[str, Any] | None:
    try:
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # reported by the caller, for whom missing and damaged are the same
    return record if isinstance(record, dict) else None

"""Read and write event files record by record, without TensorFlow.

    record = length, CRC of it, an ``Event``, CRC of that          TensorBoard stops at the first one that is damaged

The bytes of an event depend on nothing but its arguments, so a file can be compared with what it should hold.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import re
import socket
import struct
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.util.tensor_util import make_ndarray

from gridsearch.system.files import make_directory, remove
from gridsearch.trials import is_finite

__all__ = [
    "OWN_NAME",
    "EventFile",
    "encode_header",
    "encode_hparams",
    "encode_scalar",
    "list_event_files",
    "read_events",
    "read_scalars",
    "read_whole",
    "replace_event_files",
    "sync_files",
]

MARK = ".tfevents."
"""TensorBoard reads every file with this in its name."""

OWN_NAME = re.compile(r"events\.out\.tfevents\.\d+\..+\.\d+\.\d{6,}")
"""The names that ``EventFile`` gives. Those of TensorFlow end in ``.v2``."""

SECONDS = re.compile(r"tfevents\.(\d+)")
"""The time in a file's name, of TensorFlow's as well."""

FEW_FILES = 4
"""So many files are synced one by one; the file system is synced once for more."""

_serial = itertools.count()


def _encode(event: Event) -> bytes:
    data = event.SerializeToString(deterministic=True)
    length = struct.pack("<Q", len(data))
    return b"".join((length, _checksum(length), data, _checksum(data)))


def _checksum(data: bytes) -> bytes:
    return struct.pack("<I", masked_crc32c(data))


def encode_header(at: float) -> bytes:
    """Return the first record of every event file."""
    return _encode(Event(wall_time=at, file_version="brain.Event:2"))


def encode_scalar(tag: str, value: float, step: int, at: float) -> bytes:
    """Return a scalar as Keras writes it; nothing for NaN and infinity, which the dashboard cannot sort."""
    return _encode(Event(wall_time=at, step=step, summary=scalar_pb(tag, value))) if is_finite(value) else b""


def encode_hparams(tag: str, data: HParamsPluginData, at: float) -> bytes:
    """Return a record of the HParams plugin."""
    data.version = metadata.PLUGIN_DATA_VERSION
    content = data.SerializeToString(deterministic=True)  # its values are a map, whose order differs from run to run
    plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=content)
    summary = Summary()
    summary.value.add(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=metadata.NULL_TENSOR)
    return _encode(Event(wall_time=at, summary=summary))


class EventFile:
    """An event file that this process writes, under a new name, so that it never overwrites another.

    Args:
        directory: made if it is not there.
        at: the time in its header, in seconds since 1970.
    """

    def __init__(self, directory: Path, at: float) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = _open_new(directory)
        # An objective in this very process may change the working directory.
        self.path = Path(self._file.name).resolve()
        self.write(encode_header(at))

    def write(self, records: bytes) -> None:
        """Append records; they can be read after ``flush``."""
        self._file.write(records)

    def flush(self) -> None:
        """Make what was added visible to readers."""
        self._file.flush()

    def close(self) -> None:
        """Flush and close."""
        self._file.close()

    def append(self, records: bytes) -> None:
        """Add records after ``close``."""
        with self.path.open("ab") as file:
            file.write(records)


def _open_new(directory: Path) -> BinaryIO:
    """Open a new file that TensorBoard reads after those that are there: it reads a directory in name order.

    A session that resumes in another process, within the same second or after the clock was set back, must not come
    before its own beginning: TensorBoard would take back the epochs that it has read.
    """
    last = next((file.name for file in reversed(list_event_files(directory))), "")
    while True:
        name = _new_name(time.time())
        if name <= last and (known := SECONDS.search(last)):
            name = _new_name(int(known[1]) + 1)
        with contextlib.suppress(FileExistsError):
            return (directory / name).open("xb")


def _new_name(at: float) -> str:
    return f"events.out.tfevents.{at:017.6f}.{socket.gethostname()}.{os.getpid()}.{next(_serial):06d}"


def list_event_files(directory: Path) -> list[Path]:
    """List the event files in a directory, in the order in which TensorBoard reads them; [] if it is not there."""
    try:
        return [directory / name for name in sorted(os.listdir(directory)) if MARK in name]
    except (FileNotFoundError, NotADirectoryError):
        return []


def replace_event_files(directory: Path, records: bytes, at: float, *, foreign: bool = False) -> Path:
    """Write a new event file, and then delete the others of this directory.

    A file is never rewritten in place: TensorBoard remembers how far it has read one.

    Args:
        directory: made if it is not there; what stands in its place makes way.
        records: what follows the header.
        at: the header's time, in seconds since 1970.
        foreign: whether files that TensorFlow wrote are deleted as well.
    """
    make_directory(directory)
    old = list_event_files(directory)
    file = EventFile(directory, at)
    file.write(records)
    file.close()
    for stale in old:
        if foreign or OWN_NAME.fullmatch(stale.name):
            remove(stale)
    return file.path


def read_events(file: Path) -> list[Event] | None:
    """Return the events of a file, or None if it does not read back whole.

    Raises:
        PermissionError: it may not be read.
    """
    data, at, events = read_whole(file), 0, []
    while at < len(data):
        length, start = data[at : at + 8], at + 12
        if len(data) < start + 4 or data[at + 8 : start] != _checksum(length):
            return None
        end = start + struct.unpack("<Q", length)[0]
        if data[end : end + 4] != _checksum(data[start:end]):
            return None
        events.append(Event.FromString(data[start:end]))
        at = end + 4
    return events or None


def read_whole(file: Path) -> bytes:
    """Return the bytes of a file; none of a folder or a broken link, which no writer has put there.

    Raises:
        PermissionError: it may not be read.
    """
    try:
        return file.read_bytes()
    except PermissionError:
        raise
    except OSError:
        return b""


def read_scalars(files: Iterable[Path]) -> dict[str, dict[int, float]] | None:
    """Return the scalars of a directory's files as TensorBoard keeps them: tag -> step -> value.

    A step below the one before takes back what was written from that step on: TensorBoard assumes a restart.

    Returns:
        None if a file does not read back whole.
    """
    found: dict[str, dict[int, float]] = {}
    for file in files:
        events = read_events(file)
        if events is None:
            return None
        for event in events:
            for value in event.summary.value:
                if not value.HasField("tensor") or value.metadata.plugin_data.plugin_name not in ("scalars", ""):
                    continue
                if value.tag not in found and value.metadata.plugin_data.plugin_name != "scalars":
                    continue  # only the first point of a tag names its plugin
                points = found.setdefault(value.tag, {})
                for later in [step for step in reversed(points) if step > event.step]:
                    del points[later]
                points[event.step] = float(make_ndarray(value.tensor))
    return found


def sync_files(files: Iterable[Path]) -> None:
    """Wait until files are on disk. Files that were deleted meanwhile are passed over.

    Raises:
        OSError: the disk is full or failing.
    """
    there = [file for file in dict.fromkeys(files) if file.exists()]
    if len(there) > FEW_FILES and sys.platform == "linux" and _sync_file_system(there[0]):
        return
    for file in there:
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _sync_file_system(file: Path) -> bool:
    """Sync the file system that holds a file by one system call; return whether it has such a call."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        return bool(ctypes.CDLL(None).syncfs(descriptor) == 0)
    except AttributeError:
        return False
    finally:
        os.close(descriptor)

"""Keep the picture store: every picture decoded and resized once, for all trials, workers, epochs and sweeps.

    CACHE/pictures/<key>/pictures.npy     uint8 (pictures, height, width, channels), mapped read-only by whoever trains
                         about.json       folder, shape and names of the pictures, in the order of their rows
    CACHE/pictures/<key>.lock             held while one process builds; others wait for it

The key is a digest of the folder, of the names and contents of its files, and of how they were decoded, so a picture
that changes makes another store. A store appears whole, by a rename. CACHE is ``$GRIDSEARCH_CACHE`` or a folder
``gridsearch`` in the user's cache folder; nothing in it is needed, and ``gridsearch data cache`` empties it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from filelock import FileLock
from PIL import Image

from gridsearch.config.sections import Data
from gridsearch.datasets.fingerprints import UNREADABLE, cache_folder, hash_bytes, hash_pictures
from gridsearch.datasets.listing import list_pictures
from gridsearch.datasets.pictures import DEEP, KERAS_GRAYSCALE, is_deep
from gridsearch.errors import DataError
from gridsearch.system.hardware import memory_available, processors

__all__ = ["Decoding", "Pictures", "Stored", "Unstorable", "cache_folder", "clean", "decode", "open_pictures", "stores"]

FORMAT = 2
"""Part of every key: raise it when what lies in a store means something else."""

LIMIT = 20 * 2**30
"""Bytes that all stores together may take; the least recently used go first."""

SHARE_OF_MEMORY = 0.5
"""A store larger than this share of the memory that is free would be read from disk again and again."""

DISK_TO_SPARE = 2**30
"""Bytes that are left free on the disk."""

RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "hamming": Image.Resampling.HAMMING,
    "box": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}

Progress = Callable[[int, int], None]
"""Called with how many pictures are done, of how many."""


class Unstorable(Exception):
    """A picture that does not fit in 8 bits per channel, as 16-bit grayscale does not."""


class Pictures(Protocol):
    """Decoded pictures by row: uint8 of shape (height, width, channels), not to be written to."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Decoding:
    """How files become arrays."""

    height: int
    width: int
    color_mode: str
    interpolation: str

    @classmethod
    def of(cls, data: Data) -> Decoding:
        """Return the decoding that the settings ask for."""
        height, width, _ = data.shape
        return cls(height, width, data.color_mode, data.interpolation)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, 3 if self.color_mode == "rgb" else 1


def decode(file: Path, decoding: Decoding, digest: str | None = None) -> np.ndarray:
    """Decode a picture to uint8 of ``decoding.shape``: bit for bit what Keras's ``load_img`` makes of it.

    Args:
        file: the picture.
        decoding: how it is wanted.
        digest: the hash of its content, if it has to be the one that was fingerprinted.

    Raises:
        Unstorable: it has more than 8 bits and is wanted in grayscale, which Keras leaves as they are.
        DataError: it cannot be decoded, has more than 8 bits and is wanted in rgb, or has another content.
    """
    try:
        content = file.read_bytes()
        if digest not in (None, UNREADABLE) and hash_bytes(content) != digest:
            cure = "Run the same again when nothing writes to the folder."
            raise DataError("changed while pictures were decoded", where=str(file), cure=cure)
        with Image.open(io.BytesIO(content)) as opened:
            image: Image.Image = opened
            _refuse_mode(file, opened.mode, decoding)
            wanted = "RGB" if decoding.color_mode == "rgb" else "L"
            if image.mode != wanted:
                image = image.convert(wanted)
            size = (decoding.width, decoding.height)
            if image.size != size:
                image = image.resize(size, RESAMPLING[decoding.interpolation])
            return np.asarray(image, np.uint8).reshape(decoding.shape)
    except (OSError, SyntaxError, ValueError) as error:
        cure = "`gridsearch data check` finds every such picture."
        raise DataError(f"cannot be decoded: {error}", where=str(file), cure=cure) from error


def ignore_pillow_warnings() -> None:
    """Ignore Pillow's warnings about metadata and transparency in this process: Keras uses neither.

    The filter stays, since Python's context manager for warnings is not made for threads.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _refuse_mode(file: Path, mode: str, decoding: Decoding) -> None:
    if not is_deep(mode):
        return
    if decoding.color_mode == "grayscale" and mode in KERAS_GRAYSCALE:
        raise Unstorable(f"{file} is a 16-bit picture")
    raise DataError(DEEP, where=str(file), cure="`gridsearch data prepare` scales such pictures.")


def _refuse_deep(files: Iterable[Path], decoding: Decoding) -> None:
    """Look for pictures of more than 8 bits before a trial comes upon one; their headers say it."""
    for file in files:
        with contextlib.suppress(OSError, SyntaxError, ValueError), Image.open(file) as opened:  # decoding says it
            _refuse_mode(file, opened.mode, decoding)


class Undecoded:
    """Pictures decoded anew each time, for when there is no room to keep them."""

    def __init__(self, files: Sequence[Path], decoding: Decoding) -> None:
        self._files, self._decoding = files, decoding

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, row: int, /) -> np.ndarray:
        return decode(self._files[row], self._decoding)


def open_pictures(
    folder: Path,
    decoding: Decoding,
    *,
    warn: Callable[[str], None] = lambda line: None,
    on_progress: Progress = lambda done, total: None,
) -> tuple[list[str], Pictures]:
    """Return the pictures below a folder of classes, from their store, which is built if it is not there.

    Args:
        folder: holds a folder per class.
        decoding: how they are wanted.
        warn: hears in a line why there is no store, if there is none.
        on_progress: hears how far building is.

    Returns:
        Names below the folder in Keras's order, and the pictures in the same order.

    Raises:
        Unstorable: a picture has more than 8 bits per channel.
        DataError: a folder or a picture cannot be read.
    """
    listed = [picture for pictures in list_pictures(folder).values() for picture in pictures]
    ignore_pillow_warnings()
    hashes = hash_pictures(folder, listed)
    names = list(hashes)
    files = [folder / name for name in names]
    store = cache_folder() / "pictures" / _key(folder, hashes, decoding)
    try:
        with _building(store):
            if not store.exists():
                problem = _no_room(store, len(files), decoding)
                if problem:
                    _refuse_deep(files, decoding)
                    warn(f"pictures are decoded anew in every epoch: {problem}")
                    return names, Undecoded(files, decoding)
                _build(store, folder, hashes, decoding, on_progress)
                clean(LIMIT, keep=store)
            pictures: np.ndarray = np.load(store / "pictures.npy", mmap_mode="r")
        os.utime(store)  # when it was last used
    except OSError as error:
        _refuse_deep(files, decoding)
        warn(f"pictures are decoded anew in every epoch: the store cannot be used: {error}")
        return names, Undecoded(files, decoding)
    return names, pictures


def _key(folder: Path, hashes: Mapping[str, str], decoding: Decoding) -> str:
    lines = [f"{FORMAT} {decoding} {folder.resolve()}", *(f"{name}\0{digest}" for name, digest in hashes.items())]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:24]


@contextlib.contextmanager
def _building(store: Path) -> Iterator[None]:
    """Hold the store's lock; the kernel lets go of it for a process that is killed."""
    store.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(store.with_suffix(".lock"))
    with contextlib.suppress(OSError, NotImplementedError):  # a file system without locks: two may build, both right
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _no_room(store: Path, pictures: int, decoding: Decoding) -> str | None:
    """Return why a store cannot be kept, in words; None if it can."""
    needed = pictures * int(np.prod(decoding.shape))
    free = shutil.disk_usage(store.parent).free
    memory = memory_available()
    size = f"{needed / 2**30:.2f} GiB for {pictures:,} decoded pictures"
    if needed + DISK_TO_SPARE > free:
        return f"{size} do not fit on the disk of {store.parent}, where {free / 2**30:.2f} GiB are free"
    if needed > SHARE_OF_MEMORY * memory:
        return f"{size} do not fit in {memory / 2**30:.1f} GiB of free memory beside the training"
    return None


def _build(store: Path, folder: Path, hashes: Mapping[str, str], decoding: Decoding, on_progress: Progress) -> None:
    for left in store.parent.glob(f"{store.name}.part-*"):
        shutil.rmtree(left, ignore_errors=True)  # of a process that was killed: nobody else builds while we do
    part = store.with_name(f"{store.name}.part-{os.getpid()}")
    part.mkdir()
    try:
        array = _allocate(part / "pictures.npy", (len(hashes), *decoding.shape))
        pool = ThreadPoolExecutor(processors())  # Pillow lets go of the interpreter while it decodes
        try:
            decoded = pool.map(lambda name: decode(folder / name, decoding, hashes[name]), hashes)
            for row, picture in enumerate(decoded):
                array[row] = picture
                on_progress(row + 1, len(hashes))
        finally:
            pool.shutdown(cancel_futures=True)  # of Ctrl-C: what is not begun need not be
        array.flush()
        about = {"folder": str(folder.resolve()), "pictures": len(hashes), **asdict(decoding)}
        (part / "about.json").write_text(json.dumps(about), encoding="utf-8")
        _put_in_place(part, store)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _put_in_place(part: Path, store: Path) -> None:
    try:
        part.rename(store)
    except OSError:
        if not store.exists():  # where locks do nothing, another process may have built the same store
            raise


def _allocate(file: Path, shape: tuple[int, ...]) -> np.memmap:
    """Return a mapped array whose room on disk is taken now: a full disk is an error, not a signal later."""
    array = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    with open(file, "r+b") as opened:
        os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
    return array


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
        with contextlib.suppress(OSError, ValueError, KeyError):  # it is being deleted, or is not ours
            facts = json.loads(about.read_text(encoding="utf-8"))
            size = sum(file.stat().st_size for file in about.parent.iterdir())
            used = about.parent.stat().st_mtime
            shape = (facts["pictures"], facts["height"], facts["width"])
            found.append(Stored(about.parent, facts["folder"], *shape, size, used))
    return sorted(found, key=lambda store: -store.used)


def clean(limit: int, keep: Path | None = None) -> list[Stored]:
    """Delete the least recently used stores until all together take no more than ``limit`` bytes.

    Whoever has one mapped goes on with it. Also deletes what a killed process left half built an hour ago or more.

    Returns:
        The stores that went.
    """
    room, gone = limit, []
    for store in stores():
        room -= store.bytes
        if room < 0 and store.path != keep:
            shutil.rmtree(store.path, ignore_errors=True)
            gone.append(store)
    for part in (cache_folder() / "pictures").glob("*.part-*"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > 3600:
                shutil.rmtree(part, ignore_errors=True)
    return gone

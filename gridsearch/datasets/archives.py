"""Open a source of pictures, a folder, zip or tar, as one list of entries.

An archive from outside must not write where it should not. Every member name is checked before anything is unpacked,
and one bad name refuses the whole archive. A member is unpacked under its number, never under its name. No member is
read beyond the size that it declares.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from gridsearch.datasets.names import is_leftover_file, is_leftover_folder
from gridsearch.datasets.pictures import escape_name
from gridsearch.errors import DataError

__all__ = ["Entry", "PictureSource", "open_source"]

_COMPLETE = "It is probably incomplete: download or copy it again."
_WANTED = "Give an archive or a folder of pictures; if it is an archive, it is damaged: download or copy it again."
_TRUSTED = (
    "Archives of pictures do not contain such members; get it from another place, or unpack and check it by hand."
)


@dataclass(frozen=True)
class Entry:
    """A file in a source.

    Args:
        number: its place in the source, from 0.
        name: path below the source with ``/`` between the parts.
        size: bytes, uncompressed; -1 for what is no regular file.
        stamp: checksum or time of change, whatever the source has; part of its fingerprint.
    """

    number: int
    name: str
    size: int
    stamp: str

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the parts of the name, the file's own name last."""
        return tuple(part for part in self.name.split("/") if part not in ("", "."))


class PictureSource(ABC):
    """An open source of pictures; use it as a context manager.

    Attributes:
        path: the folder or archive.
        where: the same for messages.
        entries: its files, without hidden ones and those that systems leave behind (``Thumbs.db``).
        unpacks: whether `fetch` makes new files, which the caller may move and must remove.
    """

    unpacks = True

    def __init__(self, path: Path, where: str, entries: Sequence[Entry]) -> None:
        self.path, self.where = path, where
        self.entries = tuple(entry for entry in entries if not _is_leftover(entry))

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits over the names, sizes and stamps of the entries, whatever their order."""
        lines = sorted(f"{entry.name}\0{entry.size}\0{entry.stamp}\n" for entry in self.entries)
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]

    @abstractmethod
    def fetch(self, wanted: Sequence[Entry], scratch: Path) -> Iterator[tuple[Entry, Path]]:
        """Yield every wanted entry with a file that holds its bytes, in the order of the source.

        Args:
            wanted: some of `entries`.
            scratch: an existing folder for what is unpacked.

        Raises:
            DataError: the archive is damaged.
            OSError: a file cannot be written.
        """

    @abstractmethod
    def close(self) -> None:
        """Close what is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_source(path: Path, where: str | None = None) -> PictureSource:
    """Open a folder, a zip or a tar (plain, gz, bz2, xz), told apart by content.

    Args:
        path: the folder or archive.
        where: what messages call it; None means by its path.

    Raises:
        DataError: missing, unreadable, neither of these, damaged, encrypted, or with members that could write outside
            of the folder that they are unpacked in.
    """
    where = where or escape_name(path)
    if path.is_dir():
        return _Folder(path, where)
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except FileNotFoundError:
        raise DataError("there is no such file or folder", where=where) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=where) from error
    if not magic:
        raise DataError("an empty file (0 bytes)", where=where, cure=_COMPLETE)
    with _explain_damage(where):
        if magic.startswith(b"PK"):
            return _Zip(path, where)
        if tarfile.is_tarfile(path):
            return _Tar(path, where)
    raise DataError("neither a folder nor a zip or tar archive", where=where, cure=_WANTED)


def _is_leftover(entry: Entry) -> bool:
    *folders, file = entry.parts or ("",)
    return file.startswith(".") or is_leftover_file(file) or any(map(is_leftover_folder, folders))


class _Folder(PictureSource):
    unpacks = False

    def __init__(self, path: Path, where: str) -> None:
        try:
            super().__init__(path, where, list(self._walk(path)))
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", where=str(error.filename or path)) from error

    @staticmethod
    def _walk(top: Path) -> Iterator[Entry]:
        seen: set[tuple[int, int]] = set()
        number = 0
        for root, folders, files in os.walk(top, onerror=_raise, followlinks=True):
            status = os.stat(root)
            if (status.st_dev, status.st_ino) in seen:  # a link to a folder above it
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            folders[:] = sorted(folder for folder in folders if not is_leftover_folder(folder))
            for file in sorted(files):
                path = Path(root, file)
                yield _make_entry(number, path, path.relative_to(top).as_posix())
                number += 1

    def fetch(self, wanted: Sequence[Entry], scratch: Path) -> Iterator[tuple[Entry, Path]]:
        for entry in _sort_by_number(wanted):
            yield entry, self.path / entry.name

    def close(self) -> None:
        """Do nothing: no file of the folder is kept open."""


def _make_entry(number: int, path: Path, name: str) -> Entry:
    try:
        status = path.stat()
    except OSError:  # a dangling link: it is left out like a broken picture
        return Entry(number, name, -1, "")
    return Entry(number, name, status.st_size if stat.S_ISREG(status.st_mode) else -1, str(status.st_mtime_ns))


class _Zip(PictureSource):
    def __init__(self, path: Path, where: str) -> None:
        self._archive = zipfile.ZipFile(path)
        try:
            self._members = self._archive.infolist()
            for member in self._members:
                _refuse_unsafe_zip_member(where, member)
        except BaseException:
            self._archive.close()
            raise
        super().__init__(
            path,
            where,
            [
                Entry(number, member.filename.replace("\\", "/"), member.file_size, f"{member.CRC:08x}")
                for number, member in enumerate(self._members)
                if not member.is_dir()
            ],
        )

    def fetch(self, wanted: Sequence[Entry], scratch: Path) -> Iterator[tuple[Entry, Path]]:
        for entry in _sort_by_number(wanted):
            with _explain_damage(self.where, entry.name), self._archive.open(self._members[entry.number]) as member:
                unpacked = _unpack(member, scratch / str(entry.number))
            yield entry, unpacked

    def close(self) -> None:
        self._archive.close()


class _Tar(PictureSource):
    def __init__(self, path: Path, where: str) -> None:
        self._archive = tarfile.TarFile.open(path)
        try:
            entries = list(self._list(where, shutil.disk_usage(path.parent).free))
        except BaseException:
            self._archive.close()
            raise
        super().__init__(path, where, entries)

    def _list(self, where: str, free: int) -> Iterator[Entry]:
        total = 0
        for number, member in enumerate(self._archive):
            _refuse_unsafe_tar_member(where, member)
            total += member.size
            # a compressed tar is unpacked, to nowhere, just to find its members: a bomb would take for ever
            if total > free:
                raise DataError(
                    f"unpacks to more than the {free:,} bytes that are free on its disk",
                    where=where,
                    cure="Make room, or check that it is what it should be.",
                )
            if member.isreg():
                yield Entry(number, member.name, member.size, f"{member.mtime}/{member.chksum}")

    def fetch(self, wanted: Sequence[Entry], scratch: Path) -> Iterator[tuple[Entry, Path]]:
        members = self._archive.getmembers()
        for entry in _sort_by_number(wanted):
            with _explain_damage(self.where, entry.name):
                member = self._archive.extractfile(members[entry.number])
                assert member is not None  # only regular files became entries
                with member:
                    unpacked = _unpack(member, scratch / str(entry.number))
            yield entry, unpacked

    def close(self) -> None:
        self._archive.close()


def _raise(error: OSError) -> None:
    raise error


def _sort_by_number(wanted: Sequence[Entry]) -> list[Entry]:
    return sorted(wanted, key=lambda entry: entry.number)


def _unpack(member: IO[bytes], target: Path) -> Path:
    with target.open("wb") as file:
        shutil.copyfileobj(member, file)
    return target


def _refuse_unsafe_zip_member(where: str, member: zipfile.ZipInfo) -> None:
    _refuse_unsafe_name(where, member.orig_filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _describe_unsafe(where, member.filename, "a symbolic link" if kind == stat.S_IFLNK else "a special file")
    if member.flag_bits & 0x1:
        raise DataError(
            f"is encrypted (member {escape_name(member.filename)})",
            where=where,
            cure="Unpack it with its password and give the folder.",
        )


def _refuse_unsafe_tar_member(where: str, member: tarfile.TarInfo) -> None:
    _refuse_unsafe_name(where, member.name)
    if member.issym() or member.islnk():
        raise _describe_unsafe(where, member.name, "a symbolic link" if member.issym() else "a hard link")
    if not (member.isreg() or member.isdir()):
        raise _describe_unsafe(where, member.name, "a special file")


def _refuse_unsafe_name(where: str, name: str) -> None:
    slashed = name.replace("\\", "/")
    if ".." in slashed.split("/"):
        raise _describe_unsafe(where, name, "a path that leaves its folder")
    if slashed.startswith("/") or re.match(r"[A-Za-z]:", slashed):
        raise _describe_unsafe(where, name, "an absolute path")
    if "\0" in name:
        raise _describe_unsafe(where, name, "a name with a null byte")


def _describe_unsafe(where: str, name: str, what: str) -> DataError:
    return DataError(f"refused: its member {escape_name(name)} is {what}", where=where, cure=_TRUSTED)


@contextmanager
def _explain_damage(where: str, member: str = "") -> Iterator[None]:
    """Turn what the standard library's unpackers raise on damaged archives into a `DataError`."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        struct.error,
        ValueError,
    ) as error:
        place = f" at {escape_name(member)}" if member else ""
        raise DataError(f"a damaged archive{place}: {error}", where=where, cure=_COMPLETE) from error
    except OSError as error:
        if error.errno is not None:  # the system's, not a complaint of gzip or bz2
            raise
        raise DataError(f"a damaged archive: {error}", where=where, cure=_COMPLETE) from error
    except NotImplementedError as error:
        raise DataError(
            f"packed in a way Python cannot unpack: {error}", where=where, cure="Unpack it and give the folder."
        ) from error

"""Small pictures, good and bad, and the collections they come in; shared by the tests of this folder."""

import io
import random
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from PIL import Image


def picture(number: int = 0, kind: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (12, 9)) -> bytes:
    """A picture file of noise that differs with its number."""
    noise = Image.frombytes("RGB", size, random.Random(number).randbytes(3 * size[0] * size[1]))
    image = Image.new(mode, size, 1000 * (number + 1)) if mode.startswith("I") else noise.convert(mode)
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header says how large it would be."""
    header = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\x00\x00\x00"
    chunk = (13).to_bytes(4) + header + zlib.crc32(header).to_bytes(4)
    end = b"\0\0\0\0IEND" + zlib.crc32(b"IEND").to_bytes(4)
    return b"\x89PNG\r\n\x1a\n" + chunk + end


def competition(cats: int = 10, dogs: int = 10) -> dict[str, bytes]:
    """The files of a small Dogs-vs-Cats train.zip."""
    return {f"train/cat.{n}.jpg": picture(n) for n in range(cats)} | {
        f"train/dog.{n}.jpg": picture(100_000 + n) for n in range(dogs)
    }


def class_folders(count: int = 5, names: tuple[str, ...] = ("cat", "dog"), prefix: str = "") -> dict[str, bytes]:
    """The files of a collection with one folder per class."""
    return {
        f"{prefix}{name}/{n}.jpg": picture(1000 * order + n) for order, name in enumerate(names) for n in range(count)
    }


def write_folder(top: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, content in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content)
    return top


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """A zip of files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write a zip of files."""
    path.write_bytes(zip_bytes(files))
    return path


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w:gz") -> Path:
    """Write a tar of files."""
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def tree(top: Path) -> dict[str, bytes]:
    """Every file below a folder by its name, hidden ones too; an empty folder ends in a slash."""
    found = {}
    for path in sorted(top.rglob("*")):
        if path.is_file():
            found[path.relative_to(top).as_posix()] = path.read_bytes()
        elif path.is_dir() and not any(path.iterdir()):
            found[path.relative_to(top).as_posix() + "/"] = b""
    return found

"""One picture at a time: is it readable, and what would the stock Keras class see of it; and the pictures of a folder.

A picture that cannot be decoded stops a training in the middle of an epoch, hours after the mistake was made. So both
``data prepare`` (which sets such pictures aside) and the check before every sweep (which refuses to start) ask here.
There are two depths: `header_problem` reads a few hundred bytes, `decode_problem` decodes every pixel.

Pictures come from outside and Pillow is given the widest berth: only plain raster formats are tried (never the ones
that start Ghostscript), the size is taken from the header before a pixel is allocated, and whatever a decoder raises
on bad bytes becomes a sentence. Nothing here knows about TensorFlow.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
import stat
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from gridsearch.errors import DataError

__all__ = [
    "BYTE_LIMIT",
    "KERAS_EXTENSIONS",
    "PIXEL_LIMIT",
    "Picture",
    "StandardPicture",
    "UnusablePictureError",
    "decode_problem",
    "header_problem",
    "list_pictures",
    "natural_key",
    "shown",
    "standard_picture",
    "tree_fingerprint",
]

KERAS_EXTENSIONS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")
"""What ``flow_from_directory`` of Keras 3 counts as a picture: file names that end so, in any case."""

PIXEL_LIMIT = 178_956_970
"""Width times height above which a picture is refused; Pillow itself, and so Keras, refuses from here on."""

BYTE_LIMIT = 200_000_000
"""Bytes above which a file is not taken for a picture at all."""

_FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "GIF", "WEBP")
_JPEG_QUALITY = 95
_JPEG_SIDE_LIMIT = 65_500  # of libjpeg, which would complain on standard error
_TAIL = 64  # cameras and web servers pad some JPEG files after their end marker

# The suffixes a byte-for-byte copy may have. ".tiff" is missing: Keras warns about every single such file.
_COPIED_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg"),
    "MPO": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "PPM": (".ppm",),
    "TIFF": (".tif",),
}

# Pillow logs some damage on top of raising; without a handler Python prints that over a progress bar.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class UnusablePictureError(Exception):
    """A file is not a picture that can be trained on; the message is the reason, made to follow ``"<file>: "``."""


@dataclass(frozen=True)
class Picture:
    """A picture file of a data folder.

    Args:
        name: path below the data folder with ``/`` between the parts, such as ``cat/cat.0.jpg``.
        size: bytes; -1 when the file cannot be looked at (a dangling link).
    """

    name: str
    size: int


@dataclass(frozen=True)
class StandardPicture:
    """A picture as ``data prepare`` stores it.

    Args:
        content: the file's bytes, or the JPEG they were converted to.
        suffix: ends the stored file's name, with its dot (``.jpg``).
        converted: whether `content` differs from the bytes given.
    """

    content: bytes
    suffix: str
    converted: bool


def shown(name: Path | str) -> str:
    """A file name for a message: as it is, or escaped where it holds what a terminal or UTF-8 would choke on."""
    return str(name) if str(name).isprintable() else repr(str(name))


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """A sort key that puts ``cat.9.jpg`` before ``cat.10.jpg``; equal names only have equal keys."""
    parts = re.split(r"([0-9]+)", name)
    numbers_by_value = tuple((0, int(part)) if index % 2 else (1, part) for index, part in enumerate(parts))
    return (*numbers_by_value, (2, name))


def list_pictures(folder: Path) -> dict[str, list[Picture]]:
    """The pictures of a data folder by class, in the order in which Keras lists them.

    Like Keras: every sub-folder is a class, hidden ones too; pictures lie at any depth below it; links to files are
    followed, links to folders below a class are not.

    Raises:
        DataError: a folder cannot be read.
    """
    try:
        classes = sorted(name for name in os.listdir(folder) if (folder / name).is_dir())
        return {name: list(_pictures_below(folder, name)) for name in classes}
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(error.filename or folder)) from error


def _pictures_below(folder: Path, class_name: str) -> Iterator[Picture]:
    for root, _, files in sorted(os.walk(folder / class_name, onerror=_raise), key=lambda step: step[0]):
        prefix = Path(root).relative_to(folder).as_posix()
        for file in sorted(files):
            if file.lower().endswith(KERAS_EXTENSIONS):
                yield Picture(f"{prefix}/{file}", _size(os.path.join(root, file)))


def _raise(error: OSError) -> None:
    raise error


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1  # header_problem says why when it comes to this file


def tree_fingerprint(splits: Mapping[str, Mapping[str, Iterable[Picture]]]) -> str:
    """16 hex digits that change when a picture of any split is added, removed, renamed or changes its size.

    They depend neither on where the folders are nor on the order of their entries.
    """
    lines = sorted(
        f"{split}/{picture.name}\0{picture.size}\n"
        for split, classes in splits.items()
        for pictures in classes.values()
        for picture in pictures
    )
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def header_problem(path: Path) -> str | None:
    """Why the file is no usable picture as far as its first and last bytes tell, or None.

    Reads no pixels (about 0.1 ms). Where the end of the file looks wrong the picture is decoded after all, so what is
    reported is certain; a picture with damage in its middle passes.
    """
    try:
        with _regular_file(path) as (file, size):
            whole = _has_its_end(file, size)
    except UnusablePictureError as reason:
        return str(reason)
    return None if whole else decode_problem(path)


def decode_problem(path: Path) -> str | None:
    """Why the file cannot be decoded to its last pixel in RGB, or None."""
    try:
        with _regular_file(path) as (file, _):
            content = file.read()
        with _pillow():
            _decoded(content).convert("RGB")
    except UnusablePictureError as reason:
        return str(reason)
    return None


def standard_picture(path: Path, suffix: str) -> StandardPicture:
    """Decode a picture fully and say how to store it so that the stock Keras class reads it.

    RGB pictures in a format that Keras lists are kept byte for byte, an EXIF orientation included: pixels stay as they
    are, as Keras does not turn them either. Others (CMYK, palette, grey, 16 bit, transparency, GIF, WebP) become RGB
    JPEG of quality 95: the first frame, transparency dropped as Keras drops it, 16 bit grey reduced to its upper byte,
    32 bit values outside 0..255 stretched to that range.

    Args:
        path: the file to read; its name does not matter.
        suffix: of the picture's own name, with the dot; kept if it fits the content.

    Raises:
        UnusablePictureError: broken, not a picture, or too large.
    """
    with _regular_file(path) as (file, _):
        content = file.read()
    with _pillow():
        image = _decoded(content)
        fitting = _COPIED_SUFFIXES.get(image.format or "")
        if fitting and image.mode == "RGB":
            return StandardPicture(content, suffix if suffix.lower() in fitting else fitting[0], converted=False)
        if max(image.size) > _JPEG_SIDE_LIMIT:
            raise UnusablePictureError(f"has to be converted, but JPEG ends at {_JPEG_SIDE_LIMIT:,} pixels a side")
        encoded = io.BytesIO()
        _rgb(image).save(encoded, "JPEG", quality=_JPEG_QUALITY)
        return StandardPicture(encoded.getvalue(), ".jpg", converted=True)


@contextmanager
def _regular_file(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file of plausible size; a pipe is refused unopened, since opening one can wait for ever."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise UnusablePictureError("not a regular file")
        if status.st_size == 0:
            raise UnusablePictureError("empty file (0 bytes)")
        if status.st_size > BYTE_LIMIT:
            raise UnusablePictureError(f"larger than {BYTE_LIMIT // 1_000_000} MB")
        with path.open("rb") as file:
            yield file, status.st_size
    except OSError as error:
        raise UnusablePictureError(f"cannot be read: {error.strerror or error}") from error


@contextmanager
def _pillow() -> Iterator[None]:
    """Turn whatever Pillow raises on bytes from outside into `UnusablePictureError`."""
    with warnings.catch_warnings():
        # Pillow warns about metadata nobody uses here and about sizes that are checked below.
        warnings.simplefilter("ignore")
        try:
            yield
        except UnusablePictureError:
            raise
        except UnidentifiedImageError as error:
            raise UnusablePictureError(f"not a picture (none of {', '.join(_FORMATS)})") from error
        except Image.DecompressionBombError as error:
            raise UnusablePictureError(_too_large("")) from error
        except MemoryError as error:
            raise UnusablePictureError("needs more memory than there is") from error
        except Exception as error:  # decoders raise nearly every built-in exception on damaged bytes
            raise UnusablePictureError(f"cannot be decoded: {str(error) or type(error).__name__}") from error


def _too_large(size: str) -> str:
    return f"{size}more than {PIXEL_LIMIT:,} pixels"


def _opened(file: BinaryIO) -> Image.Image:
    image = Image.open(file, formats=_FORMATS)
    width, height = image.size
    # Pillow's own limit can be switched off by whoever imports it first.
    if width * height > PIXEL_LIMIT:
        raise UnusablePictureError(_too_large(f"{width} x {height}: "))
    return image


def _decoded(content: bytes) -> Image.Image:
    image = _opened(io.BytesIO(content))
    image.load()
    return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode not in ("F", "I") and not image.mode.startswith("I;16"):
        return image.convert("RGB")
    import numpy as np  # only these rare pictures need it, and every worker process would pay for it

    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    values = np.nan_to_num(values.astype(np.float64))
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 255:
        values = (values - low) * (255 / (high - low or 1))
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


def _has_its_end(file: BinaryIO, size: int) -> bool:
    """Whether the file, whose header must be sound, is as long as it has to be; False also means "cannot tell"."""
    with _pillow():
        image = _opened(file)
        if image.format in ("JPEG", "MPO"):
            # inside JPEG data 0xFF is always followed by another byte than this
            return b"\xff\xd9" in _tail(file, size)
        if image.format == "PNG":
            return b"IEND" in _tail(file, size)
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            return _tiff_has_its_end(image, size)
        if image.format in ("BMP", "PPM") and image.mode in ("L", "RGB") and isinstance(image, ImageFile.ImageFile):
            return size - image.tile[0].offset >= image.width * image.height * len(image.mode)
        return False


def _tail(file: BinaryIO, size: int) -> bytes:
    file.seek(max(0, size - _TAIL))
    return file.read()


def _tiff_has_its_end(image: TiffImagePlugin.TiffImageFile, size: int) -> bool:
    tags = image.tag_v2
    starts = tags.get(TiffImagePlugin.STRIPOFFSETS) or tags.get(TiffImagePlugin.TILEOFFSETS) or ()
    lengths = tags.get(TiffImagePlugin.STRIPBYTECOUNTS) or tags.get(TiffImagePlugin.TILEBYTECOUNTS) or ()
    if not starts or len(starts) != len(lengths):
        return False
    return all(int(start) + int(length) <= size for start, length in zip(starts, lengths, strict=True))

"""Read one picture: check that it can be decoded, and convert it to what the stock Keras class reads.

A picture that cannot be decoded stops a training in the middle of an epoch. ``data prepare`` leaves such pictures out,
and the check before every sweep refuses to start. `check_header` reads a few hundred bytes of a file,
`check_pixels` decodes every pixel.

Pictures come from outside, so Pillow is restricted: only plain raster formats are tried (never those that start
Ghostscript), the size is read from the header before a pixel is allocated, and whatever a decoder raises on bad bytes
becomes a sentence. Nothing here imports TensorFlow.
"""

from __future__ import annotations

import io
import logging
import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError, features

__all__ = [
    "BYTE_LIMIT",
    "DEEP",
    "KERAS_GRAYSCALE",
    "PIXEL_LIMIT",
    "StandardPicture",
    "UnusablePictureError",
    "check_header",
    "check_pixels",
    "escape_name",
    "is_deep",
    "natural_key",
    "standardise_picture",
]

PIXEL_LIMIT = 178_956_970
"""Width times height above which a picture is refused; Pillow itself, and so Keras, refuses from here on."""

BYTE_LIMIT = 200_000_000
"""Bytes above which a file is not taken for a picture at all."""

KERAS_GRAYSCALE = ("L", "I;16", "I")
"""Modes of Pillow's that Keras leaves as they are for grayscale; it converts others to 8 bits."""

DEEP = "more than 8 bits per channel, which Keras would cut off at 255"
"""Why a 16-bit picture is not trained on as it is."""

_FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "GIF", "WEBP", *(("AVIF",) if features.check("avif") else ()))
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
class StandardPicture:
    """A picture as ``data prepare`` stores it.

    Args:
        content: the file's bytes, or the JPEG they were converted to.
        suffix: ends the stored file's name, with its dot (``.jpg``).
        converted: whether `content` differs from the bytes given.
        deep_bits: bits that the brightest pixel of a 16-bit grayscale picture needs, 0 to 16; 0 for other pictures.
    """

    content: bytes
    suffix: str
    converted: bool
    deep_bits: int = 0


def escape_name(name: Path | str) -> str:
    """Return a file name for a message: as it is, or escaped if a terminal or UTF-8 could not show it."""
    return str(name) if str(name).isprintable() else repr(str(name))


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key that puts ``cat.9.jpg`` before ``cat.10.jpg``; equal names only have equal keys."""
    parts = re.split(r"([0-9]+)", name)
    numbers_by_value = tuple((0, int(part)) if index % 2 else (1, part) for index, part in enumerate(parts))
    return (*numbers_by_value, (2, name))


def check_header(path: Path, color_mode: str = "rgb") -> str | None:
    """Return why the file is no usable picture as far as its first and last bytes tell, or None.

    Reads no pixels (about 0.1 ms). Where the end of the file looks wrong the picture is decoded after all, so what is
    reported is certain; a picture with damage in its middle passes.

    Args:
        path: the file.
        color_mode: ``rgb`` or ``grayscale``, what it is to be trained in.
    """
    try:
        with _open_regular_file(path) as (file, size):
            whole = _has_its_end(file, size, color_mode)
    except UnusablePictureError as reason:
        return str(reason)
    return None if whole else check_pixels(path, color_mode)


def check_pixels(path: Path, color_mode: str = "rgb") -> str | None:
    """Return why the file cannot be decoded to its last pixel in this color mode, or None."""
    try:
        with _open_regular_file(path) as (file, _):
            content = file.read()
        with _explain_pillow_errors():
            image = _decode(content)
            _refuse_deep(image.mode, color_mode)
            if not (color_mode == "grayscale" and image.mode in KERAS_GRAYSCALE):
                image.convert("RGB" if color_mode == "rgb" else "L")
    except UnusablePictureError as reason:
        return str(reason)
    return None


def is_deep(mode: str) -> bool:
    """Tell whether a picture of this mode of Pillow's has more than 8 bits per channel."""
    return mode in ("I", "F") or mode.startswith("I;")


def _refuse_deep(mode: str, color_mode: str) -> None:
    """Refuse a picture whose values Pillow would cut off at 255 when Keras converts it."""
    if is_deep(mode) and not (color_mode == "grayscale" and mode in KERAS_GRAYSCALE):
        raise UnusablePictureError(DEEP)


def standardise_picture(path: Path, suffix: str, *, bits: int = 16) -> StandardPicture:
    """Decode a picture fully and return how to store it so that the stock Keras class reads it.

    RGB pictures in a format that Keras lists are kept byte for byte, an EXIF orientation included: pixels stay as they
    are, as Keras does not turn them either. Others (CMYK, palette, grey, 16 bit, transparency, GIF, WebP) become RGB
    JPEG of quality 95: the first frame, transparency dropped as Keras drops it, 16 bit grey reduced to the upper 8 of
    its `bits`, 32 bit values outside 0..65535 stretched to 0..255.

    Args:
        path: the file to read; its name does not matter.
        suffix: of the picture's own name, with the dot; kept if it fits the content.
        bits: how many bits a 16 bit picture uses, 8 to 16.

    Raises:
        UnusablePictureError: broken, not a picture, or too large.
    """
    with _open_regular_file(path) as (file, _):
        content = file.read()
    with _explain_pillow_errors():
        image = _decode(content)
        fitting = _COPIED_SUFFIXES.get(image.format or "")
        if fitting and image.mode == "RGB":
            return StandardPicture(content, suffix if suffix.lower() in fitting else fitting[0], converted=False)
        if max(image.size) > _JPEG_SIDE_LIMIT:
            raise UnusablePictureError(f"has to be converted, but JPEG ends at {_JPEG_SIDE_LIMIT:,} pixels a side")
        encoded = io.BytesIO()
        converted, deep_bits = _convert(image, bits)
        converted.save(encoded, "JPEG", quality=_JPEG_QUALITY)
        return StandardPicture(encoded.getvalue(), ".jpg", converted=True, deep_bits=deep_bits)


@contextmanager
def _open_regular_file(path: Path) -> Iterator[tuple[BinaryIO, int]]:
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
def _explain_pillow_errors() -> Iterator[None]:
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
            raise UnusablePictureError(_describe_limit("")) from error
        except MemoryError as error:
            raise UnusablePictureError("needs more memory than there is") from error
        except Exception as error:  # decoders raise nearly every built-in exception on damaged bytes
            raise UnusablePictureError(f"cannot be decoded: {str(error) or type(error).__name__}") from error


def _describe_limit(size: str) -> str:
    return f"{size}more than {PIXEL_LIMIT:,} pixels"


def _open_image(file: BinaryIO) -> Image.Image:
    image = Image.open(file, formats=_FORMATS)
    width, height = image.size
    # Pillow's own limit can be switched off by whoever imports it first.
    if width * height > PIXEL_LIMIT:
        raise UnusablePictureError(_describe_limit(f"{width} x {height}: "))
    return image


def _decode(content: bytes) -> Image.Image:
    image = _open_image(io.BytesIO(content))
    image.load()
    return image


def _convert(image: Image.Image, bits: int) -> tuple[Image.Image, int]:
    """Return a picture in RGB, and the bits that its brightest pixel needs if it is a 16 bit one, else 0."""
    if not is_deep(image.mode):
        return image.convert("RGB"), 0
    import numpy as np  # only these rare pictures need it, and every worker process would pay for it

    values = np.asarray(image)
    if image.mode != "F" and values.min() >= 0 and values.max() < 2**16:
        levels = np.minimum(values.astype(np.int64) >> (bits - 8), 255)
        return Image.fromarray(levels.astype(np.uint8)).convert("RGB"), int(values.max()).bit_length()
    values = np.nan_to_num(values.astype(np.float64))
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 255:
        values = (values - low) * (255 / (high - low or 1))
    return Image.fromarray(values.astype(np.uint8)).convert("RGB"), 0


def _has_its_end(file: BinaryIO, size: int, color_mode: str) -> bool:
    """Tell whether the file, whose header must be sound, is as long as it has to be; False also if unknown."""
    with _explain_pillow_errors():
        image = _open_image(file)
        _refuse_deep(image.mode, color_mode)
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

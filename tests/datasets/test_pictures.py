"""One picture: what is wrong with it, how it is stored; and the pictures of a folder."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from picture_files import class_folders, picture, png_claiming, write_folder
from PIL import Image

from gridsearch.datasets.listing import Picture, list_pictures
from gridsearch.datasets.pictures import (
    PIXEL_LIMIT,
    UnusablePictureError,
    check_header,
    check_pixels,
    natural_key,
    standardise_picture,
)
from gridsearch.errors import DataError


def at(folder: Path, content: bytes, name: str = "a.jpg") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


KINDS = ["JPEG", "PNG", "BMP", "PPM", "TIFF", "GIF", "WEBP"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_picture_has_no_problem_at_either_depth(kind, tmp_path):
    path = at(tmp_path, picture(kind=kind))
    assert check_header(path) is None
    assert check_pixels(path) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_cut_off_near_its_end_is_found_at_either_depth(kind, tmp_path):
    content = picture(kind=kind, size=(40, 40))
    path = at(tmp_path, content[: len(content) * 3 // 4])
    assert check_header(path)
    assert check_pixels(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"<html>not found</html>", "not a picture"),
        (picture()[:30], "cannot be decoded|not a picture"),
        (png_claiming(50_000, 50_000), "more than 178,956,970 pixels"),
        (png_claiming(2**31 - 1, 2**31 - 1), "pixels"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
    ],
)
def test_what_is_no_usable_picture_gets_a_reason_at_either_depth(content, reason, tmp_path):
    path = at(tmp_path, content)
    for problem in (check_header(path), check_pixels(path)):
        assert problem is not None
        assert any(part in problem for part in reason.split("|")), problem


def test_the_pixel_limit_holds_even_where_pillows_own_is_switched_off(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    path = at(tmp_path, png_claiming(PIXEL_LIMIT, 2))
    assert "more than 178,956,970 pixels" in str(check_header(path))
    assert "more than 178,956,970 pixels" in str(check_pixels(path))


def test_padding_after_the_end_of_a_jpeg_is_no_problem(tmp_path):
    assert check_header(at(tmp_path, picture() + b"\0" * 50)) is None
    assert check_header(at(tmp_path, picture() + b"\0" * 5000)) is None


def test_damage_in_the_middle_of_a_png_is_found_by_decoding_only(tmp_path):
    content = bytearray(picture(kind="PNG", size=(60, 60)))
    content[len(content) // 2] ^= 0xFF
    path = at(tmp_path, bytes(content))
    assert check_header(path) is None
    assert "cannot be decoded" in str(check_pixels(path))


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    assert check_header(tmp_path / "a.jpg") == "not a regular file"


def test_a_missing_file_is_a_problem_and_no_traceback(tmp_path):
    assert check_header(tmp_path / "none.jpg") == "cannot be read: No such file or directory"


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", ".JPG"), ("JPEG", ".jpeg"), ("PNG", ".png"), ("BMP", ".bmp")])
def test_an_rgb_picture_is_kept_byte_for_byte(kind, suffix, tmp_path):
    content = picture(kind=kind)
    stored = standardise_picture(at(tmp_path, content), suffix)
    assert (stored.content, stored.suffix, stored.converted) == (content, suffix, False)


@pytest.mark.parametrize(
    ("kind", "suffix", "right"), [("PNG", ".jpg", ".png"), ("JPEG", "", ".jpg"), ("TIFF", ".tiff", ".tif")]
)
def test_a_suffix_that_does_not_fit_the_content_is_mended(kind, suffix, right, tmp_path):
    stored = standardise_picture(at(tmp_path, picture(kind=kind)), suffix)
    assert (stored.suffix, stored.converted) == (right, False)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("JPEG", "CMYK"),
        ("JPEG", "L"),
        ("PNG", "P"),
        ("PNG", "RGBA"),
        ("PNG", "LA"),
        ("PNG", "1"),
        ("PNG", "I;16"),
        ("TIFF", "F"),
        ("TIFF", "I"),
        ("GIF", "P"),
        ("WEBP", "RGB"),
    ],
)
def test_an_odd_mode_or_format_becomes_an_rgb_jpeg_of_the_same_size(kind, mode, tmp_path):
    stored = standardise_picture(at(tmp_path, picture(kind=kind, mode=mode)), ".png")
    image = Image.open(io.BytesIO(stored.content))
    assert (stored.suffix, stored.converted) == (".jpg", True)
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (12, 9))


def test_sixteen_bit_grey_keeps_its_brightness(tmp_path):
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(file, "PNG")
    stored = standardise_picture(at(tmp_path, file.getvalue()), ".png")
    assert Image.open(io.BytesIO(stored.content)).getpixel((4, 4)) == (156, 156, 156)  # 40,000 / 256


def test_an_exif_orientation_leaves_the_pixels_as_they_are(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.new("RGB", (12, 9)).save(file, "JPEG", exif=exif)
    stored = standardise_picture(at(tmp_path, file.getvalue()), ".jpg")
    assert Image.open(io.BytesIO(stored.content)).size == (12, 9)


def test_a_picture_too_wide_for_jpeg_is_unusable_if_it_had_to_be_converted(tmp_path):
    path = at(tmp_path, picture(kind="PNG", mode="L", size=(65_501, 1)))
    with pytest.raises(UnusablePictureError, match="65,500"):
        standardise_picture(path, ".png")


def test_natural_order_counts():
    assert sorted(["cat.10.jpg", "cat.9.jpg", "Cat.1.jpg", "9.jpg", "cat.09.jpg"], key=natural_key) == [
        "9.jpg",
        "Cat.1.jpg",
        "cat.09.jpg",
        "cat.9.jpg",
        "cat.10.jpg",
    ]


def test_the_listing_is_in_the_order_of_keras_and_counts_what_keras_counts(tmp_path):
    files = ["cat/b.jpg", "cat/a.PNG", "cat/z/c.Jpeg", "cat/d.gif", "cat/notes.txt", "dog/.e.tif", "readme.jpg"]
    write_folder(tmp_path, dict.fromkeys(files, b"12"))
    assert list_pictures(tmp_path) == {
        "cat": [Picture("cat/a.PNG", 2), Picture("cat/b.jpg", 2), Picture("cat/z/c.Jpeg", 2)],
        "dog": [Picture("dog/.e.tif", 2)],
    }


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    write_folder(tmp_path, class_folders(1))

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="cat: cannot be read: Permission denied"):
        list_pictures(tmp_path)

"""The check of the data folders before a sweep."""

import contextlib
import io
import subprocess
import sys

import numpy as np
import pytest
from picture_files import class_folders, picture, png_claiming, write_folder
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from gridsearch.datasets import parallel
from gridsearch.datasets.inspection import inspect
from gridsearch.errors import DataError


@pytest.fixture
def data(tmp_path):
    write_folder(tmp_path / "train", class_folders(4))
    write_folder(tmp_path / "validation", class_folders(2))
    return tmp_path


def check(data, **options):
    return inspect(data / "train", data / "validation", **options)


@pytest.mark.parametrize("deep", [False, True])
def test_sound_folders_are_counted(data, deep):
    seen = []
    summary = check(data, deep=deep, batch_size=8, on_progress=lambda done, total: seen.append((done, total)))
    assert summary.classes == ("cat", "dog")
    assert (summary.train, summary.validation) == ({"cat": 4, "dog": 4}, {"cat": 2, "dog": 2})
    assert (summary.train_total, summary.validation_total) == (8, 4)
    assert seen == [(done, 12) for done in range(13)]


def test_the_fingerprint_is_the_same_in_another_place_and_another_for_other_pictures(data, tmp_path):
    copy = tmp_path / "elsewhere"
    write_folder(copy / "train", class_folders(4))
    write_folder(copy / "validation", class_folders(2))
    assert check(copy).fingerprint == check(data).fingerprint
    (copy / "train/cat/0.jpg").rename(copy / "train/cat/9.jpg")
    assert check(copy).fingerprint != check(data).fingerprint


def test_a_missing_folder_is_told_with_a_way_out(data):
    with pytest.raises(DataError, match="nowhere: there is no such folder") as told:
        inspect(data / "nowhere", data / "validation")
    assert "gridsearch data prepare" in told.value.cure


def test_a_file_in_the_place_of_a_folder_is_told(data):
    with pytest.raises(DataError, match="a file where a folder"):
        inspect(data / "train/cat/0.jpg", data / "validation")


def test_a_dangling_link_is_told(data):
    (data / "link").symlink_to(data / "nowhere")
    with pytest.raises(DataError, match="leads nowhere"):
        inspect(data / "link", data / "validation")


def test_an_empty_folder_is_told(data):
    (data / "empty").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        inspect(data / "empty", data / "validation")


def test_one_class_is_too_few(tmp_path):
    write_folder(tmp_path / "train", class_folders(2, ("cat",)))
    write_folder(tmp_path / "validation", class_folders(2, ("cat",)))
    with pytest.raises(DataError, match="only one class, 'cat'"):
        check(tmp_path)


def test_different_classes_are_named_on_both_sides(data):
    write_folder(data / "train", class_folders(1, ("fox", "owl")))
    write_folder(data / "validation", class_folders(1, ("hen",)))
    with pytest.raises(DataError, match=r"train has 'fox', 'owl'; only .*validation has 'hen'"):
        check(data)


def test_a_class_without_pictures_is_named(data):
    for split in ("train", "validation"):
        write_folder(data / split, {"fox/notes.txt": b"none yet"})
    with pytest.raises(DataError, match="no pictures of class 'fox'"):
        check(data)


def test_a_batch_larger_than_the_training_set_is_refused(data):
    with pytest.raises(DataError, match="a batch of 9 is larger than the training set of 8"):
        check(data, batch_size=9)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"not a picture", "not a picture"),
        (picture(size=(50, 50))[:-400], "truncated"),
        (png_claiming(20_000, 20_000), "pixels"),
    ],
)
def test_an_unusable_picture_is_named_with_its_reason(data, content, reason, deep):
    (data / "validation/dog/bad.jpg").write_bytes(content)
    with pytest.raises(DataError, match=rf"1 picture cannot be used:\n.*validation/dog/bad\.jpg: .*{reason}"):
        check(data, deep=deep)


def test_many_unusable_pictures_are_counted_and_five_named(data):
    for number in range(7):
        (data / f"train/cat/bad{number}.jpg").write_bytes(b"")
    with pytest.raises(DataError) as told:
        check(data)
    assert "7 pictures cannot be used" in str(told.value)
    assert str(told.value).count("empty file") == 5
    assert "and 2 more" in str(told.value)


def test_a_name_that_is_no_text_does_not_break_the_message(data):
    (data / "train/cat" / b"\xff\x1b[31m.jpg".decode("utf-8", "surrogateescape")).write_bytes(b"")
    with pytest.raises(DataError) as told:
        check(data)
    assert r"\udcff\x1b[31m.jpg" in str(told.value).encode("utf-8").decode()


def test_damage_in_the_middle_is_found_by_the_deep_check_in_several_processes(data, monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH_A_POOL", 1)
    content = bytearray(picture(kind="PNG", size=(60, 60)))
    content[len(content) // 2] ^= 0xFF
    (data / "train/cat/bad.png").write_bytes(content)
    check(data)
    with pytest.raises(DataError, match=r"bad\.png"):
        check(data, deep=True, workers=2)


def test_picture_files_that_keras_does_not_count_are_mentioned(data):
    for name in ("cat/a.webp", "cat/b.WEBP", "dog/c.jfif", "dog/d.heic", "dog/e.avif", "dog/f.gif", "dog/notes.txt"):
        (data / "train" / name).write_bytes(b"1")
    (data / "validation/loose.jpg").write_bytes(picture())
    summary = check(data)
    assert summary.train == {"cat": 4, "dog": 4}
    first, second = summary.notes
    assert first.startswith(
        f"{data / 'train'}: not counted, as Keras does not read them: 1 .avif, 1 .gif, 1 .heic, 1 .j"
    )
    assert "2 .webp; `gridsearch data prepare` converts" in first
    assert second == f"{data / 'validation'}: 1 picture beside the class folders not used, such as loose.jpg"


def test_a_class_of_uncounted_files_only_is_told_with_their_number(data):
    for split in ("train", "validation"):
        write_folder(data / split, {"fox/0.webp": picture(kind="WEBP"), "fox/1.webp": picture(kind="WEBP")})
    with pytest.raises(DataError, match=r"no pictures of class 'fox' \(not counted: 2 \.webp\)"):
        check(data)


LEFTOVERS = [".ipynb_checkpoints/0-checkpoint.jpg", "__MACOSX/._0.jpg", "@eaDir/0.jpg", "#recycle/0.jpg", "cat/._0.jpg",
             "cat/.thumbnails/0.jpg", "cat/@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg", "$RECYCLE.BIN/0.jpg"]  # fmt: skip


@pytest.mark.parametrize("leftover", LEFTOVERS)
def test_what_systems_leave_behind_is_neither_class_nor_picture(data, leftover):
    before = check(data)
    write_folder(data / "train", {leftover: b"not a picture"})
    assert check(data, deep=True) == before


def test_split_folders_are_not_taken_for_classes(tmp_path):
    for split in ("training_set", "test_set"):
        write_folder(tmp_path / "data" / split, class_folders(3))
        write_folder(tmp_path / "other" / split, class_folders(3))
    with pytest.raises(DataError, match="holds split folders and no classes: 'test_set', 'training_set'"):
        inspect(tmp_path / "data", tmp_path / "other")


def test_a_folder_around_the_classes_is_told_with_the_one_within(tmp_path):
    write_folder(tmp_path / "a", class_folders(3, prefix="pets/"))
    write_folder(tmp_path / "b", class_folders(3, prefix="pets/"))
    with pytest.raises(DataError, match="only one class, 'pets'") as told:
        inspect(tmp_path / "a", tmp_path / "b")
    assert told.value.cure == f"If 'cat', 'dog' are the classes, name {tmp_path / 'a/pets'}."


def test_a_split_s_name_is_a_class_where_it_holds_pictures(tmp_path):
    for split in ("train", "validation"):
        write_folder(tmp_path / split, class_folders(2, ("test", "train")))
    assert check(tmp_path).classes == ("test", "train")


@pytest.mark.parametrize(
    ("one", "other", "how"), [("train", "train", "the same folder"), ("", "train", "one inside the other")]
)
def test_validation_on_training_pictures_is_refused(data, one, other, how):
    write_folder(data / "train", class_folders(3, ("train", "validation")))
    with pytest.raises(DataError, match=f"training and validation pictures are in {how}"):
        inspect(data / one, data / other)


def test_variants_below_the_class_folders_are_mentioned(data):
    for split in ("train", "validation"):
        write_folder(data / split, class_folders(2, ("left", "right"), "cat/") | class_folders(2, ("left",), "dog/"))
    notes = check(data).notes
    assert (
        notes[0]
        == f"{data / 'train'}: 'cat', 'dog' each hold a folder 'left'; pictures at any depth are of the class above"
    )


def sixteen_bits(level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((9, 12), level, np.uint16)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("deep", [False, True])
def test_sixteen_bit_pictures_are_refused_in_rgb_and_not_in_grayscale(data, deep):
    (data / "train/cat/deep.png").write_bytes(sixteen_bits(40_000))
    with pytest.raises(DataError, match=r"deep\.png: more than 8 bits per channel, which Keras would cut off at 255"):
        check(data, deep=deep)
    assert check(data, deep=deep, color_modes=["grayscale"]).train == {"cat": 5, "dog": 4}
    with pytest.raises(DataError, match=r"deep\.png"):
        check(data, deep=deep, color_modes=["grayscale", "rgb"])


@pytest.mark.parametrize("kind", ["cut off", "transparent palette", "huge"])
def test_pillows_warnings_do_not_appear(data, kind, recwarn):
    content = {
        "cut off": picture(size=(50, 50)) + b"\0" * 10,
        "transparent palette": transparent_palette(),
        "huge": png_claiming(10_000, 10_000),  # more than Pillow's soft limit
    }[kind]
    (data / "train/cat/odd.png").write_bytes(content)
    with contextlib.suppress(DataError):
        check(data, deep=True, workers=1)
    assert not recwarn.list


def transparent_palette() -> bytes:
    """A palette picture with transparency in bytes, about which Pillow warns when it is converted to RGB."""
    file = io.BytesIO()
    Image.new("P", (9, 9)).save(file, "PNG", transparency=b"\x00\x7f\xff")
    return file.getvalue()


def test_less_than_one_worker_is_refused(data):
    with pytest.raises(DataError, match="0 worker"):
        check(data, deep=True, workers=0)


def test_pictures_are_looked_through_without_decoding_one(tmp_path, monkeypatch):
    files = {f"{name}/{number}.jpg": picture(size=(200, 200)) for name in ("cat", "dog") for number in range(5)}
    write_folder(tmp_path / "train", files)
    write_folder(tmp_path / "validation", files)

    def decoding(image):
        raise OSError("pixels are decoded")

    monkeypatch.setattr(JpegImageFile, "load", decoding)
    check(tmp_path)
    with pytest.raises(DataError, match="pixels are decoded"):
        check(tmp_path, deep=True, workers=1)


def test_preparing_and_checking_never_import_tensorflow():
    code = (
        "import sys, gridsearch.datasets.prepare, gridsearch.datasets.download, gridsearch.datasets.inspection\n"
        "sys.exit(any(name.split('.')[0] in ('tensorflow', 'keras') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

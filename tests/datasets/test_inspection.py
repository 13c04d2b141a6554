"""The check of the data folders before a sweep."""

import subprocess
import sys

import pytest
from picture_files import class_folders, picture, png_claiming, write_folder
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

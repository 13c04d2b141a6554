"""Archives that are damaged, encrypted or mean harm: refused before anything is written."""

import io
import random
import stat
import tarfile
import zipfile
from collections import namedtuple

import pytest
from picture_files import competition, picture, tree, write_tar, write_zip, zip_bytes

from gridsearch.datasets import archives
from gridsearch.datasets.prepare import prepare
from gridsearch.errors import DataError

UNSAFE_NAMES = ["../cat.99.jpg", "train/../../cat.99.jpg", "/etc/cat.99.jpg", "C:/cat.99.jpg", "c:cat.99.jpg"]
WINDOWS_NAMES = ["..\\cat.99.jpg", "\\\\server\\cat.99.jpg", "train\\..\\..\\x.jpg"]


def refused(source, tmp_path):
    """What prepare says; the folder around must be as it was."""
    before = tree(tmp_path)
    with pytest.raises(DataError) as told:
        prepare(source, tmp_path / "data")
    assert tree(tmp_path) == before
    return str(told.value)


@pytest.mark.parametrize("name", [*UNSAFE_NAMES, *WINDOWS_NAMES])
def test_a_zip_with_a_member_that_leaves_its_folder_is_refused_by_name(name, tmp_path):
    source = write_zip(tmp_path / "train.zip", competition() | {name: picture()})
    said = refused(source, tmp_path)
    assert "refused: its member" in said
    assert name in said


@pytest.mark.parametrize("name", [*UNSAFE_NAMES, *WINDOWS_NAMES])
def test_a_tar_with_a_member_that_leaves_its_folder_is_refused_by_name(name, tmp_path):
    said = refused(write_tar(tmp_path / "train.tar.gz", competition() | {name: picture()}), tmp_path)
    assert "refused: its member" in said
    assert name in said


@pytest.mark.parametrize(
    ("kind", "told"),
    [(tarfile.SYMTYPE, "a symbolic link"), (tarfile.LNKTYPE, "a hard link"), (tarfile.FIFOTYPE, "a special file")],
)
def test_a_tar_with_a_link_or_a_special_file_is_refused(kind, told, tmp_path):
    source = write_tar(tmp_path / "train.tar", competition(), "w")
    with tarfile.open(source, "a") as archive:
        member = tarfile.TarInfo("train/cat.99.jpg")
        member.type, member.linkname = kind, "train/cat.0.jpg"
        archive.addfile(member)
    assert f"train/cat.99.jpg is {told}" in refused(source, tmp_path)


def test_a_zip_with_a_symbolic_link_is_refused(tmp_path):
    source = write_zip(tmp_path / "train.zip", competition())
    with zipfile.ZipFile(source, "a") as archive:
        member = zipfile.ZipInfo("train/cat.99.jpg")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    assert "train/cat.99.jpg is a symbolic link" in refused(source, tmp_path)


def test_an_unsafe_member_of_the_inner_zip_is_refused_as_well(tmp_path):
    inner = zip_bytes(competition() | {"../cat.99.jpg": picture()})
    said = refused(write_zip(tmp_path / "outer.zip", {"train.zip": inner}), tmp_path)
    assert "outer.zip: train.zip: refused: its member ../cat.99.jpg" in said


def test_an_encrypted_zip_is_told(tmp_path):
    content = bytearray(zip_bytes(competition()))
    content[content.rindex(b"PK\x01\x02") + 8] |= 1  # the flag of the last member in the directory
    (tmp_path / "train.zip").write_bytes(content)
    assert "is encrypted (member train/dog.9.jpg)" in refused(tmp_path / "train.zip", tmp_path)


@pytest.mark.parametrize("name", ["train.zip", "train.tar", "train.tar.gz", "train.tar.xz", "train.tar.bz2"])
def test_an_archive_that_was_cut_off_is_told_with_a_way_out(name, tmp_path):
    source = tmp_path / name
    if name.endswith("zip"):
        write_zip(source, competition())
    else:
        write_tar(source, competition(), f"w:{name.removeprefix('train.tar').lstrip('.')}")
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    said = refused(source, tmp_path)
    assert "damaged" in said
    assert "download or copy it again" in said


def test_a_zip_whose_content_was_damaged_is_told_with_the_member(tmp_path):
    content = bytearray(zip_bytes(competition()))
    content[content.index(picture(3)) + 100] ^= 0xFF
    (tmp_path / "train.zip").write_bytes(content)
    assert "a damaged archive at train/cat.3.jpg" in refused(tmp_path / "train.zip", tmp_path)


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "an empty file"), (b"hello", "neither a folder"), (picture(), "neither a folder")]
)
def test_a_file_that_is_no_archive_is_told(content, told, tmp_path):
    (tmp_path / "train.zip").write_bytes(content)
    assert told in refused(tmp_path / "train.zip", tmp_path)


def test_a_missing_source_is_told(tmp_path):
    assert "no such file or folder" in refused(tmp_path / "none.zip", tmp_path)


def test_an_archive_larger_than_the_disk_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage(10, 0, 10))
    said = refused(write_zip(tmp_path / "train.zip", competition()), tmp_path)
    assert "but only 10 are free" in said
    assert "more than the 10 bytes" in refused(write_tar(tmp_path / "train.tar", competition()), tmp_path)


def test_a_huge_member_is_set_aside_and_not_unpacked(tmp_path):
    source = tmp_path / "bomb.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in competition().items():
            archive.writestr(name, content)
        with archive.open("train/cat.99.jpg", "w", force_zip64=True) as member:
            for _ in range(201):
                member.write(bytes(1_000_000))
    summary = prepare(source, tmp_path / "data")
    assert [(broken.file, broken.reason) for broken in summary.broken] == [("train/cat.99.jpg", "larger than 200 MB")]


def test_folders_nested_deeper_than_python_can_recurse_do_no_harm(tmp_path):
    deep = "train/cat/" + "a/" * 3000 + "0.jpg"
    files = {
        deep: picture(1),
        "train/cat/1.jpg": picture(2),
        "train/dog/0.jpg": picture(3),
        "train/dog/1.jpg": picture(4),
    }
    summary = prepare(write_zip(tmp_path / "deep.zip", files), tmp_path / "data")
    assert summary.written == 4


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_random_damage_is_told_or_harmless_but_never_a_traceback(kind, tmp_path):
    files = competition(3, 3)
    source = tmp_path / f"train.{kind}"
    whole = write_zip(source, files) if kind == "zip" else write_tar(source, files, f"w:{kind[4:]}")
    content = whole.read_bytes()
    chance = random.Random(kind)
    for trial in range(60):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 3, 20])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        source.write_bytes(damaged)
        out = tmp_path / str(trial)
        try:
            prepare(source, out)
        except DataError:
            assert not out.exists()


def test_a_member_that_claims_less_than_it_holds_is_not_read_further(tmp_path):
    content = bytearray(zip_bytes(competition()))
    place = content.rindex(b"PK\x01\x02") + 24  # uncompressed size of the last member
    content[place : place + 4] = (5).to_bytes(4, "little")
    (tmp_path / "train.zip").write_bytes(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.infolist()[-1].file_size == 5
    assert "a damaged archive at train/dog.9.jpg" in refused(tmp_path / "train.zip", tmp_path)

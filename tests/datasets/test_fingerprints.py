"""The fingerprint of pictures: their names and contents, each content read once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from picture_files import class_folders, picture, write_folder

from gridsearch.datasets import fingerprints
from gridsearch.datasets.fingerprints import (
    cache_folder,
    compute_fingerprint,
    compute_names_fingerprint,
    hash_pictures,
    recompute_fingerprint,
)
from gridsearch.datasets.listing import list_pictures
from gridsearch.datasets.prepare import prepare
from gridsearch.errors import DataError
from gridsearch.record.recipe import same_pictures


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, empty."""
    monkeypatch.setenv("GRIDSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read from here on."""
    names: list[str] = []
    really = fingerprints.hash_file

    def counted(path: Path) -> object:
        names.append(path.name)
        return really(path)

    monkeypatch.setattr(fingerprints, "hash_file", counted)
    return names


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled at once: tests cannot wait for two seconds."""
    monkeypatch.setattr(fingerprints, "_SETTLED", -1)


def data(top: Path) -> dict[str, Path]:
    write_folder(top / "train", class_folders(4))
    write_folder(top / "validation", class_folders(2))
    return {"train": top / "train", "validation": top / "validation"}


def exchange(one: Path, other: Path) -> None:
    """Exchange two files as a file manager does, their sizes and times with them."""
    one.rename(one.with_suffix(".tmp"))
    other.rename(one)
    one.with_suffix(".tmp").rename(other)


def equal_sizes(folders: dict[str, Path]) -> tuple[Path, Path]:
    """A picture of either class, made equal in size and time."""
    cat, dog = folders["train"] / "cat/0.jpg", folders["train"] / "dog/0.jpg"
    longest = max(cat.stat().st_size, dog.stat().st_size)
    for path in (cat, dog):
        path.write_bytes(path.read_bytes().ljust(longest, b"\0"))
        os.utime(path, (1000, 1000))
    return cat, dog


def test_exchanging_pictures_of_two_classes_is_noticed(tmp_path: Path) -> None:
    folders = data(tmp_path)
    cat, dog = equal_sizes(folders)
    before = compute_fingerprint(folders)
    names = compute_names_fingerprint({split: list_pictures(folder) for split, folder in folders.items()})
    exchange(cat, dog)
    assert compute_fingerprint(folders) != before
    assert compute_names_fingerprint({split: list_pictures(folder) for split, folder in folders.items()}) == names
    exchange(cat, dog)
    assert compute_fingerprint(folders) == before


def test_it_is_the_same_elsewhere_and_in_another_order(tmp_path: Path) -> None:
    one = compute_fingerprint(data(tmp_path / "one"))
    other = data(tmp_path / "deep/er/other")
    assert compute_fingerprint(dict(reversed(other.items()))) == one
    (other["train"] / "cat/0.jpg").rename(other["train"] / "cat/9.jpg")
    assert compute_fingerprint(other) != one


@pytest.mark.usefixtures("settled")
def test_a_content_is_read_once(tmp_path: Path, read_files: list[str]) -> None:
    folders = data(tmp_path)
    first = compute_fingerprint(folders)
    assert len(read_files) == 12
    assert compute_fingerprint(folders) == first
    assert len(read_files) == 12
    (folders["train"] / "cat/2.jpg").write_bytes(picture(77))
    write_folder(folders["train"], {"dog/new.jpg": picture(78)})
    assert compute_fingerprint(folders) != first
    assert sorted(read_files[12:]) == ["2.jpg", "new.jpg"]


@pytest.mark.usefixtures("settled")
def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    folders = data(tmp_path)
    cat, _ = equal_sizes(folders)
    before, status = compute_fingerprint(folders), cat.stat()
    content = bytearray(cat.read_bytes())
    content[-1] ^= 1
    cat.write_bytes(content)
    os.utime(cat, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert cat.stat().st_size == status.st_size
    assert compute_fingerprint(folders) != before


def test_nothing_vouches_for_a_file_that_changed_just_now(tmp_path: Path, read_files: list[str]) -> None:
    folders = data(tmp_path)
    compute_fingerprint(folders)
    compute_fingerprint(folders)
    assert len(read_files) == 24


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'{"format": 1}', b'{"format": 1, "folder": "x", "pictures": [["a"]]}', b"\xff\xfe", b"null"],
)
def test_a_damaged_hash_file_is_written_anew(tmp_path: Path, damage: bytes, read_files: list[str]) -> None:
    folders = data(tmp_path)
    first = compute_fingerprint(folders)
    for file in (cache_folder() / "hashes").iterdir():
        file.write_bytes(damage)
    assert compute_fingerprint(folders) == first
    assert len(read_files) == 24
    assert compute_fingerprint(folders) == first
    assert len(read_files) == 24


def test_without_a_place_for_hashes_they_are_computed_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = data(tmp_path)
    first = compute_fingerprint(folders)
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("GRIDSEARCH_CACHE", str(tmp_path / "a file/cache"))
    assert compute_fingerprint(folders) == first


def test_a_pipe_and_a_dangling_link_do_not_stop_it(tmp_path: Path) -> None:
    folders = data(tmp_path)
    os.mkfifo(folders["train"] / "cat/pipe.jpg")
    (folders["train"] / "cat/link.jpg").symlink_to(tmp_path / "nowhere")
    listed = [found for pictures in list_pictures(folders["train"]).values() for found in pictures]
    hashes = hash_pictures(folders["train"], listed)
    assert [name for name, digest in hashes.items() if digest == "unreadable"] == ["cat/link.jpg", "cat/pipe.jpg"]


def test_an_older_record_is_compared_by_names_and_sizes(tmp_path: Path) -> None:
    folders = data(tmp_path)
    listings = {split: list_pictures(folder) for split, folder in folders.items()}
    old, new = compute_names_fingerprint(listings), compute_fingerprint(folders)
    assert new == f"v2:{new.split(':')[1]}:{old}"
    assert (len(old), len(new)) == (16, 52)
    assert same_pictures(old, new)
    assert same_pictures(new, new)
    assert recompute_fingerprint(old, folders) == old
    assert recompute_fingerprint(new, folders) == new
    (folders["train"] / "cat/0.jpg").unlink()
    assert not same_pictures(old, compute_fingerprint(folders))
    assert not same_pictures(new, compute_fingerprint(folders))


def test_a_newer_record_is_never_taken_for_an_older_one(tmp_path: Path) -> None:
    folders = data(tmp_path)
    cat, dog = equal_sizes(folders)
    recorded = compute_fingerprint(folders)
    exchange(cat, dog)
    now = compute_fingerprint(folders)
    assert recorded.split(":")[2] == now.split(":")[2]
    assert not same_pictures(recorded, now)


def test_a_prepared_folder_whose_pictures_were_exchanged_is_told(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "pets", class_folders(5))
    prepare(source, tmp_path / "data")
    prepare(source, tmp_path / "data")
    exchange(next((tmp_path / "data/train/cat").iterdir()), next((tmp_path / "data/train/dog").iterdir()))
    with pytest.raises(DataError, match=r"not those that prepare\.json tells of"):
        prepare(source, tmp_path / "data")


def test_a_folder_prepared_by_an_older_version_has_nothing_to_do(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "pets", class_folders(5))
    prepare(source, tmp_path / "data")
    record = json.loads((tmp_path / "data/prepare.json").read_text())
    older = {name: value for name, value in record.items() if name != "notes"}
    older["fingerprint"] = record["fingerprint"].split(":")[2]
    (tmp_path / "data/prepare.json").write_text(json.dumps(older))
    assert prepare(source, tmp_path / "data").written == 0

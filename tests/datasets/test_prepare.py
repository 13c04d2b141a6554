"""From archives and folders to train/ and validation/: layouts, splits, broken pictures."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from picture_files import (
    class_folders,
    competition,
    picture,
    png_claiming,
    tree,
    write_folder,
    write_tar,
    write_zip,
    zip_bytes,
)
from PIL import Image, features

from gridsearch.datasets import parallel
from gridsearch.datasets.inspection import inspect
from gridsearch.datasets.layouts import LayoutChoice
from gridsearch.datasets.prepare import BrokenPicture, prepare
from gridsearch.errors import DataError


def names(out: Path) -> dict[str, set[str]]:
    """The names of the pictures in each of the four folders."""
    folders: dict[str, set[str]] = {}
    for path in out.glob("*/*/*"):
        folders.setdefault(path.parent.relative_to(out).as_posix(), set()).add(path.name)
    return folders


def test_the_competitions_zip_becomes_four_folders_of_the_same_bytes(tmp_path):
    files = competition(10, 15)
    summary = prepare(write_zip(tmp_path / "train.zip", files), tmp_path / "data")
    assert summary.classes == ("cat", "dog")
    assert (summary.train, summary.validation) == ({"cat": 8, "dog": 12}, {"cat": 2, "dog": 3})
    assert (summary.written, summary.converted, summary.broken) == (25, 0, ())
    prepared = {Path(name).name: content for name, content in tree(tmp_path / "data").items() if name.endswith("jpg")}
    assert prepared == {Path(name).name: content for name, content in files.items()}
    checked = inspect(tmp_path / "data/train", tmp_path / "data/validation", deep=True)
    assert (checked.train_total, checked.validation_total) == (20, 5)


def test_the_zip_around_the_competitions_zips_gives_the_same(tmp_path):
    inner = zip_bytes(competition())
    test = zip_bytes({f"test1/{number}.jpg": picture(number) for number in range(5)})
    outer = {"sampleSubmission.csv": b"id,label", "test1.zip": test, "train.zip": inner}
    prepare(write_zip(tmp_path / "dogs-vs-cats.zip", outer), tmp_path / "nested")
    (tmp_path / "train.zip").write_bytes(inner)
    prepare(tmp_path / "train.zip", tmp_path / "plain")
    prepare(write_folder(tmp_path / "unpacked", outer), tmp_path / "folder")
    assert names(tmp_path / "nested") == names(tmp_path / "plain") == names(tmp_path / "folder")
    assert sorted(path.name for path in (tmp_path / "nested").iterdir()) == ["prepare.json", "train", "validation"]


def petimages() -> dict[str, bytes]:
    broken = {
        "PetImages/Cat/666.jpg": b"",
        "PetImages/Dog/11702.jpg": picture(size=(64, 64))[:-900],
        "PetImages/Dog/5.jpg": b"hello",
        "PetImages/Cat/7.jpg": png_claiming(50_000, 50_000),
    }
    litter = {
        "PetImages/Cat/Thumbs.db": b"\xd0\xcf",
        "PetImages/Dog/.DS_Store": b"1",
        "__MACOSX/PetImages/Cat/._0.jpg": b"1",
        "PetImages/Cat/._0.jpg": b"1",
        "MSR-LA - 3467.docx": b"licence",
        "readme[1].txt": b"read me",
    }
    return class_folders(5, ("Cat", "Dog"), "PetImages/") | broken | litter


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_the_microsoft_layout_loses_its_known_broken_files_and_names_them(kind, tmp_path):
    write = {"folder": write_folder, "zip": write_zip, "tar": write_tar}[kind]
    summary = prepare(write(tmp_path / "kagglecatsanddogs_5340", petimages()), tmp_path / "data")
    # 0..4 without the one that is broken: Dog/5.jpg is a sixth
    assert summary.train == {"cat": 4, "dog": 4}
    assert summary.validation == {"cat": 1, "dog": 1}
    assert [broken.file for broken in summary.broken] == [
        "PetImages/Cat/7.jpg",
        "PetImages/Cat/666.jpg",
        "PetImages/Dog/5.jpg",
        "PetImages/Dog/11702.jpg",
    ]
    reasons = [broken.reason for broken in summary.broken]
    for part, reason in zip(["pixels", "empty file", "not a picture", "truncated"], reasons, strict=True):
        assert part in reason
    record = json.loads((tmp_path / "data/prepare.json").read_text())
    assert [BrokenPicture(**broken) for broken in record["broken"]] == list(summary.broken)


def test_one_split_whether_folder_zip_or_tar_and_in_whatever_order(tmp_path):
    files = class_folders(20, ("a", "b", "c"))
    prepare(write_folder(tmp_path / "top", files), tmp_path / "1")
    prepare(write_zip(tmp_path / "z", dict(reversed(files.items()))), tmp_path / "2")
    prepare(write_tar(tmp_path / "t", {f"deep/er/{name}": files[name] for name in sorted(files)}), tmp_path / "3")
    assert names(tmp_path / "1") == names(tmp_path / "2") == names(tmp_path / "3")
    prepare(tmp_path / "z", tmp_path / "4", seed=1)
    assert names(tmp_path / "4") != names(tmp_path / "1")


def test_the_outcome_does_not_depend_on_the_number_of_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH_A_POOL", 1)
    source = write_zip(tmp_path / "pets.zip", petimages() | class_folders(40, prefix="PetImages/"))
    one = prepare(source, tmp_path / "one", workers=1, limit=30)
    two = prepare(source, tmp_path / "two", workers=2, limit=30)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert one.broken == two.broken


def test_a_class_does_not_change_its_split_when_another_one_grows(tmp_path):
    prepare(write_zip(tmp_path / "small.zip", competition(10, 10)), tmp_path / "small")
    prepare(write_zip(tmp_path / "large.zip", competition(10, 30)), tmp_path / "large")
    assert names(tmp_path / "small")["validation/cat"] == names(tmp_path / "large")["validation/cat"]


@pytest.mark.parametrize(("share", "count"), [(0.2, 2), (0.01, 1), (0.99, 9), (0.5, 5)])
def test_the_share_is_kept_with_at_least_one_picture_on_either_side(share, count, tmp_path):
    summary = prepare(write_zip(tmp_path / "train.zip", competition()), tmp_path / "data", validation=share)
    assert summary.validation == {"cat": count, "dog": count}


def test_a_split_that_the_source_already_has_is_kept(tmp_path):
    files = class_folders(4, prefix="pets/train/") | class_folders(3, ("Dog", "Cat"), prefix="pets/validation/")
    summary = prepare(write_zip(tmp_path / "pets.zip", files), tmp_path / "data")
    assert (summary.train, summary.validation) == ({"cat": 4, "dog": 4}, {"cat": 3, "dog": 3})
    assert names(tmp_path / "data")["validation/dog"] == {"0.jpg", "1.jpg", "2.jpg"}
    limited = prepare(tmp_path / "pets.zip", tmp_path / "limited", limit=7)
    assert (sum(limited.train.values()), sum(limited.validation.values())) == (4, 3)


def test_a_split_without_pictures_of_some_class_is_told(tmp_path):
    files = class_folders(4, prefix="train/") | class_folders(3, ("dog",), prefix="val/")
    with pytest.raises(DataError, match="no validation pictures of class 'cat'"):
        prepare(write_zip(tmp_path / "pets.zip", files), tmp_path / "data")


@pytest.mark.parametrize(
    ("limit", "counts"), [(4, (2, 2)), (7, (4, 3)), (30, (15, 15)), (50, (20, 30)), (1000, (20, 40))]
)
def test_a_limit_is_balanced_as_far_as_the_classes_go(limit, counts, tmp_path):
    source = write_zip(tmp_path / "train.zip", competition(20, 40))
    summary = prepare(source, tmp_path / "data", limit=limit)
    assert tuple(summary.train[name] + summary.validation[name] for name in ("cat", "dog")) == counts


def test_a_limit_counts_usable_pictures_only(tmp_path):
    files = competition(30, 30) | {f"train/cat.{number}.jpg": b"broken" for number in range(20)}
    seen = []
    summary = prepare(
        write_zip(tmp_path / "train.zip", files),
        tmp_path / "data",
        limit=24,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert sum(summary.train.values()) + sum(summary.validation.values()) == 24
    assert summary.train["cat"] + summary.validation["cat"] == 10
    assert all(done <= total for done, total in seen)
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


def test_odd_pictures_are_converted_and_counted(tmp_path):
    files = class_folders(3) | {
        "cat/a.gif": picture(1, "GIF", "P"),
        "cat/b.png": picture(2, "PNG", "RGBA"),
        "dog/c.jpg": picture(3, "JPEG", "CMYK"),
        "dog/d": picture(4),
        "dog/e.webp": picture(5, "WEBP"),
    }
    summary = prepare(write_folder(tmp_path / "pets", files), tmp_path / "data")
    assert summary.converted == 4
    together = {name for found in names(tmp_path / "data").values() for name in found}
    assert {"a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"} < together
    inspect(tmp_path / "data/train", tmp_path / "data/validation", deep=True)


def grey16(levels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels.astype(np.uint16)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize(("bits", "factor"), [(16, 257), (12, 16), (10, 4), (8, 1)])
def test_sixteen_bit_pictures_are_scaled_by_the_bits_that_the_collection_uses(bits, factor, kind, tmp_path):
    ramp = np.tile(np.arange(256), (8, 1))
    files = {f"{name}/{n}.png": grey16(ramp * factor) for name in ("cat", "dog") for n in range(3)}
    files["cat/dark.png"] = grey16(ramp // 8 * factor)  # scaled like the others, not to its own brightest pixel
    source = {"folder": write_folder, "zip": write_zip}[kind](tmp_path / "pets", files)
    summary = prepare(source, tmp_path / "data")
    assert f"7 pictures of {bits} bits per pixel scaled to 8" in summary.notes
    assert (summary.converted, summary.written) == (7, 7)
    for path in (tmp_path / "data").glob("*/*/*.jpg"):
        levels = np.asarray(Image.open(path).convert("L")).astype(int)
        assert np.abs(levels - (ramp // 8 if path.stem == "dark" else ramp)).max() <= 3  # of JPEG
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["prepare.json", "train", "validation"]


@pytest.mark.parametrize("letter", ["я", "猫", "🐈", "é"])
def test_long_names_in_any_script_are_shortened_and_kept_apart(letter, tmp_path):
    files = class_folders(3) | {f"cat/{letter * 55}{n}.jpg": picture(50 + n) for n in range(4)}
    files |= {f"dog/{'deep/' * 9}{letter * 40}/{letter * 50}{n}.jpg": picture(60 + n) for n in range(3)}
    summary = prepare(write_zip(tmp_path / "pets.zip", files), tmp_path / "data")
    assert summary.written == 13
    for found in names(tmp_path / "data").values():
        assert all(len(name.encode()) < 255 for name in found)


def test_a_class_name_too_long_for_file_systems_is_told(tmp_path):
    files = [("猫" * 70 + "/0.jpg", picture(1)), ("dog/0.jpg", picture(2))]
    with pytest.raises(DataError, match="has a name of more than 200 bytes"):
        prepare(write_zip(tmp_path / "pets.zip", dict(files)), tmp_path / "data")


def test_avif_and_webp_pictures_become_jpeg_and_heic_ones_are_set_aside(tmp_path):
    files = class_folders(3) | {"cat/a.webp": picture(1, "WEBP"), "cat/b.heic": b"\0\0\0\x18ftypheic" + b"\0" * 40}
    files |= {"dog/c.avif": picture(2, "AVIF")} if features.check("avif") else {}
    summary = prepare(write_folder(tmp_path / "pets", files), tmp_path / "data")
    assert [broken.file for broken in summary.broken] == ["cat/b.heic"]
    assert summary.converted == len(files) - 7


def test_equal_names_within_a_class_are_all_kept(tmp_path):
    files = {f"{cat}/{number}.jpg": picture(number) for cat in ("Cat", "cat", "CAT/x") for number in range(3)}
    files |= {"cat/0.png": picture(9, "PNG", "L"), **class_folders(9, ("dog",))}
    summary = prepare(write_zip(tmp_path / "pets.zip", files), tmp_path / "data")
    assert summary.train["cat"] + summary.validation["cat"] == 10
    assert sum(len(found) for found in names(tmp_path / "data").values()) == 19


def test_names_that_no_other_system_takes_are_made_plain(tmp_path):
    files = class_folders(3) | {'cat/what?"\x1b.jpg': picture(7), "cat/deep/er/1.jpg": picture(8)}
    prepare(write_zip(tmp_path / "pets.zip", files), tmp_path / "data")
    together = {name for found in names(tmp_path / "data").values() for name in found}
    assert {"what___.jpg", "deep-er-1.jpg"} < together


def test_pictures_without_a_class_in_their_names_are_set_aside(tmp_path):
    files = competition() | {"train/17.jpg": picture(), "train/readme.txt": b"hello"}
    summary = prepare(write_zip(tmp_path / "train.zip", files), tmp_path / "data")
    assert summary.broken == (BrokenPicture("train/17.jpg", "its name does not begin with a class"),)


def test_names_may_begin_with_other_classes_and_separators(tmp_path):
    files = {f"images/{name}_{n}.jpg": picture(n) for name in ("american_bulldog", "Bengal") for n in range(1, 4)}
    summary = prepare(write_tar(tmp_path / "pets.tar.gz", files), tmp_path / "data")
    assert summary.classes == ("american_bulldog", "bengal")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "no pictures"),
        ({"readme.txt": b"hello"}, "only one class|no pictures"),
        (competition(5, 0), "only one class, 'cat'"),
        (class_folders(5, ("cat",)), "only one class, 'cat'"),
        ({"train/1.jpg": picture(), "train/2.jpg": picture()}, "names such as 1.jpg say no class"),
        (
            class_folders(5) | {"dog/0.jpg": b"", **{f"dog/{n}.jpg": b"bad" for n in range(5)}},
            "class 'dog': 0 of the 2 needed (5 cannot",
        ),
        (class_folders(5) | {"fox/0.jpg": picture()}, "class 'fox': 1 of the 2 needed"),
        (class_folders(5) | {"cat.1.jpg": picture(), "dog.1.jpg": picture()}, "labelled by name"),
        (class_folders(3, prefix="train/") | class_folders(3, prefix="val/") | class_folders(3, ("x",)), "folder 'x'"),
        (class_folders(3, ("cat", "a:b")), "'a:b' has a name"),
    ],
)
def test_a_collection_that_cannot_be_trained_on_is_told_and_nothing_written(files, told, tmp_path):
    source = write_folder(tmp_path / "source", files)
    source.mkdir(exist_ok=True)
    with pytest.raises(DataError) as error:
        prepare(source, tmp_path / "made/data")
    assert any(part in str(error.value) for part in told.split("|")), str(error.value)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("validation", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_out_of_range_is_told(validation, tmp_path):
    with pytest.raises(DataError, match="a validation share of"):
        prepare(tmp_path, tmp_path.parent / "data", validation=validation)


@pytest.mark.parametrize("limit", [-1, 0, 3])
def test_a_limit_out_of_range_is_told(limit, tmp_path):
    with pytest.raises(DataError, match=f"a limit of {limit} pictures"):
        prepare(write_zip(tmp_path / "train.zip", competition()), tmp_path / "data", limit=limit)


def test_a_data_folder_inside_its_source_is_refused(tmp_path):
    source = write_folder(tmp_path / "pets", class_folders(5))
    for out in (source, source / "data"):
        with pytest.raises(DataError, match="lies in its own source"):
            prepare(source, out)


def test_a_data_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "data").write_text("x")
    with pytest.raises(DataError, match="a file where a folder is expected"):
        prepare(write_zip(tmp_path / "train.zip", competition()), tmp_path / "data")


def test_a_folder_source_stays_as_it_is_and_links_in_it_are_followed_once(tmp_path):
    source = write_folder(tmp_path / "pets", class_folders(5))
    (source / "cat/loop").symlink_to(source)
    (source / "dog/dangling.jpg").symlink_to(tmp_path / "none")
    elsewhere = write_folder(tmp_path / "elsewhere", {f"{number}.jpg": picture(50 + number) for number in range(5)})
    (source / "fox").symlink_to(elsewhere)
    before = tree(source)
    summary = prepare(source, tmp_path / "data")
    assert tree(source) == before
    assert summary.train == {"cat": 4, "dog": 4, "fox": 4}
    assert [broken.file for broken in summary.broken] == ["dog/dangling.jpg"]


def test_the_same_again_has_nothing_to_do(tmp_path):
    source = write_zip(tmp_path / "pets.zip", petimages())
    first = prepare(source, tmp_path / "data")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")}
    second = prepare(source.rename(tmp_path / "renamed.zip"), tmp_path / "data")
    assert second.written == 0
    assert (second.train, second.validation, second.broken) == (first.train, first.validation, first.broken)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")} == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 1}, "prepared with --seed 0; you asked for --seed 1"),
        ({"validation": 0.3}, "prepared with --validation 0.2; you asked for --validation 0.3"),
        ({"limit": 6}, "prepared with no --limit; you asked for --limit 6"),
        ({"choice": LayoutChoice(ignore=("a",))}, "prepared with no --ignore; you asked for --ignore a"),
    ],
)
def test_other_options_do_not_touch_what_is_there(change, told, tmp_path):
    source = write_zip(tmp_path / "train.zip", competition())
    prepare(source, tmp_path / "data")
    before = tree(tmp_path / "data")
    with pytest.raises(DataError, match=told) as error:
        prepare(source, tmp_path / "data", **change)
    assert "choose another folder" in error.value.cure
    assert tree(tmp_path / "data") == before


def test_another_source_does_not_touch_what_is_there(tmp_path):
    prepare(write_zip(tmp_path / "train.zip", competition()), tmp_path / "data")
    before = tree(tmp_path / "data")
    with pytest.raises(DataError, match="already holds pictures"):
        prepare(write_zip(tmp_path / "train.zip", competition(11, 11)), tmp_path / "data")
    assert tree(tmp_path / "data") == before


def test_pictures_of_unknown_origin_are_not_touched(tmp_path):
    source = write_zip(tmp_path / "train.zip", competition())
    write_folder(tmp_path / "data/train", class_folders(2))
    for record in (None, "{", "[]"):
        if record is not None:
            (tmp_path / "data/prepare.json").write_text(record)
        before = tree(tmp_path / "data")
        with pytest.raises(DataError, match=r"no readable prepare\.json"):
            prepare(source, tmp_path / "data")
        assert tree(tmp_path / "data") == before


def test_a_prepared_folder_that_was_changed_by_hand_is_told(tmp_path):
    source = write_zip(tmp_path / "train.zip", competition())
    prepare(source, tmp_path / "data")
    next((tmp_path / "data/train/cat").iterdir()).unlink()
    with pytest.raises(DataError, match=r"not those that prepare\.json tells of"):
        prepare(source, tmp_path / "data")
    shutil.rmtree(tmp_path / "data/validation")
    with pytest.raises(DataError, match=r"not those that prepare\.json tells of"):
        prepare(source, tmp_path / "data")


def test_a_record_damaged_by_hand_is_told(tmp_path):
    source = write_zip(tmp_path / "train.zip", competition())
    prepare(source, tmp_path / "data")
    record = json.loads((tmp_path / "data/prepare.json").read_text())
    (tmp_path / "data/prepare.json").write_text(json.dumps(record | {"classes": 3}))
    with pytest.raises(DataError, match=r"prepare\.json: damaged"):
        prepare(source, tmp_path / "data")


def test_other_files_in_the_data_folder_stay(tmp_path):
    (tmp_path / "data/train").mkdir(parents=True)
    (tmp_path / "data/README.md").write_text("mine")
    prepare(write_zip(tmp_path / "train.zip", competition()), tmp_path / "data")
    assert (tmp_path / "data/README.md").read_text() == "mine"

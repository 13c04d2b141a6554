"""The drawn sample: same bytes for the same seed, whole or not at all, and nobody's pictures overwritten."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gridsearch.datasets.sample import SampleSummary, draw_picture, draw_sample
from gridsearch.datasets.sample.coats import COLLARS, EYES, FUR_COLOURS, KINDS, NOSES, PATTERNS, Table
from gridsearch.datasets.sample.scenery import LIGHTS, PLACES
from gridsearch.errors import DataError


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "cats-and-dogs"
    draw_sample(out, train=8, validation=4, seed=5)
    return out


@pytest.fixture
def copied(sample: Path, tmp_path: Path) -> Path:
    """The sample again, for tests that spoil it."""
    return Path(shutil.copytree(sample, tmp_path / "copied"))


def test_lays_out_both_splits_with_as_many_cats_as_dogs(sample: Path) -> None:
    expected = {f"train/{kind}/{kind}.{index}.jpg" for kind in KINDS for index in range(4)}
    expected |= {f"validation/{kind}/{kind}.{index}.jpg" for kind in KINDS for index in range(2)}
    assert contents(sample).keys() == expected | {"sample.json"}


def test_leaves_no_working_folder_behind(sample: Path) -> None:
    assert sorted(path.name for path in sample.iterdir()) == ["sample.json", "train", "validation"]


def test_every_picture_opens_as_an_rgb_jpeg_of_about_200_pixels(sample: Path) -> None:
    for path in sample.rglob("*.jpg"):
        with Image.open(path) as picture:
            picture.load()
            assert (picture.format, picture.mode) == ("JPEG", "RGB")
            assert all(180 <= edge <= 220 for edge in picture.size)


def test_no_two_pictures_are_the_same(sample: Path) -> None:
    digests = [hashlib.sha256(path.read_bytes()).digest() for path in sample.rglob("*.jpg")]
    assert len(set(digests)) == len(digests) == 12


def test_the_same_seed_draws_the_same_bytes(sample: Path, tmp_path: Path) -> None:
    summary = draw_sample(tmp_path / "again", train=8, validation=4, seed=5)
    assert summary == SampleSummary(tmp_path / "again", train=8, validation=4, seed=5, drawn=12)
    assert contents(tmp_path / "again") == contents(sample)


def test_another_seed_draws_other_pictures(sample: Path, tmp_path: Path) -> None:
    draw_sample(tmp_path, train=2, validation=2, seed=6)
    assert not set(contents(tmp_path).values()) & set(contents(sample).values())


def test_a_picture_depends_on_nothing_drawn_before_it(sample: Path) -> None:
    """Draw some pictures of the sample alone and backwards."""
    for kind in reversed(KINDS):
        for index in (3, 1):
            alone = jpeg(draw_picture(5, "train", kind, index))
            assert alone == (sample / "train" / kind / f"{kind}.{index}.jpg").read_bytes()


def test_another_process_draws_the_same_bytes(sample: Path) -> None:
    """Hash seeds and global random state differ there; the picture must not."""
    code = (
        "import sys, gridsearch.datasets.sample.pictures as s;"
        "s.draw_picture(5, 'validation', 'dog', 1).save(sys.stdout.buffer, 'JPEG', quality=s.JPEG_QUALITY)"
    )
    drawn = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60).stdout
    assert drawn == (sample / "validation" / "dog" / "dog.1.jpg").read_bytes()


def test_the_global_random_state_stays_untouched() -> None:
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    draw_picture(0, "train", "cat", 0)
    assert np.random.random() == expected


def test_a_smaller_sample_is_the_beginning_of_a_larger_one(sample: Path, tmp_path: Path) -> None:
    draw_sample(tmp_path, train=2, validation=2, seed=5)
    larger = contents(sample)
    assert all(larger[name] == data for name, data in contents(tmp_path).items() if name.endswith(".jpg"))


def test_drawing_again_into_the_same_folder_does_nothing(sample: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in sample.rglob("*")}
    summary = draw_sample(sample, train=8, validation=4, seed=5)
    assert summary.drawn == 0
    assert {path: path.stat().st_mtime_ns for path in sample.rglob("*")} == before


def test_progress_counts_up_to_the_number_of_pictures(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    draw_sample(tmp_path, train=2, validation=2, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_leaves_a_readme_and_empty_class_folders_in_peace(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("about these pictures")
    (tmp_path / "train" / "cat").mkdir(parents=True)
    assert draw_sample(tmp_path, train=2, validation=2).drawn == 4
    assert (tmp_path / "README.md").read_text() == "about these pictures"


def lose_a_picture(out: Path) -> None:
    (out / "train" / "cat" / "cat.0.jpg").unlink()


def add_a_picture(out: Path) -> None:
    (out / "validation" / "dog" / "mine.jpg").write_bytes(b"holiday")


def lose_the_marker(out: Path) -> None:
    (out / "sample.json").unlink()


def add_a_dangling_link(out: Path) -> None:
    (out / "train" / "cat" / "mine.jpg").symlink_to(out / "gone.jpg")


def break_the_marker(out: Path) -> None:
    (out / "sample.json").write_text("{")


def empty_a_picture(out: Path) -> None:
    (out / "train" / "dog" / "dog.0.jpg").write_bytes(b"")


@pytest.mark.parametrize(
    "change",
    [lose_a_picture, add_a_picture, add_a_dangling_link, lose_the_marker, break_the_marker, empty_a_picture],
    ids=lambda f: f.__name__,
)
def test_refuses_a_folder_that_is_not_exactly_this_sample(change: Callable[[Path], None], copied: Path) -> None:
    change(copied)
    before = contents(copied)
    with pytest.raises(DataError, match="already holds pictures") as refusal:
        draw_sample(copied, train=8, validation=4, seed=5)
    assert "--out" in refusal.value.cure
    assert refusal.value.where == str(copied)
    assert contents(copied) == before


@pytest.mark.parametrize(("train", "validation", "seed"), [(6, 4, 5), (8, 6, 5), (8, 4, 6)])
def test_refuses_to_replace_a_sample_with_another(train: int, validation: int, seed: int, copied: Path) -> None:
    before = contents(copied)
    with pytest.raises(DataError, match="already holds pictures"):
        draw_sample(copied, train=train, validation=validation, seed=seed)
    assert contents(copied) == before


@pytest.mark.parametrize("stop_at", [1, 4])
def test_an_interrupted_drawing_leaves_nothing(stop_at: int, tmp_path: Path) -> None:
    def interrupt(done: int, _total: int) -> None:
        if done == stop_at:
            raise KeyboardInterrupt

    (tmp_path / "README.md").write_text("kept")
    with pytest.raises(KeyboardInterrupt):
        draw_sample(tmp_path, train=2, validation=2, on_progress=interrupt)
    assert contents(tmp_path) == {"README.md": b"kept"}
    assert draw_sample(tmp_path, train=2, validation=2).drawn == 4


@pytest.mark.parametrize("count", [0, 1, 7, -2])
@pytest.mark.parametrize("split", ["train", "validation"])
def test_refuses_counts_that_cannot_be_shared_by_two_classes(split: str, count: int, tmp_path: Path) -> None:
    train, validation = (count, 2) if split == "train" else (2, count)
    with pytest.raises(DataError, match=f"cannot draw {count} pictures") as refusal:
        draw_sample(tmp_path / "out", train=train, validation=validation)
    assert refusal.value.where == split
    assert not (tmp_path / "out").exists()


def test_refuses_a_negative_seed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="seed -1 is negative"):
        draw_sample(tmp_path, train=2, validation=2, seed=-1)


def test_a_file_in_the_place_of_the_folder_is_the_users_error(tmp_path: Path) -> None:
    """A file where the folder or one of its parents should be cannot be written into, even by root."""
    (tmp_path / "taken").write_text("mine")
    for out in (tmp_path / "taken", tmp_path / "taken" / "inside"):
        with pytest.raises(DataError) as refusal:
            draw_sample(out, train=2, validation=2)
        assert refusal.value.where == str(out)
        assert "--out" in refusal.value.cure
    assert (tmp_path / "taken").read_text() == "mine"


def test_clears_away_what_a_killed_process_left(tmp_path: Path) -> None:
    """No process has this id: it is far above the largest one the system hands out."""
    (tmp_path / ".sample-99999999" / "train").mkdir(parents=True)
    draw_sample(tmp_path, train=2, validation=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sample.json", "train", "validation"]


def test_takes_the_first_split_back_if_the_second_cannot_be_moved(tmp_path: Path) -> None:
    (tmp_path / "validation").write_text("not a folder")
    with pytest.raises(DataError, match="cannot write the sample"):
        draw_sample(tmp_path, train=2, validation=2)
    assert contents(tmp_path) == {"validation": b"not a folder"}


@pytest.mark.parametrize("table", [FUR_COLOURS, PATTERNS, EYES, NOSES, COLLARS, LIGHTS, PLACES])
def test_no_single_cue_gives_the_kind_away(table: Table[object]) -> None:
    """Every colour, pattern and place is possible for both kinds."""
    assert all(cat > 0 and dog > 0 for _, cat, dog in table)

"""The picture store: what it holds, when it is built, and what happens when it cannot be."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from keras.utils import img_to_array, load_img
from PIL import Image

from gridsearch.cli import cli
from gridsearch.errors import DataError
from gridsearch.training import cache
from gridsearch.training.cache import Decoding, Unstorable, decode, open_pictures

SMALL = Decoding(6, 8, "rgb", "bilinear")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, empty."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GRIDSEARCH_CACHE", str(folder))
    return folder


def built(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "pictures").glob("*") if path.is_dir())


MODES: list[tuple[str, Any]] = [
    ("RGB", (200, 10, 30)),
    ("L", 77),
    ("RGBA", (1, 2, 3, 128)),
    ("P", 5),
    ("CMYK", (9, 99, 199, 20)),
    ("1", 1),
    ("LA", (50, 100)),
]


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"])
@pytest.mark.parametrize("color_mode", ["rgb", "grayscale"])
def test_decoding_is_keras_s_bit_for_bit(tmp_path: Path, interpolation: str, color_mode: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (23, 31, 3)).astype("uint8")
    for mode, colour in MODES:
        image = Image.fromarray(noise).convert(mode) if mode != "LA" else Image.new(mode, (31, 23), colour)
        file = tmp_path / f"{mode}.tif" if mode == "CMYK" else tmp_path / f"{mode}.png"
        image.save(file)
        for height, width in ((11, 17), (23, 31), (40, 50)):
            theirs = load_img(file, color_mode=color_mode, target_size=(height, width), interpolation=interpolation)
            ours = decode(file, Decoding(height, width, color_mode, interpolation))
            assert ours.dtype == np.uint8
            assert np.array_equal(ours, img_to_array(theirs)), mode


def test_a_store_is_built_once_and_mapped_after_that(pictures: Path, store: Path) -> None:
    seen: list[tuple[int, int]] = []
    names, first = open_pictures(pictures / "train", SMALL, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 15) for n in range(1, 16)]
    assert names[0] == "cat/cat.0.png"
    assert isinstance(first, np.memmap)
    assert not first.flags.writeable
    assert (first.shape, first.dtype) == ((15, 6, 8, 3), "uint8")
    for row, name in enumerate(names):
        assert np.array_equal(first[row], decode(pictures / "train" / name, SMALL))
    seen.clear()
    _, again = open_pictures(pictures / "train", SMALL, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == []
    assert np.array_equal(first, again)
    assert len(built(store)) == 1


def test_another_size_and_a_changed_picture_make_another_store(pictures: Path, store: Path) -> None:
    open_pictures(pictures / "train", SMALL)
    open_pictures(pictures / "train", Decoding(6, 8, "rgb", "nearest"))
    assert len(built(store)) == 2
    file = pictures / "train" / "cat" / "cat.3.png"
    Image.new("RGB", (12, 9), (1, 2, 3)).save(file)
    names, found = open_pictures(pictures / "train", SMALL)
    assert found[names.index("cat/cat.3.png")][0, 0].tolist() == [1, 2, 3]
    assert len(built(store)) == 3


def test_a_picture_that_cannot_be_decoded_is_named_and_leaves_nothing(pictures: Path, store: Path) -> None:
    (pictures / "train" / "dog" / "dog.2.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"dog.2.png: cannot be decoded"):
        open_pictures(pictures / "train", SMALL)
    assert built(store) == []


def test_sixteen_bits_go_to_the_stock_engine_in_grayscale_and_are_refused_in_rgb(pictures: Path) -> None:
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(pictures / "train" / "cat" / "deep.png")
    with pytest.raises(Unstorable, match="16-bit"):
        open_pictures(pictures / "train", Decoding(6, 8, "grayscale", "nearest"))
    with pytest.raises(DataError, match=r"deep\.png: more than 8 bits per channel"):
        open_pictures(pictures / "train", Decoding(6, 8, "rgb", "nearest"))


def test_sixteen_bits_are_refused_before_a_trial_comes_upon_them(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(pictures / "train" / "cat" / "deep.png")
    monkeypatch.setattr(cache, "_no_room", lambda *asked: "no room")
    with pytest.raises(Unstorable, match=r"deep\.png is a 16-bit picture"):
        open_pictures(pictures / "train", Decoding(8, 8, "grayscale", "nearest"))
    with pytest.raises(DataError, match=r"deep\.png: more than 8 bits per channel"):
        open_pictures(pictures / "train", Decoding(8, 8, "rgb", "nearest"))


WARNED_OF = """
import sys
from pathlib import Path
from PIL import Image
from gridsearch.training.cache import Decoding, open_pictures
Image.MAX_IMAGE_PIXELS = 60  # the pictures have 108: more than this, less than twice as many
open_pictures(Path(sys.argv[1]), Decoding(6, 8, "rgb", "bilinear"))
"""


def test_pillows_warnings_do_not_appear_while_pictures_are_decoded(pictures: Path) -> None:
    command = [sys.executable, "-c", WARNED_OF, str(pictures / "train")]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr == ""


def exchange(one: Path, other: Path) -> None:
    one.rename(one.with_suffix(".tmp"))
    other.rename(one)
    one.with_suffix(".tmp").rename(other)


def test_exchanged_pictures_of_equal_size_and_time_make_another_store(pictures: Path) -> None:
    cat, dog = (pictures / "train" / name / f"{name}.0.png" for name in ("cat", "dog"))
    longest = max(cat.stat().st_size, dog.stat().st_size)
    for path in (cat, dog):
        path.write_bytes(path.read_bytes().ljust(longest, b"\0"))
        os.utime(path, (1000, 1000))
    names, before = open_pictures(pictures / "train", SMALL)
    exchange(cat, dog)
    _, after = open_pictures(pictures / "train", SMALL)
    one, other = names.index("cat/cat.0.png"), names.index("dog/dog.0.png")
    assert np.array_equal(before[one], after[other])
    assert np.array_equal(before[other], after[one])
    assert not np.array_equal(before[one], before[other])


def test_a_picture_that_changes_while_a_store_is_built_is_told(
    pictures: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = cache.hash_pictures

    def hash_then_change(folder: Path, listed: Any) -> dict[str, str]:
        hashes = really(folder, listed)
        Image.new("RGB", (12, 9), (1, 2, 3)).save(folder / "cat" / "cat.3.png")
        return hashes

    monkeypatch.setattr(cache, "hash_pictures", hash_then_change)
    with pytest.raises(DataError, match=r"cat\.3\.png: changed while pictures were decoded"):
        open_pictures(pictures / "train", SMALL)
    assert built(store) == []


def test_without_room_it_says_so_and_works_without(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, stored = open_pictures(pictures / "train", SMALL)
    cache.clean(0)
    lines: list[str] = []
    monkeypatch.setattr(cache, "DISK_TO_SPARE", 2**60)
    _, loose = open_pictures(pictures / "train", SMALL, warn=lines.append)
    monkeypatch.setattr(cache, "DISK_TO_SPARE", 0)
    monkeypatch.setattr(cache, "memory_available", lambda: 4000)
    open_pictures(pictures / "train", SMALL, warn=lines.append)
    assert [("on the disk" in line, "memory" in line) for line in lines] == [(True, False), (False, True)]
    assert not isinstance(loose, np.memmap)
    assert all(np.array_equal(loose[row], stored[row]) for row in range(len(loose)))


def test_a_disk_that_fills_while_it_is_built(pictures: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    lines: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        _, loose = open_pictures(pictures / "train", SMALL, warn=lines.append)
    assert "No space left" in lines[0]
    assert loose[0].shape == (6, 8, 3)
    assert built(store) == []


def test_a_folder_that_cannot_be_written_to(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("GRIDSEARCH_CACHE", str(tmp_path / "a file" / "cache"))
    lines: list[str] = []
    _, loose = open_pictures(pictures / "train", SMALL, warn=lines.append)
    assert "cannot be used" in lines[0]
    assert loose[3].shape == (6, 8, 3)


COUNT_DECODED = """
import sys, time
from pathlib import Path
import numpy as np
from gridsearch.training import cache
decoded, really = [], cache.decode
def slow(file, *rest):
    decoded.append(file)
    time.sleep(0.02)
    return really(file, *rest)
cache.decode = slow
_, found = cache.open_pictures(Path(sys.argv[1]), cache.Decoding(6, 8, "rgb", "bilinear"))
print(len(decoded), int(np.asarray(found).sum()))
"""


def test_of_two_processes_one_builds_and_the_other_waits(pictures: Path, store: Path) -> None:
    command = [sys.executable, "-c", COUNT_DECODED, str(pictures / "train")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[0].split() for process in both]
    assert sorted(decoded for decoded, _ in told) == ["0", "15"]
    assert told[0][1] == told[1][1]
    assert len(built(store)) == 1


def cut(count: int) -> Callable[[Path], None]:
    """Truncate the pictures of a store: to so many bytes, or by so many if it is negative."""

    def damage(store: Path) -> None:
        file = store / "pictures.npy"
        os.truncate(file, count if count >= 0 else file.stat().st_size + count)

    return damage


def flip_a_byte(store: Path) -> None:
    """Change a byte of a picture, of a file that keeps its size."""
    file = store / "pictures.npy"
    content = bytearray(file.read_bytes())
    content[-100] ^= 255
    file.write_bytes(content)


def become_a_file(store: Path) -> None:
    shutil.rmtree(store)
    store.write_text("not a store")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": cut(0),
    "cut to 30 bytes": cut(30),
    "cut by 5 bytes": cut(-5),
    "a byte flipped": flip_a_byte,
    "other type": lambda store: np.save(store / "pictures.npy", np.zeros((15, 6, 8, 3))),
    "other shape": lambda store: np.save(store / "pictures.npy", np.zeros((14, 6, 8, 3), np.uint8)),
    "noise": lambda store: (store / "pictures.npy").write_bytes(random.Random(1).randbytes(3000)),
    "a bad header": lambda store: (store / "pictures.npy").write_bytes(b"\x93NUMPY\x01\x00\x04\x00((((" + b"0" * 2160),
    "no pictures": lambda store: (store / "pictures.npy").unlink(),
    "no description": lambda store: (store / "about.json").unlink(),
    "a description that is no table": lambda store: (store / "about.json").write_text("[1]"),
    "a file in its place": become_a_file,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_built_anew_with_a_line(pictures: Path, store: Path, damage: str) -> None:
    _, first = open_pictures(pictures / "train", SMALL)
    right = np.array(first)
    DAMAGES[damage](built(store)[0])
    lines: list[str] = []
    names, again = open_pictures(pictures / "train", SMALL, warn=lines.append)
    assert isinstance(again, np.memmap)
    assert np.array_equal(again, right)
    assert len(names) == 15
    (line,) = lines
    assert "is damaged and is built anew" in line
    open_pictures(pictures / "train", SMALL, warn=lines.append)
    assert len(lines) == 1, "the new one is whole"
    assert len(built(store)) == 1


def test_a_store_that_was_copied_is_whole(pictures: Path, store: Path) -> None:
    """Another time of modification is looked into, and believed from then on."""
    open_pictures(pictures / "train", SMALL)
    file = built(store)[0] / "pictures.npy"
    os.utime(file, (1000, 1000))
    before, lines = file.stat().st_ino, list[str]()
    open_pictures(pictures / "train", SMALL, warn=lines.append)
    assert (file.stat().st_ino, lines) == (before, [])
    assert json.loads((file.parent / "about.json").read_text())["stamp"][1] == 1000 * 10**9


BUILD_FOREVER = """
import sys, time
from pathlib import Path
from gridsearch.training import cache
def stuck(done, total):
    print(done, flush=True)
    time.sleep(60)
cache.open_pictures(Path(sys.argv[1]), cache.Decoding(6, 8, "rgb", "bilinear"), on_progress=stuck)
"""


def test_a_process_killed_while_building_leaves_no_store_and_no_lock(pictures: Path, store: Path) -> None:
    builder = subprocess.Popen(
        [sys.executable, "-c", BUILD_FOREVER, str(pictures / "train")], stdout=subprocess.PIPE, text=True
    )
    assert builder.stdout is not None
    assert builder.stdout.readline().strip() == "1"
    assert any(".part-" in path.name for path in built(store))
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    builder.stdout.close()
    _, found = open_pictures(pictures / "train", SMALL)
    assert len(found) == 15
    assert [".part-" in path.name for path in built(store)] == [False]


def test_what_is_being_built_is_not_cleared_however_long_it_takes(pictures: Path, store: Path) -> None:
    builder = subprocess.Popen(
        [sys.executable, "-c", BUILD_FOREVER, str(pictures / "train")], stdout=subprocess.PIPE, text=True
    )
    assert builder.stdout is not None
    assert builder.stdout.readline().strip() == "1"
    (part,) = built(store)
    for path in (part, *part.iterdir()):
        os.utime(path, (1000, 1000))
    cleared = CliRunner().invoke(cli, ["data", "cache", "--clear"])
    assert cleared.exit_code == 0
    assert built(store) == [part]
    builder.kill()
    builder.wait()
    builder.stdout.close()
    CliRunner().invoke(cli, ["data", "cache", "--clear"])
    assert built(store) == [], "its builder is dead"


def test_clearing_removes_a_store_that_is_too_damaged_to_be_listed(pictures: Path, store: Path) -> None:
    open_pictures(pictures / "train", SMALL)
    (damaged,) = built(store)
    (damaged / "about.json").write_text("")
    (damaged.parent / "a folder of somebody else").mkdir()
    cache.clean(0)
    assert [path.name for path in built(store)] == ["a folder of somebody else"]


def test_the_least_recently_used_stores_go_first(pictures: Path, store: Path) -> None:
    for n, width in enumerate((4, 5, 6)):
        open_pictures(pictures / "train", Decoding(6, width, "rgb", "nearest"))
        newest = max(built(store), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (1000 + n, 1000 + n))
    open_pictures(pictures / "train", Decoding(6, 4, "rgb", "nearest"))  # now the most recently used
    gone = cache.clean(sum(found.bytes for found in cache.stores() if found.width != 5))
    assert [found.width for found in gone] == [5]
    assert sorted(found.width for found in cache.stores()) == [4, 6]


def test_the_command_lists_and_clears(pictures: Path, store: Path) -> None:
    open_pictures(pictures / "train", SMALL)
    shown = CliRunner().invoke(cli, ["data", "cache"])
    assert shown.exit_code == 0
    assert "8 x 6" in shown.output
    assert str(pictures / "train") in shown.output
    cleared = CliRunner().invoke(cli, ["data", "cache", "--clear"])
    assert "deleted 1" in cleared.output
    assert built(store) == []
    assert "no decoded pictures" in CliRunner().invoke(cli, ["data", "cache"]).output

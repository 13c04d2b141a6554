"""Draw pictures of cats and dogs, one or a whole data folder of them.

A first sweep needs pictures, and a download of half a gigabyte is too much for that. The sample is small enough to
train 36 trials in minutes, hard enough that hyperparameters matter, and easy enough that good ones clearly win. Every
picture has its own random generator, so the same seed draws the same bytes in any order. `sample.json` beside the
folders says what was drawn, so that a second run finds that there is nothing to do.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import psutil
from PIL import Image

from gridsearch.datasets.sample.animals import POSES, draw_animal
from gridsearch.datasets.sample.coats import KINDS, Kind, draw_coat, pick
from gridsearch.datasets.sample.outlines import Frame
from gridsearch.datasets.sample.scenery import LIGHTS, draw_background, draw_clutter, photograph
from gridsearch.errors import DataError

__all__ = ["DRAWING_VERSION", "SampleSummary", "draw_picture", "draw_sample"]

Split = Literal["train", "validation"]
SPLITS: tuple[Split, ...] = ("train", "validation")

# Raise it with any change that alters a single pixel: a folder drawn by an older version is then not taken for ours.
DRAWING_VERSION = 1
MARKER = "sample.json"
DRAFT_PREFIX = ".sample-"  # and the id of the process that draws
SUPERSAMPLING = 2  # drawn this much larger, then reduced: Pillow's polygons have hard edges
JPEG_QUALITY = 88
# The powers of 1/g with g^4 = g + 1: the most evenly spread steps through a cube.
EVEN_STEPS = 1.2207440846057596 ** -np.arange(1.0, 4.0)

# Each pose as (its widest extent in head widths, where its frame sits down the picture from 0 to 1).
STAGE = {"head": (2.9, 0.47), "sitting": (4.6, 0.33), "standing": (5.7, 0.55), "lying": (5.2, 0.42)}
POSE_WEIGHTS = (0.4, 0.25, 0.15, 0.2)


@dataclass(frozen=True)
class SampleSummary:
    """What lies in `out`: numbers of pictures over both classes; `drawn` is 0 if all of it was there before."""

    out: Path
    train: int
    validation: int
    seed: int
    drawn: int


def draw_sample(
    out: Path,
    *,
    train: int = 160,
    validation: int = 80,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> SampleSummary:
    """Draw the sample into `out`/train and `out`/validation, both or (if anything fails) neither.

    Args:
        out: a folder, made if missing, that holds no other pictures; other files in it are left alone.
        train: training pictures over both classes, even and at least 2.
        validation: validation pictures over both classes, even and at least 2.
        seed: 0 or above; the same seed and counts give the same bytes.
        on_progress: called with (pictures drawn, pictures in all) after each picture.

    Raises:
        DataError: for counts or a seed out of range, an `out` that holds other pictures or cannot be written.
    """
    _check_counts(train, validation, seed)
    marker = {"drawing": DRAWING_VERSION, "seed": seed, "train": train, "validation": validation}
    try:
        if _is_drawn(out, marker):
            return SampleSummary(out, train, validation, seed, drawn=0)
        out.mkdir(parents=True, exist_ok=True)
        _remove_abandoned_drafts(out)
        draft = out / f"{DRAFT_PREFIX}{os.getpid()}"
        try:
            _draw_into(draft, {"train": train, "validation": validation}, seed, on_progress)
            (draft / MARKER).write_text(json.dumps(marker, indent=2) + "\n", encoding="utf-8")
            _publish(draft, out)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as failure:
        raise DataError(
            f"cannot write the sample: {failure.strerror or failure}",
            where=str(out),
            cure="name a folder you may write to with --out",
        ) from failure
    return SampleSummary(out, train, validation, seed, drawn=train + validation)


def draw_picture(seed: int, split: Split, kind: Kind, index: int) -> Image.Image:
    """Draw the picture number `index` of one class in one split; it depends on nothing but the arguments."""
    rng = np.random.default_rng([seed, SPLITS.index(split), KINDS.index(kind), index])
    size = (int(rng.integers(184, 217)), int(rng.integers(184, 217)))
    large = (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    pose = POSES[int(rng.choice(len(POSES), p=POSE_WEIGHTS))]
    extent, down = STAGE[pose]
    scale = min(large) / extent * rng.uniform(0.85, 1.12)
    frame = Frame(
        x=large[0] * (0.5 + rng.uniform(-0.08, 0.08)),
        y=large[1] * (down + rng.uniform(-0.05, 0.05)),
        scale=float(scale),
        tilt=float(np.clip(rng.normal(0, 0.12), -0.35, 0.35)),
        mirrored=bool(rng.random() < 0.5),
    )
    place, light, colour = _spread_luck(seed, split, kind, index)
    picture = draw_background(kind, place, large, rng)
    draw_clutter(picture, rng)
    draw_animal(picture, kind, pose, draw_coat(kind, colour, large, frame.scale, rng), frame, rng)
    return photograph(picture, size, pick(LIGHTS, kind, light), rng)


def _spread_luck(seed: int, split: Split, kind: Kind, index: int) -> tuple[float, float, float]:
    """Return three numbers from 0 to 1 that choose place, light and colour, spread evenly over a class's pictures.

    Chance alone would make one small sample much easier than another. These run through the unit cube in equal steps
    from a random start, so that every run of pictures has about the shares, and the pairs, that the tables ask for.
    """
    start = np.random.default_rng([seed, SPLITS.index(split), KINDS.index(kind)]).random(3)
    place, light, colour = (start + index * EVEN_STEPS) % 1.0
    return float(place), float(light), float(colour)


def _check_counts(train: int, validation: int, seed: int) -> None:
    for name, count in (("train", train), ("validation", validation)):
        if count < 2 or count % 2:
            raise DataError(
                f"cannot draw {count!r} pictures for {name}: both classes get the same number",
                where=name,
                cure="give an even number, 2 or more",
            )
    if seed < 0:
        raise DataError(f"the seed {seed!r} is negative", where="seed", cure="give 0 or more")


def _is_drawn(out: Path, marker: dict[str, int]) -> bool:
    """Tell whether `out` holds exactly the sample that `marker` describes; False if it holds no pictures at all."""
    if out.exists() and not out.is_dir():
        raise DataError("is a file, not a folder", where=str(out), cure="name another folder with --out")
    files = {path.relative_to(out).as_posix(): path for split in SPLITS for path in (out / split).rglob("*")}
    pictures = {name: path for name, path in files.items() if not path.is_dir()}
    if not pictures:
        return False
    whole = all(path.is_file() and path.stat().st_size for path in pictures.values())
    if whole and pictures.keys() == _list_expected_files(marker) and _read_marker(out / MARKER) == marker:
        return True
    raise DataError(
        "the folder already holds pictures",
        where=str(out),
        cure="name another folder with --out, or empty this one",
    )


def _read_marker(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _list_expected_files(marker: dict[str, int]) -> set[str]:
    return {_name_picture(split, kind, index) for split in SPLITS for kind, index in _list_pictures(marker[split])}


def _list_pictures(count: int) -> Iterator[tuple[Kind, int]]:
    return ((kind, index) for kind in KINDS for index in range(count // 2))


def _name_picture(split: Split, kind: Kind, index: int) -> str:
    return f"{split}/{kind}/{kind}.{index}.jpg"


def _draw_into(
    draft: Path, counts: dict[Split, int], seed: int, on_progress: Callable[[int, int], None] | None
) -> None:
    done = 0
    for split, count in counts.items():
        for kind in KINDS:
            (draft / split / kind).mkdir(parents=True)
        for kind, index in _list_pictures(count):
            picture = draw_picture(seed, split, kind, index)
            picture.save(draft / _name_picture(split, kind, index), "JPEG", quality=JPEG_QUALITY)
            done += 1
            if on_progress is not None:
                on_progress(done, sum(counts.values()))


def _publish(draft: Path, out: Path) -> None:
    """Move both splits to their place, or none; the marker goes last, so it never speaks of pictures not yet there."""
    moved: list[Split] = []
    try:
        for split in SPLITS:
            if (out / split).is_dir():
                shutil.rmtree(out / split)  # empty class folders at most, or we would have refused
            (draft / split).rename(out / split)
            moved.append(split)
        (draft / MARKER).replace(out / MARKER)
    except BaseException:
        for split in moved:
            (out / split).rename(draft / split)
        raise


def _remove_abandoned_drafts(out: Path) -> None:
    """Remove what a process that was killed while drawing could not remove itself."""
    for draft in out.glob(DRAFT_PREFIX + "*"):
        owner = draft.name.removeprefix(DRAFT_PREFIX)
        if owner.isdigit() and (int(owner) == os.getpid() or not psutil.pid_exists(int(owner))):
            shutil.rmtree(draft, ignore_errors=True)

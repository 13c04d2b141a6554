"""The fast engine against the stock class: the same transforms, applied by other means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from PIL import Image
from test_pipelines import AUGMENTATION, batches, settings

from gridsearch.config.sections import Augmentation
from gridsearch.training.images import ImageDataGenerator, Pipelines
from gridsearch.training.warping import Warp

EVERYTHING = {
    "rotation_range": 45,
    "width_shift_range": 0.15,
    "height_shift_range": 0.15,
    "shear_range": 20,
    "zoom_range": 0.3,
    "horizontal_flip": True,
    "vertical_flip": True,
}


def smooth(height: int, width: int, seed: int) -> np.ndarray:
    """A picture like a photograph: no two neighbours far apart, uint8 (height, width, 3)."""
    noise = np.random.default_rng(seed).uniform(0, 255, (6, 5, 3)).astype("uint8")
    return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


def both(picture: np.ndarray, augmentation: dict[str, Any], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture transformed by the stock class and by the fast engine, with the same draw."""
    stock = ImageDataGenerator(**augmentation)
    drawn = stock.get_random_transform(picture.shape, seed)
    theirs = stock.standardize(stock.apply_transform(picture.astype("float32"), drawn))
    ours = np.empty(picture.shape, np.float32)
    whole = Augmentation.model_validate(augmentation)
    Warp(whole.fill_mode, whole.cval, whole.rescale)(picture, drawn, ours)
    return theirs, ours


@given(
    height=st.integers(20, 60),
    width=st.integers(20, 60),
    seed=st.integers(0, 2**31 - 1),
    fill_mode=st.sampled_from(["nearest", "reflect", "constant"]),
    wanted=st.sets(st.sampled_from(sorted(EVERYTHING))),
)
@example(height=31, width=54, seed=1, fill_mode="nearest", wanted=set(EVERYTHING))
@example(height=31, width=54, seed=1, fill_mode="constant", wanted=set(EVERYTHING))
@examples(deadline=None, max_examples=150)
def test_geometry_is_the_stock_classs_to_half_a_level(
    height: int, width: int, seed: int, fill_mode: str, wanted: set[str]
) -> None:
    augmentation = {name: EVERYTHING[name] for name in wanted} | {"fill_mode": fill_mode, "cval": 77.0}
    theirs, ours = both(smooth(height, width, seed % 5), augmentation, seed)
    difference = np.abs(theirs - ours)
    # On the very line where "constant" begins, rounding of the last digit decides on which side a pixel lies.
    assert np.mean(difference > 0.502) <= (0.002 if fill_mode == "constant" else 0)


@given(
    seed=st.integers(0, 2**31 - 1),
    shift=st.floats(0, 150),
    low=st.floats(0, 1),
    high=st.floats(1, 3),
    moved=st.booleans(),
    rescale=st.sampled_from([None, 1 / 255]),
)
@examples(deadline=None, max_examples=60)
def test_channel_shift_and_brightness(
    seed: int, shift: float, low: float, high: float, moved: bool, rescale: float | None
) -> None:
    augmentation = {"channel_shift_range": shift, "brightness_range": (low, high), "rescale": rescale}
    augmentation |= EVERYTHING if moved else {}
    theirs, ours = both(smooth(40, 50, 3), augmentation, seed)
    difference = np.abs(theirs - ours) / (rescale or 1)
    assert difference.max() <= (2 * high + 1 if moved else 1.001)
    assert difference.mean() <= (high if moved else 1e-3)


@pytest.mark.parametrize("color_mode", ["rgb", "grayscale"])
def test_a_training_sees_the_same_pictures_with_either_engine(pictures: Path, color_mode: str) -> None:
    for n, file in enumerate(sorted((pictures / "train").glob("*/*"))):
        Image.fromarray(smooth(30, 40, n)).save(file)
    augmentation = AUGMENTATION | EVERYTHING | {"brightness_range": (0.8, 1.2)}
    fast, stock = (
        batches(Pipelines(settings(pictures, augmentation, engine=engine, color_mode=color_mode), seed=5), 3)
        for engine in ("fast", "keras")
    )
    assert len(fast) == len(stock) == 15
    for (ours, classes), (theirs, expected) in zip(fast, stock, strict=True):
        assert ours.shape == theirs.shape == (len(classes), 8, 8, 3 if color_mode == "rgb" else 1)
        assert np.array_equal(classes, expected)
        assert 255 * np.abs(ours - theirs).max() <= 3
        assert 255 * np.abs(ours - theirs).mean() <= 1


def test_threads_change_nothing(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = batches(Pipelines(settings(pictures), seed=5), 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    three = batches(Pipelines(settings(pictures), seed=5), 2)
    assert all(np.array_equal(a, b) for x, y in zip(one, three, strict=True) for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize(
    ("augmentation", "named"),
    [
        ({"preprocessing_function": "networks:half"}, "preprocessing_function"),
        ({"fill_mode": "wrap", "rotation_range": 20}, "wrap"),
        ({"fill_mode": "constant", "cval": -3.0}, "cval"),
    ],
)
def test_what_the_fast_engine_cannot_do_runs_on_the_stock_one_and_a_line_says_so(
    pictures: Path, augmentation: dict[str, Any], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fast = batches(Pipelines(settings(pictures, augmentation), seed=5))
    lines = [line for line in capsys.readouterr().out.splitlines() if "stock engine" in line]
    assert len(lines) == 2, "one for training, one for validation"
    assert all(named in line for line in lines)
    stock = batches(Pipelines(settings(pictures, augmentation, engine="keras"), seed=5))
    assert all(np.array_equal(a, b) for x, y in zip(fast, stock, strict=True) for a, b in zip(x, y, strict=True))


def test_sixteen_bit_grayscale_runs_on_the_stock_engine(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(pictures / "train" / "cat" / "deep.png")
    made = batches(Pipelines(settings(pictures, {}, color_mode="grayscale"), seed=5))
    assert "16-bit" in capsys.readouterr().out
    assert max(batch.max() for batch, _ in made) == 40_000

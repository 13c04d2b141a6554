"""Every argument of [augmentation], in every form that ImageDataGenerator takes, against the stock class itself.

The stock class gets what is written here; the fast engine gets it through a sweep file's validation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_pipelines import batches, settings
from test_warping import smooth

from gridsearch.config.sections import Augmentation, Settings
from gridsearch.config.sweep_config import SweepConfig
from gridsearch.hparams.combination import Combination
from gridsearch.training.images import ImageDataGenerator, Pipelines

SHIFTS: list[Any] = [0, 0.0, 1, 3, -2, 5, 0.2, 0.99, 1.0, 2.5, (0.1, 0.3), (1, 2), [-2, 0, 2], [0.1, 0.25], [3], (0, 1)]
HALF_A_LEVEL = 0.502

FORMS: dict[str, list[Any]] = {
    "rescale": [None, 0, 2, 0.5, 1 / 255],
    "rotation_range": [0, 30, 12.5, 180],
    "width_shift_range": SHIFTS,
    "height_shift_range": SHIFTS,
    "brightness_range": [None, (0.5, 1.5), [1, 2], (0, 1), [0.8, 0.8]],
    "shear_range": [0, 10, 7.5],
    "zoom_range": [0, 0.3, (0.5, 1.5), [1, 2], (0.7, 0.7), [1, 1]],
    "channel_shift_range": [0, 20, 7.5],
    "fill_mode": ["constant", "nearest", "reflect", "wrap"],
    "cval": [0, 100, 17.3, 255],
    "horizontal_flip": [False, True],
    "vertical_flip": [False, True],
    "featurewise_center": [False, True],
    "featurewise_std_normalization": [False, True],
    "samplewise_center": [False, True],
    "samplewise_std_normalization": [False, True],
    "zca_whitening": [False, True],
    "zca_epsilon": [1e-6, 1e-3, 1],
}

BESIDE: dict[str, dict[str, Any]] = {
    "fill_mode": {"rotation_range": 30, "width_shift_range": 3, "height_shift_range": 0.2},
    "cval": {"fill_mode": "constant", "width_shift_range": 3, "height_shift_range": -2},
    "featurewise_std_normalization": {"featurewise_center": True},
    "samplewise_std_normalization": {"samplewise_center": True},
    "zca_whitening": {"featurewise_center": True},
    "zca_epsilon": {"featurewise_center": True, "zca_whitening": True},
}
"""Arguments without which another one does nothing, or is warned about."""


@pytest.fixture
def photographs(pictures: Path) -> Path:
    """The data folder with smooth pictures of 30 x 24 in it."""
    for number, file in enumerate(sorted((pictures / "train").glob("*/*"))):
        Image.fromarray(smooth(24, 30, number)).save(file)
    return pictures


def stock_batches(data: Path, augmentation: dict[str, Any], count: int) -> list[np.ndarray]:
    """The batches of the stock class, as a user of it would write it."""
    stock = ImageDataGenerator(**augmentation)
    flow = {"target_size": (8, 8), "batch_size": 5, "class_mode": "categorical", "seed": 7}
    if any(augmentation.get(name) for name in ("featurewise_center", "featurewise_std_normalization", "zca_whitening")):
        plain = ImageDataGenerator().flow_from_directory(str(data / "train"), **{**flow, "batch_size": 15, "seed": 7})
        stock.fit(next(plain)[0])
    made = stock.flow_from_directory(str(data / "train"), **flow)
    return [next(made)[0] for _ in range(count)]


def level(augmentation: dict[str, Any], batch: np.ndarray) -> float:
    """What one level of 256 is worth in a batch, at most."""
    if augmentation.get("samplewise_std_normalization") or augmentation.get("featurewise_std_normalization"):
        return 1 / 20  # the standard deviation of these pictures is above 20 levels
    return abs(augmentation.get("rescale") or 1)


def cases() -> list[tuple[str, Any]]:
    return [(name, form) for name, forms in FORMS.items() for form in forms]


@pytest.mark.filterwarnings("ignore:This ImageDataGenerator specifies:UserWarning")
@pytest.mark.parametrize(("name", "form"), cases(), ids=lambda part: str(part))
def test_the_fast_engine_draws_and_makes_what_the_stock_class_does(photographs: Path, name: str, form: Any) -> None:
    augmentation = BESIDE.get(name, {}) | {name: form}
    ours = batches(Pipelines(settings(photographs, augmentation, validation_steps=1), seed=7))[:3]
    theirs = stock_batches(photographs, augmentation, 3)
    high = max(augmentation.get("brightness_range") or [1])
    allowed = HALF_A_LEVEL * (2 * high + 1 if "brightness_range" in augmentation else 1)
    for (made, _), expected in zip(ours, theirs, strict=True):
        difference = np.abs(made - expected) / level(augmentation, expected)
        assert difference.max() <= allowed, f"{difference.max():.2f} levels"


def test_every_argument_has_its_forms_here() -> None:
    assert set(FORMS) | {"preprocessing_function"} == set(Augmentation.model_fields)


@pytest.mark.parametrize("shift", [5, 5.0, 0.2])
def test_a_whole_shift_stays_whole_whether_it_is_swept_or_set(photographs: Path, shift: float) -> None:
    fixed = settings(photographs, {"width_shift_range": shift})
    swept = swept_settings(photographs, shift)
    for found in (fixed.augmentation.width_shift_range, swept.augmentation.width_shift_range):
        assert (type(found), found) == (type(shift), shift)


def swept_settings(data: Path, shift: float) -> Settings:
    tables = {
        "hparams": {"width_shift_range": {"discrete": [shift, shift + 1]}, "dropout": {"discrete": [0.1]}},
        "data": {
            "train": str(data / "train"),
            "validation": str(data / "validation"),
            "image_size": 8,
            "batch_size": 5,
        },
    }
    config = SweepConfig.validate_tables(tables, where="test", folder=data)
    values = {"width_shift_range": shift, "dropout": 0.1}
    return config.settings_for(Combination(values))

"""The batches that a trial sees: the stock class's own, the same for the same seed."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sweeps import TESTS

from gridsearch.config.sweep_config import Settings, SweepConfig
from gridsearch.training.images import ImageDataGenerator, Pipelines, Prefetcher

AUGMENTATION = {
    "rescale": "1/255",
    "rotation_range": 45,
    "width_shift_range": 0.15,
    "height_shift_range": 0.15,
    "horizontal_flip": True,
    "zoom_range": 0.3,
}


def settings(
    data: Path, augmentation: dict[str, Any] | None = None, *, color_mode: str = "rgb", **training: Any
) -> Settings:
    tables = {
        "hparams": {"width": {"discrete": [4]}},
        "data": {
            "train": str(data / "train"),
            "validation": str(data / "validation"),
            "image_size": 8,
            "batch_size": 5,
            "color_mode": color_mode,
        },
        "augmentation": AUGMENTATION if augmentation is None else augmentation,
        "training": training,
    }
    tables["model"] = {"build": "networks:tiny"}
    return SweepConfig.validate_tables(tables, where="test", folder=TESTS).settings_for({"width": 4})


def batches(pipelines: Pipelines, epochs: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(pipelines.epochs(0, epochs))


def same(one: list[Any], other: list[Any]) -> bool:
    return all(np.array_equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def test_pictures_are_scaled_floats_and_classes_one_hot(pictures: Path) -> None:
    made = Pipelines(settings(pictures), seed=0)
    assert (made.classes, made.steps, made.validation_steps) == (2, 3, 2)
    first, classes = batches(made)[0]
    assert (first.shape, first.dtype, classes.shape, classes.dtype) == ((5, 8, 8, 3), "float32", (5, 2), "float32")
    assert 0 <= first.min() < first.max() <= 1
    assert np.array_equal(classes.sum(axis=1), np.ones(5))


def test_a_seed_decides_every_picture_and_another_seed_others(pictures: Path) -> None:
    one, again, other = (batches(Pipelines(settings(pictures), seed), 2) for seed in (3, 3, 4))
    assert same(one, again)
    assert not same(one, other)


def test_later_epochs_are_the_same_whether_earlier_ones_were_seen_or_not(pictures: Path) -> None:
    whole = batches(Pipelines(settings(pictures, steps_per_epoch=4), seed=3), 3)
    rest = list(Pipelines(settings(pictures, steps_per_epoch=4), seed=3).epochs(1, 3))
    assert same(whole[6:], rest)


def test_training_batches_are_those_of_the_stock_class(pictures: Path) -> None:
    stock = ImageDataGenerator(
        rescale=1 / 255,
        rotation_range=45,
        width_shift_range=0.15,
        height_shift_range=0.15,
        horizontal_flip=True,
        zoom_range=0.3,
    ).flow_from_directory(str(pictures / "train"), target_size=(8, 8), batch_size=5, class_mode="categorical", seed=7)
    ours = batches(Pipelines(settings(pictures, validation_steps=1), seed=7), epochs=2)
    without_validation = [batch for n, batch in enumerate(ours) if n % 4 != 3]
    assert same(without_validation, [next(stock) for _ in range(6)])


def test_validation_pictures_are_only_rescaled_mixed_and_the_same_in_every_epoch_and_repeat(pictures: Path) -> None:
    epochs = batches(Pipelines(settings(pictures, validation_steps=1), seed=0), epochs=2)
    repeat = batches(Pipelines(settings(pictures, validation_steps=1), seed=1))
    first, second = epochs[3], epochs[7]
    assert same([first], [second])
    assert same([first], [repeat[3]])
    assert 0 < first[1][:, 0].sum() < 5, "both classes are among the first validation pictures"
    file_values = {round(v, 5) for v in first[0][:, 0, 0, 1].tolist()}
    assert file_values <= {round(10 * n / 255, 5) for n in range(10)}, "the pictures as they are, over 255"


@pytest.mark.parametrize("engine", ["fast", "keras"])
def test_what_systems_leave_behind_is_in_no_batch(pictures: Path, engine: str) -> None:
    before = batches(Pipelines(settings(pictures, engine=engine), seed=3))
    for name in ("cat/._cat.0.png", ".ipynb_checkpoints/x.png", "@eaDir/y.png", "dog/.thumbnails/z.png"):
        (pictures / "train" / name).parent.mkdir(exist_ok=True)
        (pictures / "train" / name).write_bytes(b"not a picture")
    made = Pipelines(settings(pictures, engine=engine), seed=3)
    assert made.classes == 2
    assert same(before, batches(made))


def test_steps_beyond_one_pass_go_round_and_validation_never_does(pictures: Path) -> None:
    made = Pipelines(settings(pictures, steps_per_epoch=7, validation_steps=50), seed=0)
    assert (made.steps, made.validation_steps) == (7, 2)
    assert len(batches(made)) == 9


@pytest.mark.filterwarnings("ignore:This ImageDataGenerator specifies `zca_whitening`:UserWarning")
@pytest.mark.parametrize("name", ["featurewise_center", "samplewise_center", "zca_whitening"])
def test_statistics_apply_to_training_and_validation(pictures: Path, name: str) -> None:
    plain = batches(Pipelines(settings(pictures, {"rescale": "1/255"}), seed=0))
    made = batches(Pipelines(settings(pictures, {"rescale": "1/255", name: True}), seed=0))
    assert not any(same([a], [b]) for a, b in zip(plain, made, strict=True))
    if name == "featurewise_center":
        train = np.concatenate([batch[0] for batch in made[:3]])
        assert np.abs(train.mean(axis=(0, 1, 2))).max() < 0.02


def test_a_preprocessing_function_of_the_users_own_is_found_beside_the_sweep_file(pictures: Path) -> None:
    plain = batches(Pipelines(settings(pictures, {}), seed=0))
    halved = batches(Pipelines(settings(pictures, {"preprocessing_function": "networks:half"}), seed=0))
    assert np.allclose(plain[0][0], 2 * halved[0][0])


def counting(made: list[int]) -> Iterator[int]:
    for n in itertools.count():
        made.append(n)
        yield n


def test_items_come_in_order_a_few_ahead_and_leaving_ends_the_thread() -> None:
    made: list[int] = []
    with Prefetcher(lambda: counting(made), ahead=2) as items:
        assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
        time.sleep(0.05)
        assert len(made) <= 5 + 2 + 1
    assert not [thread for thread in threading.enumerate() if thread.name == "pictures"]


def test_the_end_and_an_error_reach_whoever_takes_the_items() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    with Prefetcher(lambda: iter([1, 2])) as items:
        assert list(items) == [1, 2]
    with Prefetcher(failing) as items:
        assert next(items) == 1
        with pytest.raises(OSError, match="the disk is gone"):
            next(items)


def test_a_grey_picture_gets_the_channels_that_were_asked_for(pictures: Path) -> None:
    Image.new("L", (9, 9), 100).save(pictures / "train" / "cat" / "grey.png")
    first, _ = batches(Pipelines(settings(pictures), seed=0))[0]
    assert first.shape[-1] == 3

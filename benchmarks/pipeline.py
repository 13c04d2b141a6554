"""The fast engine against the stock class: pictures a second, and whether they are the same pictures.

On the drawn sample, or on ``PHOTOGRAPHS=FOLDER`` (with ``train`` and ``validation`` in it). Both engines get the
default sweep's augmentation, the same processors, and produce the same batches in turn; the store is built beforehand.
"""

from __future__ import annotations

import os
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from scipy.stats import ks_2samp

import gridsearch
from benchmarks.precision import AUGMENTATION
from gridsearch.config.sections import Settings
from gridsearch.datasets.sample import draw_sample
from gridsearch.system.hardware import processors

ROUNDS = 7
BATCHES = {"keras": 12, "fast": 240}
DRAWS = 10_000


def settings(data: Path, engine: str, steps: int | None = None, **augmentation: Any) -> Settings:
    """Those of a trial of the default network with this engine."""
    tables = {
        "hparams": {"num_units": {"discrete": [256]}},
        "data": {"train": data / "train", "validation": data / "validation"},
        "augmentation": AUGMENTATION | augmentation,
        "training": {"engine": engine, "steps_per_epoch": steps},
    }
    return gridsearch.SweepConfig.model_validate(tables).settings_for({"num_units": 256})


def main() -> None:
    """Measure speed, then sameness."""
    with tempfile.TemporaryDirectory() as temporary:
        if os.environ.get("PHOTOGRAPHS"):
            data = Path(os.environ["PHOTOGRAPHS"])
        else:
            data = Path(temporary) / "sample"
            draw_sample(data, train=320, validation=80)
        os.environ["OMP_NUM_THREADS"] = str(processors())
        _speed(data)
        _sameness(data)


def _speed(data: Path) -> None:
    from gridsearch.training.images import Pipelines

    rates: dict[str, list[float]] = {"keras": [], "fast": []}
    for number in range(ROUNDS + 1):
        for engine, found in rates.items():
            batches = Pipelines(settings(data, engine, 10**6), seed=number).epochs(0, 10**6)
            next(batches)
            began, pictures = time.perf_counter(), 0
            for batch, _ in islice(batches, BATCHES[engine]):
                pictures += len(batch)
            found.append(pictures / (time.perf_counter() - began))
    print(f"| {ROUNDS} rounds | pictures a second, median | lowest | highest |\n|---|---|---|---|")
    for engine, found in rates.items():
        warm = found[1:]
        print(f"| {engine} | {median(warm):,.0f} | {min(warm):,.0f} | {max(warm):,.0f} |")
    ratios = [fast / stock for fast, stock in zip(rates["fast"][1:], rates["keras"][1:], strict=True)]
    print(f"\nfast / keras, round by round: median {median(ratios):.1f}, {min(ratios):.1f} to {max(ratios):.1f}\n")


def _sameness(data: Path) -> None:
    from gridsearch.training.images import ImageDataGenerator, Pipelines

    differences = []
    fast, stock = (Pipelines(settings(data, engine, rescale=None), seed=3).epochs(0, 1) for engine in ("fast", "keras"))
    for (ours, classes), (theirs, expected) in zip(fast, stock, strict=True):
        assert np.array_equal(classes, expected), "order and labels are identical"
        differences.append(np.abs(ours - theirs).ravel())
    levels = np.concatenate(differences)
    print(f"same seed, {levels.size / 67_500:,.0f} pictures, order and labels identical")
    print(f"difference in levels of 255: mean {levels.mean():.3f}, 99.9th percentile "
          f"{np.percentile(levels, 99.9):.3f}, largest {levels.max():.3f}")  # fmt: skip

    ours = _drawn_by_fast(data)
    np.random.seed(12)
    stock_class = ImageDataGenerator(**{**AUGMENTATION, "rescale": None})
    theirs = [stock_class.get_random_transform((150, 150, 3)) for _ in range(DRAWS)]
    print(f"\nKolmogorov-Smirnov over {DRAWS:,} draws, another seed on each side:\n\n| parameter | statistic | p |")
    print("|---|---|---|")
    for name in ("theta", "tx", "ty", "zx", "zy", "flip_horizontal"):
        test = ks_2samp([float(d[name]) for d in ours], [float(d[name]) for d in theirs])
        print(f"| {name} | {test.statistic:.4f} | {test.pvalue:.2f} |")


def _drawn_by_fast(data: Path) -> list[dict[str, Any]]:
    """What is drawn while the fast engine makes training batches."""
    from gridsearch.training.images import ImageDataGenerator, Pipelines

    drawn: list[dict[str, Any]] = []
    really = ImageDataGenerator.get_random_transform

    def recorded(generator: Any, shape: Any) -> Any:
        drawn.append(really(generator, shape))
        return drawn[-1]

    ImageDataGenerator.get_random_transform = recorded
    try:
        pipelines = Pipelines(settings(data, "fast"), seed=11)
        batches = pipelines.epochs(0, 10**6)
        while len(drawn) < DRAWS:
            for _ in range(pipelines.steps):
                next(batches)
            before_validation = len(drawn)
            for _ in range(pipelines.validation_steps):
                next(batches)
            del drawn[before_validation:]
    finally:
        ImageDataGenerator.get_random_transform = really
    return drawn[:DRAWS]

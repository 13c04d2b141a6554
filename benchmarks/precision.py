"""Does bfloat16 train models as good as float32? Five combinations, five seeds each, the same in both precisions.

Twice: on the drawn sample, and on photographs where a folder of them (with ``train`` and ``validation`` in it) is given
by ``PHOTOGRAPHS=FOLDER``. That takes an hour on two processors; sweeps resume, so it can be stopped and started again
with the same ``BENCHMARKS=FOLDER`` to keep them in.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import gridsearch
from gridsearch.datasets.sample import draw_sample

COMBINATIONS = [
    ("adam", 0.001, 256, 0.1),
    ("adam", 0.0001, 512, 0.2),
    ("rmsprop", 0.0001, 256, 0.2),
    ("rmsprop", 0.0005, 256, 0.1),
    ("sgd", 0.01, 512, 0.1),
]
SEEDS = 5
PRECISIONS = ("float32", "mixed_bfloat16")
STUDENT_24 = 2.064
"""The 97.5% point of Student's t with 24 degrees of freedom, for the mean of 25 paired differences."""

Results = dict[tuple[str, int], dict[str, float]]


def trained(data: Path, logdir: Path, precision: str, **training: Any) -> Results:
    """Final accuracy and loss of every combination and seed."""
    image_size = training.pop("image_size")
    hparams = [
        {name: {"discrete": [value]} for name, value in zip(NAMES, combination, strict=True)}
        for combination in COMBINATIONS
    ]
    config = gridsearch.SweepConfig.model_validate(
        {
            "hparams": hparams,
            "data": {"train": data / "train", "validation": data / "validation", "image_size": image_size},
            "augmentation": AUGMENTATION,
            "training": {"precision": precision, "repeats": SEEDS, "keep_models": 0, **training},
            "sweep": {"logdir": logdir},
        }
    )
    record = gridsearch.sweep(config, warn=lambda line: print(line, file=sys.stderr)).record
    return {
        (trial.trial.id, session.session.repeat): dict(session.outcome.metrics)
        for trial in record.trials
        for session in trial.results
    }


NAMES = ("optimizer", "learning_rate", "num_units", "dropout")
AUGMENTATION = {
    "rescale": "1/255",
    "rotation_range": 45,
    "width_shift_range": 0.15,
    "height_shift_range": 0.15,
    "horizontal_flip": True,
    "zoom_range": 0.3,
}


def compared(results: dict[str, Results]) -> None:
    """Print means, spread over seeds, and the mean paired difference with its 95% interval."""
    one, other = (results[precision] for precision in PRECISIONS)
    pairs = sorted(set(one) & set(other))
    print(f"| {len(pairs)} pairs | float32 | bfloat16 | between seeds | difference | 95% interval |")
    print("|---|---|---|---|---|---|")
    for metric in ("accuracy", "best_accuracy", "loss"):
        a, b = ([result[pair][metric] for pair in pairs] for result in (one, other))
        differences = [y - x for x, y in zip(a, b, strict=True)]
        margin = STUDENT_24 * stdev(differences) / len(pairs) ** 0.5
        between = mean(stdev(one[p][metric] for p in pairs if p[0] == trial) for trial in {p[0] for p in pairs})
        interval = f"{mean(differences) - margin:+.4f} to {mean(differences) + margin:+.4f}"
        print(f"| {metric} | {mean(a):.4f} | {mean(b):.4f} | {between:.4f} | {mean(differences):+.4f} | {interval} |")


def main() -> None:
    """Train what is not trained yet, and compare."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(os.environ.get("BENCHMARKS") or temporary)
        draw_sample(folder / "sample", train=320, validation=160)
        _compare("drawn sample, 100 x 100, 5 epochs", folder, folder / "sample", image_size=100, epochs=5)
        if os.environ.get("PHOTOGRAPHS"):
            photographs = Path(os.environ["PHOTOGRAPHS"])
            _compare("photographs, 64 x 64, 8 epochs", folder, photographs, image_size=64, epochs=8)


def _compare(title: str, folder: Path, data: Path, **training: Any) -> None:
    results = {
        precision: trained(data, folder / f"{data.name}-{precision}", precision, **training) for precision in PRECISIONS
    }
    print(f"\n{title}\n")
    compared(results)

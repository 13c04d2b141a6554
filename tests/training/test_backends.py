"""Keras on JAX and on PyTorch: the same training, without TensorFlow in the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from sweeps import TESTS

pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys, warnings
sys.modules["tensorflow"] = None  # whoever imports it now gets an ImportError
warnings.simplefilter("ignore")
from pathlib import Path
import numpy as np
import keras
import gridsearch
from gridsearch.training.images import Pipelines

data, logdir = map(Path, sys.argv[1:3])
config = gridsearch.SweepConfig.model_validate({
    "hparams": {"optimizer": {"discrete": ["adam", "sgd", "rmsprop"]}, "learning_rate": {"discrete": [0.02]},
                "dropout": {"discrete": [0.1, 0.2]}, "num_units": {"discrete": [4]}},
    "data": {"train": data / "train", "validation": data / "validation", "image_size": 8, "batch_size": 4},
    "augmentation": {"rescale": 1 / 255, "rotation_range": 20},
    "training": {"epochs": 3, "precision": "float32"},
    "sweep": {"logdir": logdir, "executor": "inline"},
})
record = gridsearch.sweep(config).record
best = record.ranked()[0]
model = keras.models.load_model(logdir / "models" / f"{best.trial.name}.keras")
pipelines = Pipelines(config.settings_for(best.trial.values), seed=0)
batches = list(pipelines.epochs(0, 1))[pipelines.steps:]
pictures, classes = (np.concatenate(part) for part in zip(*batches))
guesses = np.asarray(model.predict(pictures, verbose=0))
print(json.dumps({
    "backend": keras.backend.backend(),
    "statuses": sorted({str(trial.status) for trial in record.trials}),
    "problems": [s.outcome.message for s in record.sessions if s.outcome.message],
    "recorded": [best.mean("accuracy"), best.mean("loss")],
    "evaluated": [float(np.mean(guesses.argmax(1) == classes.argmax(1))),
                  float(-np.mean(np.log(np.clip(guesses[classes == 1], 1e-7, 1))))],
    "tensorflow": "tensorflow" in sys.modules and sys.modules["tensorflow"] is not None,
}))
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_trains_and_records_what_its_model_does(pictures: Path, tmp_path: Path, backend: str) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: pip install 'gridsearch[{backend}]'")
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(pictures), str(tmp_path / "logdir")],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["backend"] == backend
    assert told["problems"] == []
    assert told["statuses"] == ["completed"]
    assert told["recorded"] == pytest.approx(told["evaluated"], abs=1e-4)
    assert not told["tensorflow"]

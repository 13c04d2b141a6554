"""The tutorial's search over the drawn sample, as a script of its own: ``python searching.py FOLDER ORACLE...``.

With ``--killed`` each search is one of a process of its own, and is killed after the first epoch of its third trial.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras_tuner import Objective, oracles
from PIL import Image

from gridsearch.datasets.sample import draw_sample
from gridsearch.kerastuner import Tuner

ORACLES = {
    "random": lambda: oracles.RandomSearchOracle(objective="val_accuracy", max_trials=4),
    "bayesian": lambda: oracles.BayesianOptimizationOracle(objective=Objective("val_accuracy", "max"), max_trials=4),
    "grid": lambda: oracles.GridSearchOracle(objective="val_accuracy", max_trials=4),
    "hyperband": lambda: oracles.HyperbandOracle(objective="val_accuracy", max_epochs=5, factor=3),
}
SIZE, PICTURES = 16, 60


def build_model(hp: Any) -> keras.Model:
    """Two hyperparameters, one with steps and one on a log scale."""
    model = keras.Sequential(
        [
            keras.layers.Input((SIZE, SIZE, 3)),
            keras.layers.Conv2D(hp.Int("filters", 2, 8, step=2), 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    optimizer, loss = keras.optimizers.Adam(rate), "sparse_categorical_crossentropy"
    model.compile(optimizer, loss, metrics=["accuracy"], run_eagerly=True)  # quicker than to trace so few steps
    return model


def arrays(folder: Path) -> tuple[Any, Any]:
    """Drawn cats and dogs by turns."""
    draw_sample(folder, train=PICTURES, validation=2, seed=0)
    files = sorted((folder / "train").glob("*/*.jpg"))
    turns = [file for pair in zip(files[: PICTURES // 2], files[PICTURES // 2 :], strict=True) for file in pair]
    pictures = [np.asarray(Image.open(file).resize((SIZE, SIZE)), "float32") / 255 for file in turns]
    return np.stack(pictures), np.arange(PICTURES, dtype="int32") % 2


class Watched(Tuner):
    """Knows how many epochs were trained, and may be killed."""

    killed = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.epochs = 0

    def on_epoch_end(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
        """An epoch more."""
        super().on_epoch_end(trial, model, epoch, logs)
        self.epochs += 1
        if self.killed and int(trial.trial_id) == 2:
            os.kill(os.getpid(), signal.SIGKILL)


def search(folder: Path, names: list[str]) -> dict[str, Any]:
    """With each oracle: how many epochs were trained, and how often the best model is right."""
    x, y = arrays(folder / "sample")
    held = PICTURES // 10  # what validation_split takes: the last ones
    found = {}
    for name in names:
        keras.utils.set_random_seed(0)
        writers = ["wandb"] if name == "random" and find_spec("wandb") else []
        tuner = Watched(oracle=ORACLES[name](), hypermodel=build_model, logdir=folder / name, writers=writers)
        tuner.search(x, y, batch_size=32, epochs=5, validation_split=0.1, verbose=0)
        guess = tuner.get_best_models()[0].predict(x[-held:], verbose=0)
        found[name] = {"epochs": tuner.epochs, "accuracy": float(np.mean(guess.argmax(-1) == y[-held:]))}
    return found


def killed(folder: Path, name: str) -> int:
    """What a search in a child of this process ended with; TensorFlow is imported here, but has not begun."""
    child = os.fork()
    if child == 0:
        Watched.killed = True
        search(folder, [name])
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    folder, names = Path(sys.argv[1]), [argument for argument in sys.argv[2:] if argument in ORACLES]
    ends = {name: killed(folder, name) for name in names} if "--killed" in sys.argv else search(folder, names)
    print("\n" + json.dumps(ends))

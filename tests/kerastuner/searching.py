"""The tutorial's search as a script of its own: ``python searching.py ORACLE LOGDIR [SECONDS]``."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import keras
import numpy as np
from keras_tuner import Objective, oracles

from gridsearch.kerastuner import Tuner

ORACLES = {
    "random": lambda: oracles.RandomSearchOracle(objective="val_accuracy", max_trials=4),
    "bayesian": lambda: oracles.BayesianOptimizationOracle(objective=Objective("val_accuracy", "max"), max_trials=4),
    "grid": lambda: oracles.GridSearchOracle(objective="val_accuracy", max_trials=4),
    "hyperband": lambda: oracles.HyperbandOracle(objective="val_accuracy", max_epochs=5, factor=3),
}


def build_model(hp: Any) -> keras.Model:
    """Two hyperparameters, one with steps and one on a log scale."""
    model = keras.Sequential(
        [
            keras.layers.Input((8, 8, 3)),
            keras.layers.Conv2D(hp.Int("filters", 2, 8, step=2), 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(oracle: str, logdir: str, pause: float = 0.0) -> None:
    """Search, and print what the best model says and how many epochs were trained."""
    keras.utils.set_random_seed(0)
    draw = np.random.default_rng(0)
    y = draw.integers(0, 2, 80).astype("int32")
    x = (draw.normal(size=(80, 8, 8, 3)) + y[:, None, None, None]).astype("float32")
    epochs: list[int] = []

    class Watched(Tuner):
        def on_epoch_end(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
            super().on_epoch_end(trial, model, epoch, logs)
            epochs.append(epoch)
            time.sleep(pause)

    tuner = Watched(oracle=ORACLES[oracle](), hypermodel=build_model, logdir=logdir)
    tuner.search(x, y, batch_size=32, epochs=5, validation_split=0.1, verbose=0)
    held = len(x) // 10  # what validation_split takes: the last ones
    guess = tuner.get_best_models()[0].predict(x[-held:], verbose=0)
    print("\n" + json.dumps({"epochs": len(epochs), "accuracy": float(np.mean(guess.argmax(-1) == y[-held:]))}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)

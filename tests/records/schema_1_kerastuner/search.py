"""Make this golden record: a search by KerasTuner's random oracle, three trials of one epoch, the second fails."""

from __future__ import annotations

from typing import Any

import keras
import keras_tuner
import numpy as np

from gridsearch.kerastuner import Tuner


def build_model(hp: Any) -> Any:
    """Build a network of one hidden layer over four numbers."""
    layers = [keras.layers.Input((4,)), keras.layers.Dense(hp.Int("units", 2, 8, step=2), activation="relu")]
    model = keras.Sequential([*layers, keras.layers.Dense(2, activation="softmax")])
    optimizer = keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class FailsOnce(Tuner):
    """A tuner whose second trial fails."""

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        """Train a trial, but refuse the second one."""
        if trial.trial_id == "1":
            raise keras_tuner.errors.FailedTrialError("no such accelerator")
        return super().run_trial(trial, *args, **kwargs)


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    y = (x.sum(axis=1) > 0).astype("int32")
    oracle = keras_tuner.oracles.RandomSearchOracle(objective="val_accuracy", max_trials=3, seed=1)
    tuner = FailsOnce(oracle=oracle, hypermodel=build_model, logdir="logs")
    tuner.search(x, y, batch_size=8, epochs=1, validation_split=0.25, verbose=0)

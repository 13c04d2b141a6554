"""KerasTuner's tutorial, with a record: filters of the first convolution and learning rate, searched over arrays.

python examples/kerastuner_search.py        4 trials of 5 epochs, a minute; kill it, and it goes on
gridsearch best logs/kerastuner
gridsearch tensorboard logs/kerastuner
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras_tuner.oracles import RandomSearchOracle
from PIL import Image

from gridsearch.datasets.sample import draw_sample
from gridsearch.kerastuner import Tuner

SIZE = 32


def build_model(hp):
    """A convolution, compiled, as KerasTuner's users write it."""
    model = keras.Sequential(
        [
            keras.layers.Input((SIZE, SIZE, 3)),
            keras.layers.Conv2D(hp.Int("filters", 8, 32, step=8), 3, activation="relu"),
            keras.layers.MaxPooling2D(4),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class MyTuner(Tuner):
    """What else a trial should do goes here."""

    def run_trial(self, trial, *args, **kwargs):
        """Build, fit, and whatever comes to mind."""
        return super().run_trial(trial, *args, **kwargs)


def arrays(folder: Path = Path("data/sample")) -> tuple[np.ndarray, np.ndarray]:
    """The drawn cats and dogs, as (pictures, labels)."""
    draw_sample(folder)
    files = sorted((folder / "train").glob("*/*.jpg"))
    pictures = [np.asarray(Image.open(file).convert("RGB").resize((SIZE, SIZE)), "float32") / 255 for file in files]
    labels = [file.parent.name.lower().startswith("dog") for file in files]
    mixed = np.random.default_rng(0).permutation(len(files))  # validation_split takes the last ones
    return np.stack(pictures)[mixed], np.asarray(labels, "int32")[mixed]


if __name__ == "__main__":
    train_x, train_y = arrays()
    oracle = RandomSearchOracle(objective="val_accuracy", max_trials=4, seed=1)
    tuner = MyTuner(oracle=oracle, hypermodel=build_model, logdir="logs/kerastuner")
    tuner.search(train_x, train_y, batch_size=32, epochs=5, validation_split=0.1)
    best = tuner.get_best_models()[0]
    print("best:", tuner.get_best_hyperparameters()[0].values)
    print("accuracy on what it was trained with:", np.mean(best.predict(train_x, verbose=0).argmax(-1) == train_y))

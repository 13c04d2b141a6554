"""What a user writes by hand: one process, one ``fit`` after the other, the stock generators, nothing shared.

    python benchmarks/plain_loop.py DATA LOGDIR [--trials 4] [--epochs 3]

The first of 2 dropout rates x 3 optimizers at one learning rate. The last line printed is JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from keras import callbacks, layers, models, optimizers
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from tensorboard.plugins.hparams import api as hp

RATE = 0.001


def network(dropout: float, optimizer: str) -> models.Sequential:
    """The default network, as users write it."""
    model = models.Sequential([layers.Input((150, 150, 3))])
    for filters in (64, 128):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D())
        model.add(layers.Dropout(dropout))
    model.add(layers.Flatten())
    model.add(layers.Dense(256, activation="relu"))
    model.add(layers.Dense(2, activation="softmax"))
    chosen = optimizers.deserialize({"class_name": optimizer, "config": {"learning_rate": RATE}})
    model.compile(chosen, "categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    """Train them all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("logdir")
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    augmented = ImageDataGenerator(rescale=1 / 255, rotation_range=45, width_shift_range=0.15, height_shift_range=0.15,
                                   horizontal_flip=True, zoom_range=0.3)  # fmt: skip
    train = augmented.flow_from_directory(f"{arguments.data}/train", (150, 150))
    validation = ImageDataGenerator(rescale=1 / 255).flow_from_directory(f"{arguments.data}/validation", (150, 150))
    accuracies = []
    grid = itertools.product((0.1, 0.2), ("adam", "rmsprop", "sgd"))
    for number, (dropout, optimizer) in enumerate(itertools.islice(grid, arguments.trials)):
        run = f"{arguments.logdir}/run-{number}"
        with tf.summary.create_file_writer(run).as_default():
            hp.hparams({"dropout": dropout, "optimizer": optimizer})
            model = network(dropout, optimizer)
            history = model.fit(train, epochs=arguments.epochs, validation_data=validation, verbose=0,
                                callbacks=[callbacks.TensorBoard(run)])  # fmt: skip
            accuracies.append(history.history["val_accuracy"][-1])
            tf.summary.scalar("accuracy", accuracies[-1], step=1)
    print(json.dumps({"trials": len(accuracies), "mean_val_accuracy": sum(accuracies) / len(accuracies)}))


if __name__ == "__main__":
    main()

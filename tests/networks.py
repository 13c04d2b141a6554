"""Networks that sweeps under test build: a user's own ``[model] build`` functions, small and quick."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np


def tiny(values: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A dense layer on pictures, not compiled."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input(shape),
            layers.Flatten(),
            layers.Dense(int(values.get("width", 4)), activation="relu"),
            layers.Dropout(0.25),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def inputless(values: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The same layers without an Input, as tutorials write them."""
    return keras.Sequential([type(la).from_config(la.get_config()) for la in tiny(values, shape, classes).layers])


def headed(values: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A base that is built, and a head that is not."""
    base = keras.Sequential([keras.layers.Input(shape), keras.layers.Rescaling(1.0)])
    return keras.Sequential(
        [base, *(type(la).from_config(la.get_config()) for la in tiny(values, shape, classes).layers)]
    )


class Own(keras.Model):
    """A model of a class of the user's own."""

    def __init__(self, values: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.flat, self.head = keras.layers.Flatten(), keras.layers.Dense(classes, activation="softmax")
        self.hidden = keras.layers.Dense(int(values["width"]), activation="relu")

    def call(self, inputs: Any) -> Any:
        return self.head(self.hidden(self.flat(inputs)))


def numbered(values: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A network that takes classes by number and gives logits, as TensorFlow's tutorials have it."""
    layers = keras.layers
    model = keras.Sequential([layers.Input(shape), layers.Flatten(), layers.Dense(16, "relu"), layers.Dense(classes)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(float(values["learning_rate"])), loss, metrics=["accuracy"])
    return model


def scored(values: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A network with a metric that is one number for each class."""
    model = tiny(values, shape, classes)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy", keras.metrics.F1Score()])
    return model


def averaged(values: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A network that keeps an average of its weights, which stays where the first step has put it."""
    model = tiny(values, shape, classes)
    optimizer = keras.optimizers.Adam(0.05, use_ema=True, ema_momentum=1.0)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    return model


def divided(values: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A network of which one optimizer has the kernels and another the biases."""
    model = tiny(values, shape, classes)
    one, other = keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.1)
    kernels = {id(layer.kernel) for layer in model.layers if layer.weights}
    both = keras.optimizers.MultiOptimizer(lambda variable: one if id(variable) in kernels else other)
    model.compile(both, "categorical_crossentropy", metrics=["accuracy"])
    return model


def convolutional(values: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The model of a tutorial on tuning: how many filters its first layer has is one of the questions."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input(shape),
            layers.Conv2D(int(values["filters"]), 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def deaf(values: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A network that asks for no value at all."""
    return tiny({}, shape, classes)


def exploding(values: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A network whose loss is soon not a number."""
    model = tiny(values, shape, classes)
    model.compile("sgd", loss=lambda truth, guess: keras.ops.mean(guess) / 0.0 - keras.ops.mean(guess) / 0.0)
    return model


def half(pictures: Any) -> Any:
    """A preprocessing function of the user's own."""
    return pictures / 2


def nothing(values: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> None:
    """What a user forgets to return."""


class _Unsaveable(keras.layers.Layer):
    """A layer that does not say how it was made."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def call(self, inputs: Any) -> Any:
        return inputs * self.scale

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError


def unsaveable(values: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A network that Keras can train but not write."""
    model = tiny(values, shape, classes)
    return keras.Sequential([keras.layers.Input(shape), _Unsaveable(2.0), *model.layers])


def meddling(values: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The tiny network; if ``meddle`` is 1 it changes what Keras and TensorFlow have one of for each process."""
    if values["meddle"]:
        import tensorflow as tf

        keras.config.set_epsilon(0.3)
        keras.config.set_image_data_format("channels_first")
        keras.config.set_max_epochs(1)
        keras.config.disable_traceback_filtering()
        tf.config.run_functions_eagerly(True)
        tf.config.set_soft_device_placement(False)
        tf.config.experimental.enable_tensor_float_32_execution(False)
        np.seterr(all="raise")
        np.random.seed(5)
    print(
        "settings",
        keras.config.epsilon(),
        sys.modules["tensorflow"].config.functions_run_eagerly(),
        np.geterr()["over"],
    )
    return tiny(values, shape, classes)

"""Networks that sweeps under test build: a user's own ``[model] build`` functions, small and quick."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras


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

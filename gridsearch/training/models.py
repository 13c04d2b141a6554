"""Build the network that is trained: cats-vs-dogs by default, or what the user's ``[model] build`` returns."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import keras

from gridsearch.hparams.combination import Combination
from gridsearch.hparams.domain import Value
from gridsearch.training.keras_internals import flatten_layers

__all__ = ["Values", "build_model", "cats_vs_dogs", "load_model", "takes_class_numbers"]

Shape = tuple[int, int, int]
Build = Callable[..., keras.Model]


class Values(Mapping[str, Value]):
    """A combination that remembers which of its values were asked for."""

    def __init__(self, values: Combination) -> None:
        self.combination, self.asked = values, set[str]()

    def __getitem__(self, name: str) -> Value:
        self.asked.add(name)
        return self.combination[name]

    def __iter__(self) -> Iterator[str]:
        self.asked.update(self.combination)  # whoever goes through all of them has seen all of them
        return iter(self.combination)

    def __len__(self) -> int:
        return len(self.combination)

    def __contains__(self, name: object) -> bool:
        return name in self.combination


def cats_vs_dogs(values: Mapping[str, Value], shape: Shape, classes: int) -> keras.Model:
    """Return two convolutions and two dense layers, compiled.

    Args:
        values: ``num_units`` of the first dense layer (256), ``dropout`` rate of both dropout layers (0.1),
            ``optimizer`` by Keras's name ("adam") and its ``learning_rate`` (0.001).
        shape: height and width in pixels, channels.
        classes: number of classes, the units of the softmax.

    Returns:
        A model from float pictures of shape (batch, height, width, channels) to probabilities (batch, classes).
    """
    dropout = float(values.get("dropout", 0.1))
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input(shape),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(dropout),
            layers.Conv2D(128, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(dropout),
            layers.Flatten(),
            layers.Dense(int(values.get("num_units", 256)), activation="relu"),
            layers.Dense(classes, activation="softmax", dtype="float32"),  # probabilities, at any precision
        ]
    )
    compile_with(model, values)
    return model


def compile_with(model: keras.Model, values: Mapping[str, Value]) -> None:
    """Compile for one-hot classes with the combination's ``optimizer`` and ``learning_rate``."""
    settings = {"class_name": str(values.get("optimizer", "adam")), "config": {}}
    if "learning_rate" in values:
        settings["config"] = {"learning_rate": float(values["learning_rate"])}
    optimizer = keras.optimizers.deserialize(settings)
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])


def build_model(
    build: Build, values: Combination, shape: Shape, classes: int, already_used: Collection[str]
) -> keras.Model:
    """Return the model for a combination, compiled and built.

    Args:
        build: ``build(values, shape, classes)``; it may leave out the last arguments. Or KerasTuner's ``build(hp)``.
        values: the combination.
        shape: of one picture.
        classes: how many there are.
        already_used: HParams that the pipelines or the training loop take.

    Raises:
        TypeError: ``build`` takes other arguments, or returns something else than a model.
        ValueError: an HParam had no effect at all: nobody asked for its value.
    """
    asked = Values(values)
    if list(inspect.signature(build).parameters) == ["hp"]:
        model = _build_with_hp(build, asked)
    else:
        model = build(*(asked, shape, classes)[: _arity(build)])
    if not isinstance(model, keras.Model):
        raise TypeError(f"{build.__module__}:{build.__qualname__} returned {model!r}, not a Keras model")
    if not model.compiled:
        compile_with(model, asked)
    if not all(layer.built for layer in flatten_layers(model)):  # without an Input, until it sees a picture
        model(keras.Input(shape))
    idle = sorted(set(values) - asked.asked - set(already_used))
    if idle:
        raise ValueError(
            f"HParam {idle[0]!r} has no effect: neither the model nor a setting takes a value of that name"
        )
    return model


def _build_with_hp(build: Build, values: Values) -> keras.Model:
    """Return the model of a ``build_model(hp)``; it counts as asking for what it declares."""
    from gridsearch.training.hyperparameters import Hyperparameters

    hp = Hyperparameters(values.combination)
    model = build(hp)
    values.asked |= hp.asked
    return model


def takes_class_numbers(model: keras.Model) -> bool:
    """Return whether a compiled model's loss takes classes by number, from 0, and not one-hot."""
    loss = getattr(model, "loss", None)
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", "")
    return name == "sparse_categorical_crossentropy" or isinstance(loss, keras.losses.SparseCategoricalCrossentropy)


def load_model(file: Path) -> keras.Model:
    """Return a model as it was saved, to be evaluated or trained on; its optimizer starts anew."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        return keras.models.load_model(file)


def _arity(build: Build) -> int:
    parameters = inspect.signature(build).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return 3
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in positional if p.default is p.empty]
    if not positional or len(required) > 3:
        raise TypeError(f"{build.__qualname__}{inspect.signature(build)}: write it as build(values, shape, classes)")
    return min(3, max(1, len(positional)))

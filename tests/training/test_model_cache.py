"""A worker's last model is used again where only numbers differ, and nothing comes out otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from test_fit import trained

from gridsearch.record.reader import Record
from gridsearch.training.model_cache import ModelCache
from gridsearch.trials import Status

OPTIMIZERS: dict[str, Callable[..., keras.optimizers.Optimizer]] = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "adagrad": keras.optimizers.Adagrad,
    "momentum": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
}


def network(
    seed: int, dropout: float = 0.2, rate: float = 0.01, optimizer: str = "adam", units: int = 5
) -> keras.Model:
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential([layers.Input((6, 6, 3)), layers.Conv2D(3, 3), layers.BatchNormalization()])
    for layer in (layers.Dropout(dropout), layers.Flatten(), layers.Dense(units), layers.Dense(2, "softmax")):
        model.add(layer)
    model.compile(OPTIMIZERS[optimizer](rate), "categorical_crossentropy", metrics=["accuracy"])
    return model


def steps(model: keras.Model, count: int = 4) -> list[np.ndarray]:
    """A model's weights and losses after some steps."""
    random = np.random.default_rng(7)
    losses = []
    for _ in range(count):
        pictures, classes = random.random((9, 6, 6, 3), "float32"), np.eye(2)[random.integers(0, 2, 9)]
        losses.append(model.train_on_batch(pictures, classes)[0])
    return [*model.get_weights(), np.array(losses)]


def equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    yield
    keras.backend.clear_session()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_numbers_come_over_to_the_last_bit_and_nothing_is_traced_again(optimizer: str) -> None:
    bench = ModelCache()
    first = bench.prepare(network(1, optimizer=optimizer))
    traced: list[None] = []
    train_step = first.train_step
    first.train_step = lambda data: traced.append(None) or train_step(data)
    steps(first)
    bench.keep(first)
    assert traced, "Python runs through a step while it is traced"
    traced.clear()
    second = bench.prepare(network(2, dropout=0.5, rate=0.03, optimizer=optimizer))
    assert second is first
    warm = steps(second)
    assert not traced
    cold = steps(ModelCache().prepare(network(2, dropout=0.5, rate=0.03, optimizer=optimizer)))
    assert equal(warm, cold)
    assert float(second.optimizer.learning_rate) == pytest.approx(0.03)
    assert [layer.rate for layer in second.layers if isinstance(layer, keras.layers.Dropout)] == [0.5]


@pytest.mark.parametrize(
    "other",
    [
        {"units": 6},
        {"optimizer": "sgd"},
        {"dropout": 0.0},
    ],
)
def test_another_architecture_is_another_model(other: dict[str, Any]) -> None:
    bench = ModelCache()
    first = bench.prepare(network(1))
    bench.keep(first)
    second = bench.prepare(network(1, **other))
    assert second is not first
    assert equal(steps(second), steps(ModelCache().prepare(network(1, **other))))


def with_loss(weight: float) -> keras.Model:
    model = network(1)
    model.compile("sgd", loss=lambda truth, guess: weight * keras.ops.mean((truth - guess) ** 2))
    return model


def with_lambda(weight: float) -> keras.Model:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential([layers.Input((6, 6, 3)), layers.Flatten(), layers.Lambda(lambda x: weight * x)])
    model.add(layers.Dense(2, "softmax"))
    model.compile("sgd", "categorical_crossentropy")
    return model


class Own(keras.Sequential):
    """A model of the user's own, which may do anything."""


def of_its_own(weight: float) -> keras.Model:
    model = Own([keras.layers.Input((6, 6, 3)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.SGD(weight), "categorical_crossentropy")
    return model


@pytest.mark.parametrize("build", [with_loss, with_lambda, of_its_own])
def test_code_that_is_not_keras_s_is_never_taken_for_the_same(build: Callable[[float], keras.Model]) -> None:
    bench = ModelCache()
    first = bench.prepare(build(1.0))
    bench.keep(first)
    assert bench.prepare(build(2.0)) is not first


def test_a_schedule_is_no_number_that_could_be_exchanged() -> None:
    bench = ModelCache()

    def scheduled(rate: float) -> keras.Model:
        model = network(1)
        schedule = keras.optimizers.schedules.ExponentialDecay(rate, 10, 0.9)
        model.compile(keras.optimizers.SGD(schedule), "categorical_crossentropy")
        return model

    first = bench.prepare(scheduled(0.1))
    bench.keep(first)
    assert bench.prepare(scheduled(0.2)) is not first


def losses(record: Record) -> dict[str, dict[str, float]]:
    return {
        session.session.trial.id: {k: v for k, v in session.outcome.metrics.items() if k != "seconds"}
        for session in record.sessions
        if session.status is Status.COMPLETED
    }


@pytest.mark.slow
def test_a_trial_comes_to_the_same_whatever_its_worker_trained_before(pictures: Path, tmp_path: Path) -> None:
    hparams = {"dropout": {"discrete": [0.1, 0.3]}, "learning_rate": {"discrete": [0.03, 0.01]}}
    hparams |= {"optimizer": {"discrete": ["adam", "rmsprop"]}, "num_units": {"discrete": [4]}}
    build = "gridsearch.training.models:cats_vs_dogs"
    together = losses(trained(pictures, tmp_path / "together", hparams, build))
    assert len(together) == 8
    alone: dict[str, dict[str, float]] = {}
    for optimizer in ("rmsprop", "adam"):  # the other way round, and in workers of their own
        one = hparams | {"optimizer": {"discrete": [optimizer]}, "learning_rate": {"discrete": [0.01]}}
        alone |= losses(trained(pictures, tmp_path / optimizer, one, build))
    assert len(alone) == 4
    assert {trial: together[trial] for trial in alone} == alone

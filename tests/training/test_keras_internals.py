"""What Keras and TensorFlow keep private is still where ``keras_internals`` looks; each test says what has moved."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from gridsearch.training import keras_internals

MOVED = "has moved or changed in this version: find it upstream and mend gridsearch/training/keras_internals.py"


@pytest.fixture
def model() -> keras.Model:
    """A compiled model with a nested one, and a dropout that has a random generator."""
    inner = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(4), keras.layers.Dropout(0.5)])
    outer = keras.Sequential([keras.layers.Input((3,)), inner, keras.layers.Dense(1)])
    outer.compile("adam", "mse")
    return outer


def test_the_layers_of_nested_models_are_found(model: keras.Model) -> None:
    kinds = [type(layer).__name__ for layer in keras_internals.flatten_layers(model, include_self=False)]
    assert {"Dense", "Dropout", "Sequential"} <= set(kinds), f"keras.Layer._flatten_layers {MOVED}"
    assert kinds.count("Dense") == 2, f"keras.Layer._flatten_layers {MOVED}"
    assert keras_internals.flatten_layers(model)[0] is model


def test_the_states_of_random_generators_are_found(model: keras.Model) -> None:
    (state,) = keras_internals.list_seed_states(model)
    before = state.numpy().tolist()
    model(np.zeros((1, 3), np.float32), training=True)
    after = state.numpy().tolist()
    assert before != after, f"keras.Layer._seed_generators {MOVED}"


def test_a_step_is_traced_once_where_metrics_are_made_ahead(model: keras.Model) -> None:
    for name in ("_maybe_symbolic_build", "_symbolic_build"):
        assert callable(getattr(model, name, None)), f"keras.Model.{name} {MOVED}"
    keras_internals.trace_ahead(model)
    model.train_on_batch(np.zeros((2, 3), np.float32), np.zeros((2, 1), np.float32))
    assert model._maybe_symbolic_build == model._symbolic_build


def test_the_sum_of_gradients_is_left_out(model: keras.Model) -> None:
    name = "_all_reduce_sum_gradients"
    assert callable(getattr(model.optimizer, name, None)), f"TFOptimizer.{name} {MOVED}"
    keras_internals.skip_gradient_sum(model.optimizer)
    pairs = [(1, 2)]
    assert getattr(model.optimizer, name)(pairs) is pairs


@pytest.mark.parametrize(
    ("optimizer", "names"),
    [(keras.optimizers.Adam, ("momentums", "velocities")), (keras.optimizers.RMSprop, ("velocities",))],
)
def test_the_slots_of_an_optimizer_are_found(
    optimizer: type[keras.optimizers.Optimizer], names: tuple[str, ...]
) -> None:
    made = optimizer()
    variables = [keras.Variable(np.zeros(2, np.float32)), keras.Variable(np.zeros(3, np.float32))]
    made.build(variables)
    for number, variable in enumerate(variables):
        assert keras_internals.index_of(made, variable) == number, f"Optimizer._get_variable_index {MOVED}"
        slots = keras_internals.find_slots(made, variable, *names)
        assert [tuple(slot.shape) for slot in slots] == [tuple(variable.shape)] * len(names), f"its slots: {MOVED}"


def test_an_operation_is_recorded_with_a_gradient_of_its_own() -> None:
    tf = pytest.importorskip("tensorflow")
    with tf.GradientTape() as tape:
        x = tf.constant([2.0, 3.0])
        tape.watch(x)
        assert keras_internals.needs_gradient(x), f"record.should_record_backprop {MOVED}"
        y = keras_internals.record_operation("Square", [x], lambda: x * x, lambda upstream: [10.0 * upstream])
    assert tape.gradient(y, x).numpy().tolist() == [10.0, 10.0], f"tensorflow.python.eager.record {MOVED}"
    assert not keras_internals.needs_gradient(tf.constant([1.0]))


def test_what_subclasses_override_is_there() -> None:
    for name in keras_internals.OVERRIDDEN:
        kind, method = name.split(".")
        owner = getattr(keras_internals, kind)
        assert callable(getattr(owner, method, None)), f"{name} {MOVED}"
    assert hasattr(keras_internals.DirectoryIterator, "filepaths"), f"DirectoryIterator.filepaths {MOVED}"

"""Leaner kernels compute what Keras computes."""

from __future__ import annotations

import gc
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from gridsearch.training.lean import find_dropouts, make_lean
from gridsearch.training.lean.dropout import compile_dropout

OPTIMIZERS = {
    "sgd": (keras.optimizers.SGD, 0.0),
    "adam": (keras.optimizers.Adam, 2e-4),
    "rmsprop": (keras.optimizers.RMSprop, 2e-4),
}


def network(optimizer: keras.optimizers.Optimizer, dropout: float = 0.0) -> keras.Model:
    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Dropout(dropout),
            layers.Flatten(),
            layers.Dense(2, activation="softmax", dtype="float32"),
        ]
    )
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture(params=["kernels", "xla"])
def all_large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Once as it is, where all weights of these networks are small, and once with all of them taken for large."""
    if request.param == "xla":
        monkeypatch.setattr("gridsearch.training.lean.optimizers.LARGE", 1)
    return bool(request.param == "xla")


def trained(model: keras.Model, steps: int = 6) -> tuple[list[np.ndarray], list[float]]:
    random = np.random.default_rng(1)
    losses = []
    for _ in range(steps):
        pictures, classes = (
            random.random((16, 8, 8, 3), "float32"),
            np.eye(2, dtype="float32")[random.integers(0, 2, 16)],
        )
        losses.append(float(model.train_on_batch(pictures, classes)[0]))
    return model.get_weights(), losses


def operations(model: keras.Model) -> set[str]:
    """The kinds of operation in a model's training step."""
    pictures, classes = np.zeros((2, 8, 8, 3), "float32"), np.eye(2, dtype="float32")
    function = tf.function(lambda x, y: model.train_step((x, y)))
    definition = function.get_concrete_function(pictures, classes).graph.as_graph_def()
    kinds = {node.op for node in definition.node}
    return kinds | {node.op for inner in definition.library.function for node in inner.node_def}


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_in_one_pass_is_the_optimizer(name: str, policy: str, all_large: bool) -> None:
    make, tolerance = OPTIMIZERS[name]
    keras.config.set_dtype_policy(policy)
    try:
        stock, losses = trained(network(make(0.01)))
        fused, fused_losses = trained(make_lean(network(make(0.01))))
    finally:
        keras.config.set_dtype_policy("float32")
    if policy == "mixed_bfloat16":  # a last digit decides how an activation is rounded, and that the next gradient
        tolerance = 2e-2
    if all_large:  # XLA may multiply and add in one rounding
        tolerance = max(tolerance, 1e-7)
    for one, other in zip(stock, fused, strict=True):
        assert np.abs(one - other).max() <= tolerance
    assert np.allclose(losses, fused_losses, atol=1e-5 if policy == "float32" else 1e-2)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_kernel_is_really_in_the_step(name: str, all_large: bool) -> None:
    kinds = {"sgd": "ResourceApplyGradientDescent", "adam": "ResourceApplyAdam", "rmsprop": "ResourceApplyRMSProp"}
    assert (kinds[name] in operations(make_lean(network(OPTIMIZERS[name][0](0.01))))) is not all_large
    assert kinds[name] not in operations(network(OPTIMIZERS[name][0](0.01)))


def test_a_step_is_traced_once() -> None:
    def traces(model: keras.Model) -> int:
        seen, step = [], model.train_step
        model.train_step = lambda data: seen.append(data) or step(data)
        trained(model, 3)
        return len(seen)

    assert traces(network(keras.optimizers.Adam(0.01))) == 2
    assert traces(make_lean(network(keras.optimizers.Adam(0.01)))) == 1


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_no_gradient_of_large_weights_is_cast_by_itself(policy: str, all_large: bool) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        model = make_lean(network(keras.optimizers.Adam(0.01)))
        function = tf.function(lambda x, y: model.train_step((x, y)))
        graph = function.get_concrete_function(np.zeros((2, 8, 8, 3), "float32"), np.eye(2, dtype="float32")).graph
    finally:
        keras.config.set_dtype_policy("float32")
    updates = [operation for operation in graph.get_operations() if operation.type == "StatefulPartitionedCall"]
    compiled = [update for update in updates if update.get_attr("_XlaMustCompile")]
    assert len(compiled) == (4 if all_large else 0)
    assert not any(source.op.type == "Cast" for update in compiled for source in update.inputs)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.SGD(0.01, momentum=0.9),
        lambda: keras.optimizers.Adam(0.01, amsgrad=True),
        lambda: keras.optimizers.RMSprop(0.01, momentum=0.5),
        lambda: keras.optimizers.RMSprop(0.01, centered=True),
        lambda: keras.optimizers.AdamW(0.01),
        lambda: keras.optimizers.Nadam(0.01),
    ],
)
def test_what_no_kernel_covers_is_left_to_keras(optimizer: Any, all_large: bool) -> None:
    stock, _ = trained(network(optimizer()))
    same, _ = trained(make_lean(network(optimizer())))
    difference = max(np.abs(one - other).max() for one, other in zip(stock, same, strict=True))
    assert difference <= (2e-4 if all_large else 0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_clipping_decay_and_averages_go_on_working(name: str, all_large: bool) -> None:
    make, tolerance = OPTIMIZERS[name]
    options = {"clipnorm": 0.05, "weight_decay": 0.1, "use_ema": True, "ema_momentum": 0.5}
    stock, _ = trained(network(make(0.01, **options)))
    fused, _ = trained(make_lean(network(make(0.01, **options))))
    plain, _ = trained(network(make(0.01)))
    assert all(np.abs(one - other).max() <= max(tolerance, 1e-6) for one, other in zip(stock, fused, strict=True))
    assert any(np.abs(one - other).max() > 1e-3 for one, other in zip(plain, fused, strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_sparse_gradients_are_left_to_keras(name: str, all_large: bool) -> None:
    def words() -> keras.Model:
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Embedding(9, 3), keras.layers.Flatten()])
        model.add(keras.layers.Dense(1))
        model.compile(OPTIMIZERS[name][0](0.01), "mse")
        return model

    results = []
    for model in (words(), make_lean(words())):
        for step in range(4):
            model.train_on_batch(np.array([[step, 1, 2, 2]]), np.ones((1, 1)))
        results.append(model.get_weights())
    assert all(np.allclose(one, other, atol=2e-4) for one, other in zip(*results, strict=True))


def dropped(rate: float, shape: tuple[int, ...], seed: int = 1, dtype: str = "float32") -> list[np.ndarray]:
    """What two dropout layers of a model make of ones, in two steps."""
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dropout(rate, dtype=dtype) for _ in range(2)]
    model = keras.Sequential([keras.layers.Input(shape[1:]), *layers])
    model.compile("sgd", "mse")
    make_lean(model)
    ones = tf.ones(shape)
    return [np.asarray(tf.cast(layer(ones, training=True), tf.float32)) for _ in range(2) for layer in layers]


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5, 1 / 3])
def test_dropout_keeps_its_rate_and_the_mean(rate: float) -> None:
    for made in dropped(rate, (100, 51, 33)):
        zeros = np.mean(made == 0)
        error = 4.5 * np.sqrt(rate * (1 - rate) / made.size)
        assert abs(zeros - rate) < error
        assert np.allclose(made[made != 0], 1 / (1 - rate), rtol=1e-6)


def test_dropout_is_independent_between_layers_steps_and_neighbours() -> None:
    masks = [(made == 0).astype(float).ravel() - 0.5 for made in dropped(0.5, (64, 999))]
    limit = 4.5 / np.sqrt(masks[0].size)
    pairs = [(a, b) for n, a in enumerate(masks) for b in masks[:n]]
    pairs += [(mask[lag:], mask[:-lag]) for mask in masks for lag in (1, 2, 3, 4, 8, 999)]
    assert all(abs(4 * np.mean(one * other)) < limit for one, other in pairs)


def test_dropout_follows_the_seed_and_does_nothing_at_inference() -> None:
    one, again, other = (dropped(0.3, (8, 40), seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    model = make_lean(network(keras.optimizers.SGD(), dropout=0.9))
    pictures = np.random.default_rng(0).random((4, 8, 8, 3), "float32")
    assert np.array_equal(model(pictures, training=False), model(pictures, training=False))


def test_neighbouring_seeds_have_nothing_in_common() -> None:
    units = tf.ones(100_003)
    masks = []
    for first, second in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1)]:
        seed = tf.constant([first, second], tf.uint32)
        masks.append(np.asarray(compile_dropout()(units, seed, tf.constant(0.5), False)) / 2 - 0.5)
    limit = 4.5 / np.sqrt(units.shape[0])
    lags = range(-3, 4)
    pairs = [(a, np.roll(b, lag)) for n, a in enumerate(masks) for b in masks[:n] for lag in lags]
    assert all(abs(4 * np.mean(one * other)) < limit for one, other in pairs)


def test_dropout_works_where_xla_compiles_the_whole_step_and_is_keras_s_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses = []
    for jit in (True, False):
        model = network(keras.optimizers.Adam(0.01), dropout=0.3)
        model.compile(keras.optimizers.Adam(0.01), "categorical_crossentropy", metrics=["accuracy"], jit_compile=jit)
        losses.append(trained(make_lean(model), 3)[1])
        assert len(find_dropouts(model)) == 1
    assert np.allclose(*losses, atol=1e-4), "the same units are dropped"
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert find_dropouts(model) == []


def test_without_xla_there_are_kernels_and_keras_s_own_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridsearch.training.lean.optimizers.LARGE", 1)
    for part in ("dropout", "optimizers"):
        monkeypatch.setattr(f"gridsearch.training.lean.{part}.has_xla", lambda: False)
    model = make_lean(network(keras.optimizers.Adam(0.01), dropout=0.3))
    assert find_dropouts(model) == []
    assert "ResourceApplyAdam" in operations(model)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_dropout_of_nothing_or_everything_is_left_to_keras(rate: float) -> None:
    assert find_dropouts(network(keras.optimizers.SGD(), dropout=rate)) == []


def pooling(conv: dict[str, Any], pool: dict[str, Any], between: bool = False, rate: float = 0.0) -> keras.Model:
    keras.utils.set_random_seed(3)
    layers = keras.layers
    row = [layers.Input((8, 8, 3)), layers.Conv2D(4, 3, **conv), layers.MaxPooling2D(**pool)]
    row += [layers.Dropout(rate, seed=5), layers.Conv2D(4, 2)]
    if between:
        row.insert(2, layers.BatchNormalization())
    model = keras.Sequential([*row, layers.Flatten(), layers.Dense(2, activation="softmax", dtype="float32")])
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", metrics=["accuracy"])
    return model


def sizes_of_relus(model: keras.Model) -> list[int | None]:
    """Heights of what goes through relus in a training step."""
    function = tf.function(lambda x, y: model.train_step((x, y)))
    graph = function.get_concrete_function(np.zeros((2, 8, 8, 3), "float32"), np.eye(2, dtype="float32")).graph
    return [operation.outputs[0].shape[1] for operation in graph.get_operations() if operation.type == "Relu"]


@pytest.mark.parametrize(("policy", "bias"), [("float32", True), ("float32", False), ("mixed_bfloat16", True)])
@pytest.mark.parametrize("pool", [{}, {"pool_size": 3, "strides": 2}, {"padding": "same", "pool_size": 5}])
def test_relu_behind_a_pooling_is_the_same_to_the_last_bit(pool: dict[str, Any], policy: str, bias: bool) -> None:
    convolution = {"activation": "relu", "use_bias": bias}
    keras.config.set_dtype_policy(policy)
    try:
        stock, losses = trained(pooling(convolution, pool))
        model = make_lean(pooling(convolution, pool))
        same, same_losses = trained(model)
    finally:
        keras.config.set_dtype_policy("float32")
    moved = 1e-6 if bias and policy == "float32" else 0  # a bias's gradient is a sum, now in another order
    assert np.abs(np.subtract(losses, same_losses)).max() <= moved
    assert all(np.abs(one - other).max() <= moved for one, other in zip(stock, same, strict=True))
    assert model.layers[0].get_config()["activation"] == "relu"
    assert model.layers[0].get_config()["use_bias"] is bias


def test_a_bias_goes_behind_a_pooling_in_float32_and_there_alone() -> None:
    def fused(**convolution: Any) -> bool:
        """Whether the convolution's output is biased, at its own height."""
        model = make_lean(pooling({"activation": "relu", **convolution}, {}))
        function = tf.function(lambda x: model(x, training=False))
        graph = function.get_concrete_function(np.zeros((2, 8, 8, 3), "float32")).graph
        biases = [operation for operation in graph.get_operations() if operation.type in ("BiasAdd", "AddV2")]
        return biases[0].outputs[0].shape[1] == 6

    assert not fused()
    assert fused(dtype="mixed_bfloat16")


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_dropout_behind_a_pooling_takes_its_relu_over(policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        apart, taken = (pooling({"activation": "relu"}, {}, rate=0.3) for _ in range(2))
        make_lean(taken)
        make_lean(apart)
        apart.layers[2].call.relu = False  # in its own place again
        for layer in apart.layers[:2]:
            layer.call = partial(type(layer).call, layer)
        (stock, losses), (same, same_losses) = trained(apart), trained(taken)
    finally:
        keras.config.set_dtype_policy("float32")
    pictures = np.random.default_rng(0).random((4, 8, 8, 3), "float32")
    moved = 1e-6 if policy == "float32" else 0  # as above
    assert np.abs(np.subtract(losses, same_losses)).max() <= moved
    assert all(np.abs(one - other).max() <= moved for one, other in zip(stock, same, strict=True))
    assert np.allclose(apart(pictures, training=False), taken(pictures, training=False), rtol=0, atol=moved)


def test_what_is_not_a_number_stays_so_through_a_dropout_with_a_relu() -> None:
    units = tf.constant([[np.nan, -1.0, 0.0, 2.0] * 8])
    through = compile_dropout()(units, tf.constant([1, 2], tf.uint32), tf.constant(0.5), True).numpy()
    whole = through.reshape(8, 4)
    assert np.isnan(whole[:, 0]).any()
    assert not whole[:, 1:3].any()
    assert set(whole[:, 3]) == {0.0, 4.0}


def test_relu_is_behind_a_pooling_only_where_nothing_else_sees_it() -> None:
    relu = {"activation": "relu"}
    assert sizes_of_relus(pooling(relu, {})) == [6]
    assert sizes_of_relus(make_lean(pooling(relu, {}))) == [3]
    assert sizes_of_relus(make_lean(pooling(relu, {}, rate=0.5))) == []
    assert sizes_of_relus(make_lean(pooling(relu, {}, between=True))) == [6]
    assert sizes_of_relus(make_lean(pooling({**relu, "activity_regularizer": "l2"}, {}))) == [6]
    assert sizes_of_relus(make_lean(pooling({"activation": "relu6"}, {}))) == []
    stock = pooling(relu, {})
    functional = keras.Model(stock.inputs, stock.outputs)
    functional.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
    assert sizes_of_relus(make_lean(functional)) == [6]


# Keras on its way through numpy 2, for which it does not yet pass on what numpy asks.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_what_is_saved_is_keras_s_own(tmp_path: Path) -> None:
    model = make_lean(network(keras.optimizers.Adam(0.01), dropout=0.2))
    trained(model, 2)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in model.layers]
    assert all(np.array_equal(a, b) for a, b in zip(again.get_weights(), model.get_weights(), strict=True))
    assert type(again.optimizer) is keras.optimizers.Adam


def test_nothing_stays_of_a_model_that_was_let_go(all_large: bool) -> None:
    def graphs() -> int:
        gc.collect()
        return sum(isinstance(found, FuncGraph) for found in gc.get_objects())

    trained(make_lean(network(keras.optimizers.Adam(0.01), dropout=0.2)), 2)  # dropout's own graph is shared and stays
    before = graphs()
    for _ in range(2):
        trained(make_lean(network(keras.optimizers.Adam(0.01), dropout=0.2)), 2)
    assert graphs() == before, "graphs hold on to the weights that they were traced with"

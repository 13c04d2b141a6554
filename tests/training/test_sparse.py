"""Gradients by the numbers that are not zero are the gradients."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.python.framework.func_graph import FuncGraph
from test_lean import operations

from gridsearch.training.lean import make_lean, pooling, sparse

BFLOAT16 = tf.bfloat16.as_numpy_dtype


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """A convolution with a pooling behind it, and what flows through both."""
    small = st.integers(1, 3)
    pool, kernel = (draw(small), draw(small)), (draw(small), draw(small))
    padding = draw(st.sampled_from(["same", "valid"]))
    lost = (0, 0) if padding == "same" else (kernel[0] - 1, kernel[1] - 1)
    size = [draw(st.integers(p, 3 * p)) + off for p, off in zip(pool, lost, strict=True)]
    channels, filters, many = draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (many, (size[0] - lost[0]) // pool[0], (size[1] - lost[1]) // pool[1], filters)
    upstream = random.standard_normal(shape) * (random.random(shape) < draw(st.sampled_from([0.0, 0.3, 1.0])))
    return {
        "pictures": random.standard_normal((many, *size, channels)),
        "kernel": random.standard_normal((*kernel, channels, filters)),
        "upstream": upstream,
        "padding": padding,
        "pool": pool,
        "threads": draw(small),
        "dtype": draw(st.sampled_from(["float32", "bfloat16"])),
    }


def through(case: dict[str, Any], kind: str) -> tuple[Any, Any, Any, Any]:
    """TensorFlow's units and their pooling, and its gradients of inputs and kernel; computed in ``kind``."""
    pictures, kernel, upstream = (
        tf.cast(tf.cast(case[n], case["dtype"]), kind) for n in ("pictures", "kernel", "upstream")
    )
    with tf.GradientTape() as tape:
        tape.watch([pictures, kernel])
        units = tf.nn.conv2d(pictures, kernel, 1, case["padding"].upper())
        highest = tf.nn.max_pool2d(units, case["pool"], case["pool"], "VALID")
    return units, highest, *tape.gradient(highest, [pictures, kernel], upstream)


@given(cases())
@settings(deadline=None, max_examples=60)
def test_gradients_are_tensorflow_s(case: dict[str, Any]) -> None:
    units, highest, of_pictures, of_kernel = through(case, "float32")
    kernel_size = case["kernel"].shape[:2]
    before = tuple((k - 1) // 2 for k in kernel_size) if case["padding"] == "same" else (0, 0)
    given = [
        np.asarray(case[name], tf.as_dtype(case["dtype"]).as_numpy_dtype) for name in ("pictures", "upstream", "kernel")
    ]
    if case["dtype"] == "bfloat16":  # of rounded units several may be the highest: these have their order by bits
        units, highest = _ranks(units.numpy(), highest.numpy(), case["pool"])
    else:
        units, highest = units.numpy(), highest.numpy()
    found = sparse.gradients(
        given[0], units, highest, given[1], given[2], before=before, pool=case["pool"], threads=case["threads"]
    )
    tolerance = 1e-5 if case["dtype"] == "float32" else 2.0**-8
    for mine, theirs, like in zip(found, (of_pictures, of_kernel), (given[0], given[2]), strict=True):
        assert (mine.shape, mine.dtype) == (like.shape, like.dtype)
        np.testing.assert_allclose(mine.astype("float32"), theirs, rtol=tolerance, atol=2e-5)


def _ranks(units: np.ndarray, highest: np.ndarray, pool: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """bfloat16 units of which 1 is the highest of its window and 0 all others, and the pooling of these."""
    ones = np.zeros(units.shape, BFLOAT16)
    rows, columns = highest.shape[1] * pool[0], highest.shape[2] * pool[1]
    spread = highest.repeat(pool[0], 1).repeat(pool[1], 2)
    ones[:, :rows, :columns] = units[:, :rows, :columns] == spread
    return ones, np.ones(highest.shape, BFLOAT16)


def test_the_first_of_equals_has_the_gradient() -> None:
    one = np.ones((1, 2, 4, 1), "float32")
    upstream = np.array([[[[3.0], [5.0]]]], "float32")
    kernel = np.full((1, 1, 1, 1), 2.0, "float32")
    of_pictures, of_kernel = sparse.gradients(
        one, 2 * one, 2 * one[:, :1, :2], upstream, kernel, before=(0, 0), pool=(2, 2)
    )
    assert of_pictures.reshape(2, 4).tolist() == [[6, 0, 10, 0], [0, 0, 0, 0]]
    assert of_kernel.item() == 8


def test_no_pictures_have_no_gradients() -> None:
    none = np.empty((0, 2, 2, 1), "float32")
    of_pictures, of_kernel = sparse.gradients(
        none, none, none[:, :1, :1], none[:, :1, :1], np.ones((1, 1, 1, 1), "float32"), before=(0, 0), pool=(2, 2)
    )
    assert of_pictures.shape == none.shape
    assert of_kernel.tolist() == [[[[0.0]]]]


def test_what_is_not_a_number_is_not_hidden() -> None:
    pictures = np.ones((1, 2, 2, 1), BFLOAT16)
    upstream = np.full((1, 1, 1, 1), np.nan, BFLOAT16)
    for units in (pictures, np.full_like(pictures, np.nan)):
        found = sparse.gradients(
            pictures, units, units[:, :1, :1], upstream, np.ones((1, 1, 1, 1), BFLOAT16), before=(0, 0), pool=(2, 2)
        )
        assert all(np.isnan(gradient.astype("float32")).any() for gradient in found)


def test_arrays_begin_where_a_line_of_the_cache_does() -> None:
    assert {sparse.as_floats(np.ones(size)).ctypes.data % sparse.CACHE_LINE for size in range(1, 40)} == {0}


def test_without_a_place_for_compiled_code_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(sparse, "njit", nowhere)
    assert sparse.compile_kept(len) is len


def network(
    policy: str = "float32", conv: dict[str, Any] | None = None, pool: dict[str, Any] | None = None, **compiled: Any
) -> keras.Model:
    keras.utils.set_random_seed(3)
    layers = keras.layers
    keras.config.set_dtype_policy(policy)
    try:
        model = keras.Sequential(
            [
                layers.Input((8, 8, 3)),
                layers.Conv2D(8, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(4, **{"kernel_size": 3, "padding": "same", "activation": "relu"} | (conv or {})),
                layers.MaxPooling2D(**(pool or {})),
                layers.Flatten(),
                layers.Dense(2, activation="softmax", dtype="float32"),
            ]
        )
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", metrics=["accuracy"], **compiled)
    return model


def learned(model: keras.Model) -> tuple[list[np.ndarray], list[float]]:
    random = np.random.default_rng(1)
    losses = []
    for _ in range(6):
        pictures, classes = (
            random.random((16, 8, 8, 3), "float32"),
            np.eye(2, dtype="float32")[random.integers(0, 2, 16)],
        )
        losses.append(float(model.train_on_batch(pictures, classes)[0]))
    return model.get_weights(), losses


@pytest.fixture
def vectors_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridsearch.training.lean.pooling.matrix_unit", lambda: False)


@pytest.mark.usefixtures("vectors_only")
@pytest.mark.parametrize("conv", [{}, {"padding": "valid", "kernel_size": (2, 3)}, {"use_bias": False}])
@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 2e-2)])
def test_training_with_them_is_training(policy: str, tolerance: float, conv: dict[str, Any]) -> None:
    stock, losses = learned(network(policy, conv))
    model = make_lean(network(policy, conv))
    same, same_losses = learned(model)
    assert "PyFuncStateless" in operations(model)
    assert np.abs(np.subtract(losses, same_losses)).max() <= tolerance
    assert all(np.abs(one - other).max() <= tolerance for one, other in zip(stock, same, strict=True))
    pictures = np.random.default_rng(0).random((4, 8, 8, 3), "float32")
    again = network(policy, conv)
    again.set_weights(same)
    assert np.allclose(model(pictures, training=False), again(pictures, training=False), rtol=0, atol=tolerance)


@pytest.mark.usefixtures("vectors_only")
@pytest.mark.parametrize(
    ("conv", "pool", "compiled"),
    [
        ({"strides": 2, "padding": "valid"}, {"pool_size": 1}, {}),
        ({"dilation_rate": 2}, {}, {}),
        ({"groups": 2}, {}, {}),
        ({"trainable": False}, {}, {}),
        ({}, {"padding": "same"}, {}),
        ({}, {"pool_size": 3, "strides": 1}, {}),
        ({}, {"pool_size": (1, 2)}, {}),
        ({"dtype": "mixed_float16"}, {}, {}),
        ({"activation": "relu6"}, {}, {}),
        ({}, {"activity_regularizer": "l2"}, {}),
        ({"dtype": "mixed_bfloat16"}, {"dtype": "float32"}, {}),
        ({}, {}, {"jit_compile": True}),
    ],
)
def test_what_they_do_not_cover_is_left_to_tensorflow(
    conv: dict[str, Any], pool: dict[str, Any], compiled: dict[str, Any]
) -> None:
    assert "PyFuncStateless" in operations(make_lean(network()))
    model = make_lean(network(conv=conv, pool=pool, **compiled))
    assert "PyFuncStateless" not in operations(model)
    learned(model)


def test_a_matrix_unit_is_quicker_with_all_numbers_in_bfloat16_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridsearch.training.lean.pooling.matrix_unit", lambda: True)
    assert "PyFuncStateless" not in operations(make_lean(network("mixed_bfloat16")))
    assert "PyFuncStateless" in operations(make_lean(network("float32")))


def test_of_pictures_that_nobody_asks_for_there_is_no_gradient() -> None:
    random = np.random.default_rng(0)
    pictures, kernel = random.random((2, 4, 6, 8), "float32"), random.random((3, 3, 8, 4), "float32")
    units = tf.nn.conv2d(pictures, kernel, 1, "SAME").numpy()
    highest = tf.nn.max_pool2d(units, 2, 2, "VALID").numpy()
    case = (pictures, units, highest, random.random(highest.shape, "float32"), kernel)
    both = sparse.gradients(*case, before=(1, 1), pool=(2, 2))
    assert np.array_equal(both[1], sparse.gradients(*case, before=(1, 1), pool=(2, 2), wanted=False))


@pytest.mark.parametrize("frozen", [False, True])
def test_a_network_on_pictures_of_many_channels_needs_no_gradient_of_them(frozen: bool) -> None:
    def made() -> keras.Model:
        keras.utils.set_random_seed(3)
        layers = keras.layers
        first = [layers.Conv2D(8, 3, activation="relu", trainable=False)] if frozen else []
        row = [layers.Input((8, 8, 8)), *first, layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D()]
        model = keras.Sequential([*row, layers.Flatten(), layers.Dense(2, activation="softmax")])
        model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
        return model

    random = np.random.default_rng(0)
    pictures, classes = random.random((16, 8, 8, 8), "float32"), np.eye(2, dtype="float32")[random.integers(0, 2, 16)]
    stock, quick = made(), make_lean(made())
    for _ in range(4):
        assert float(quick.train_on_batch(pictures, classes)) == pytest.approx(
            float(stock.train_on_batch(pictures, classes)), abs=1e-6
        )


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    ones = np.ones((1, 4, 4, 1), "float32")
    for highest, upstream in ((ones, ones), (ones[:, :2, :2], ones[:, :2, :1])):
        with pytest.raises(ValueError, match=r"units of \(1, 4, 4, 1\) pooled to"):
            sparse.gradients(ones, ones, highest, upstream, ones[:, :1, :1, :, None][0], before=(0, 0), pool=(2, 2))


@pytest.mark.parametrize(("granted", "set_here", "threads"), [("1", 0, 1), ("3", 0, 3), ("3", 2, 2), ("", 0, 5)])
def test_they_have_as_many_threads_as_tensorflow(
    granted: str, set_here: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", granted)
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: set_here)
    monkeypatch.setattr(pooling, "processors", lambda: 5)
    assert pooling.count_threads() == threads


def test_layers_that_one_network_lends_to_another_are_made_lean_once() -> None:
    lent = network()
    layers = lent.layers
    learned(make_lean(lent))
    for between in ([], [keras.layers.Dropout(0.5, seed=1)]):

        def borrowed(row: list[Any] = between) -> keras.Model:
            head = [keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]
            keras.utils.set_random_seed(4)
            model = keras.Sequential([keras.Input((8, 8, 3)), *layers[:4], *row, *head])
            model.compile(keras.optimizers.SGD(0.0), "categorical_crossentropy", metrics=["accuracy"])
            return model

        model = make_lean(borrowed())
        pictures = np.random.default_rng(0).random((4, 8, 8, 3), "float32")
        quick = np.asarray(model(pictures, training=False))
        learned(model)
        for layer in model.layers:
            vars(layer).pop("call", None)
        assert np.allclose(quick, model(pictures, training=False), atol=1e-6)
        functional = keras.Model(model.inputs[0], model.outputs[0])
        make_lean(model)
        functional.compile("sgd", "categorical_crossentropy")
        assert np.allclose(quick, make_lean(functional)(pictures, training=False), atol=1e-6)


@pytest.mark.parametrize("harm", ["empty", "unreadable folder"])
def test_compiled_code_that_cannot_be_read_is_compiled_anew(harm: str, tmp_path: Path) -> None:
    module = tmp_path / "sparse.py"
    module.write_bytes(Path(sparse.__file__).read_bytes())
    code = "import numpy as np, sparse; print(sparse.as_floats(np.ones(3)).tolist())"

    def run() -> str:
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = run()
    kept = [*tmp_path.rglob("*.nbi"), *tmp_path.rglob("*.nbc")]
    assert kept
    for file in kept:
        file.unlink()
        if harm == "empty":
            file.touch()
        else:
            file.mkdir()  # which is no file that anybody could read or write
    assert run() == first == "[1.0, 1.0, 1.0]\n"


def test_without_numba_tensorflow_s_own_gradients_do(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "gridsearch.training.lean.sparse", None)
    pooling.has_numba.cache_clear()
    try:
        for _ in range(2):
            assert "PyFuncStateless" not in operations(make_lean(network()))
    finally:
        pooling.has_numba.cache_clear()
    assert capsys.readouterr().err.count("gradients by all numbers") == 1


def test_nothing_stays_of_a_model_that_was_let_go() -> None:
    def graphs() -> int:
        gc.collect()
        return sum(isinstance(found, FuncGraph) for found in gc.get_objects())

    learned(make_lean(network()))
    before = graphs()
    for _ in range(2):
        learned(make_lean(network()))
    assert graphs() == before

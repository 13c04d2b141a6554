"""Compute a convolution, its bias, its relu and its pooling in the order that costs least.

A relu before a pooling looks at four times the numbers that it would see behind it. And of the gradient that comes back
through both nearly all is zero: see ``sparse``.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from typing import Any

import keras

from gridsearch.system.hardware import matrix_unit, processors
from gridsearch.training.keras_internals import needs_gradient, record_operation
from gridsearch.training.lean.dropout import LeanDropout

__all__ = ["CONVOLUTIONS", "POOLINGS", "pool_before_relu"]

CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
POOLINGS = (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D, keras.layers.MaxPooling3D)


WORTHWHILE = 8
"""Channels from which on sparse gradients were always seen to be quicker; fewer are no more than a first layer has."""


def pool_before_relu(model: keras.Model) -> None:
    """Take the maximum first where a convolution's relu meets one: the same numbers and the same gradients.

    Of a row of layers only, where the pooling is all that sees the convolution. A dropout that comes next takes the
    relu over: what is negative is one more reason to be zero. The bias goes along in float32, where oneDNN takes up to
    twice as long for its gradient and the kernel's in one as for the two apart, and where the gradient is sparse.
    """
    row = model.layers if type(model) is keras.Sequential else []
    for convolution, pooling, following in zip(row, row[1:], [*row[2:], None], strict=False):
        if (
            type(convolution) in CONVOLUTIONS
            and type(pooling) in POOLINGS
            and convolution.activation is keras.activations.relu
            and convolution.activity_regularizer is pooling.activity_regularizer is None
            and convolution.compute_dtype == pooling.compute_dtype
        ):
            dropout = getattr(following, "call", None)
            relu_here = not isinstance(dropout, LeanDropout)
            if isinstance(dropout, LeanDropout):
                dropout.relu = True
            sparse = not model.jit_compile and _has_sparse_gradients(convolution, pooling)
            bias_here = sparse or convolution.compute_dtype == "float32"
            bias_here = bias_here and convolution.use_bias and convolution.data_format == "channels_last"
            biased = convolution if bias_here else None
            if sparse:
                convolution.call = partial(_pooled, convolution, pooling)
                pooling.call = partial(_completed, keras.ops.convert_to_tensor, biased, relu_here)
            else:
                convolution.call = partial(_bare, convolution, convolution.use_bias and not bias_here)
                pooling.call = partial(_completed, partial(type(pooling).call, pooling), biased, relu_here)


def _has_sparse_gradients(convolution: keras.layers.Layer, pooling: keras.layers.Layer) -> bool:
    """Return whether ``sparse.gradients`` takes a convolution with this pooling, and is likely to be quicker.

    Not than a GPU, and in bfloat16 not than a processor's matrix unit.
    """
    import tensorflow as tf

    return (
        type(convolution) is keras.layers.Conv2D
        and type(pooling) is keras.layers.MaxPooling2D
        and {*convolution.strides, *convolution.dilation_rate, convolution.groups} == {1}
        and {convolution.data_format, pooling.data_format} == {"channels_last"}
        and (convolution.padding in ("same", "valid") and pooling.padding == "valid")
        and tuple(pooling.strides) == tuple(pooling.pool_size)
        and 4 <= math.prod(pooling.pool_size) <= 256
        and convolution.trainable
        and convolution.kernel.shape[2] >= WORTHWHILE
        and (convolution.compute_dtype == "float32" or (convolution.compute_dtype == "bfloat16" and not matrix_unit()))
        and not tf.config.list_physical_devices("GPU")
        and has_numba()
    )


@cache
def has_numba() -> bool:
    """Return whether Numba can be imported, which wants a NumPy that it knows; without it TensorFlow does its work."""
    try:
        import_module("gridsearch.training.lean.sparse")
    except Exception as error:
        print(f"gradients by all numbers, not the sparse ones: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    return True


def _pooled(convolution: keras.layers.Layer, pooling: keras.layers.Layer, inputs: Any) -> Any:
    """Return ``call`` of a convolution, without activation and bias, together with the pooling behind it."""
    import tensorflow as tf

    from gridsearch.training.lean.sparse import gradients

    height, width = convolution.kernel_size
    before = ((height - 1) // 2, (width - 1) // 2) if convolution.padding == "same" else (0, 0)
    found = partial(gradients, before=before, pool=tuple(pooling.pool_size), threads=count_threads())
    seen = [tf.convert_to_tensor(inputs), tf.convert_to_tensor(convolution.kernel)]
    wanted = needs_gradient(seen[0])
    kept: list[Any] = []

    def backward(upstream: Any) -> Any:
        arguments, kinds = [seen[0], *kept, upstream, seen[1]], [tensor.dtype for tensor in seen]
        if not wanted:
            of_kernel = tf.numpy_function(partial(found, wanted=False), arguments, kinds[1], stateful=False)
            return [None, tf.ensure_shape(of_kernel, seen[1].shape)]
        of_both = tf.numpy_function(found, arguments, kinds, stateful=False)
        return [tf.ensure_shape(gradient, tensor.shape) for gradient, tensor in zip(of_both, seen, strict=True)]

    def compute() -> Any:
        units = convolution.convolution_op(*seen)
        highest = type(pooling).call(pooling, units)
        kept.extend([units, highest])
        return highest

    return record_operation("ConvolutionWithPooling", seen, compute, backward)


def count_threads() -> int:
    """Return as many as TensorFlow's own operations have: by its setting, or by the environment of a worker."""
    import tensorflow as tf

    granted = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    set_here: int = tf.config.threading.get_intra_op_parallelism_threads()
    return set_here or (int(granted) if granted.isdecimal() else 0) or processors()


def _bare(layer: keras.layers.Layer, use_bias: bool, inputs: Any) -> Any:
    """Return ``call`` of a convolution without its activation, and perhaps its bias."""
    kept = layer.activation, layer.use_bias
    layer.activation, layer.use_bias = None, use_bias
    try:
        return type(layer).call(layer, inputs)
    finally:
        layer.activation, layer.use_bias = kept


def _completed(call: Callable[[Any], Any], biased: keras.layers.Layer | None, relu: bool, inputs: Any) -> Any:
    """Return ``call`` of a pooling, and then what the convolution before it left out."""
    pooled = call(inputs)
    if biased is not None:
        pooled = keras.ops.add(pooled, biased.bias)
    return keras.ops.relu(pooled) if relu else pooled

"""Drop units in one pass by XLA.

Keras's own takes half a dozen and draws from a generator made for GPUs; this one hashes a unit's number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import keras

from gridsearch.training.keras_internals import flatten_layers
from gridsearch.training.lean.xla import has_xla

__all__ = ["LeanDropout", "find_dropouts"]


def find_dropouts(model: keras.Model) -> list[keras.layers.Dropout]:
    """Return the dropout layers that can be made lean, whose rate may then change without another trace.

    None on a GPU, for which Keras's own is made, and none without XLA.
    """
    if keras.backend.backend() != "tensorflow":
        return []
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU") or not has_xla():
        return []
    layers = flatten_layers(model, include_self=False)
    return [la for la in layers if type(la) is keras.layers.Dropout and 0 < la.rate < 1 and la.noise_shape is None]


class LeanDropout:
    """``Dropout.call``: each unit is zero with probability ``rate``, else divided by what is left of 1.

    The layer's own seeds, one a step, decide. With ``relu``, of relu's numbers.
    """

    relu = False

    def __init__(self, layer: keras.layers.Dropout) -> None:
        import tensorflow as tf

        self._layer = layer
        self._rate = tf.Variable(0.0, trainable=False)
        self.follow_rate()

    def follow_rate(self) -> None:
        """Take over the layer's rate."""
        self._rate.assign(self._layer.rate)

    def __call__(self, inputs: Any, training: bool = False) -> Any:
        """Return what is left of ``inputs`` while training, else all of it."""
        if not training:
            return keras.ops.relu(inputs) if self.relu else inputs
        import tensorflow as tf

        seed = tf.cast(self._layer.seed_generator.next(), tf.uint32)
        return compile_dropout()(inputs, seed, self._rate.read_value(), self.relu)


@cache
def compile_dropout() -> Callable[..., Any]:
    """Return ``_drop``, compiled once for a shape, with its gradient, and shared by all layers and models."""
    import tensorflow as tf

    compiled: Callable[..., Any] = tf.function(_drop, jit_compile=True)
    return compiled


def _drop(units: Any, seed: Any, rate: Any, relu: bool) -> Any:
    """Return dropout of units; seed is uint32 of shape (2,), rate float32 below 1."""
    import tensorflow as tf

    rate = tf.stop_gradient(rate)
    # A key for the step and one to go on with, so that neighbouring seeds have nothing to do with each other.
    key = _hash(seed[0] ^ _hash(seed[1]))
    numbers = tf.cast(tf.range(tf.size(units)), tf.uint32)
    numbers = tf.reshape(_hash(_hash(numbers ^ key) + _hash(key + 1)), tf.shape(units))
    left = numbers >= tf.cast(rate * 2.0**32, tf.uint32)
    if relu:
        left = tf.logical_and(left, tf.logical_not(units <= tf.zeros((), units.dtype)))  # NaN is not hidden
    return tf.where(left, units * tf.cast(1 / (1 - rate), units.dtype), tf.zeros((), units.dtype))


def _hash(numbers: Any) -> Any:
    """Return whole numbers, uint32, well mixed: the function that C. Wellons found by search and named lowbias32."""
    import tensorflow as tf

    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        numbers = (numbers ^ tf.bitwise.right_shift(numbers, shift)) * factor
    return numbers ^ tf.bitwise.right_shift(numbers, 16)

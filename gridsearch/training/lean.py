"""TensorFlow on a processor, made leaner without changing what is computed.

Keras's optimizers are written operation by operation, and each operation passes over all weights: Adam touches 45
million of them a dozen times a step. TensorFlow has kernels that do it in one pass. Its dropout draws 32 random bits
for each unit where 16 are enough, from a generator made for GPUs; numpy's quickest takes an eighth of the time. A relu
before a pooling looks at four times the numbers that it would see behind it. All are swapped in an instance, never in
a class: what is saved is Keras's own layer and optimizer, and what a kernel does not cover (momentum, amsgrad,
centered, sparse gradients, half-precision weights, another backend) stays with Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import Any

import keras
import numpy as np

__all__ = ["forgettable", "lean", "varied_dropouts"]

CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
POOLINGS = (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D, keras.layers.MaxPooling3D)

RESOLUTION = 2**16
"""Dropout's random numbers are whole and below this; a rate is kept to 1/65536."""


def lean(model: keras.Model) -> keras.Model:
    """Swap what can be swapped in a compiled model and return it; on other backends nothing can."""
    if keras.backend.backend() == "tensorflow":
        forgettable(model)
        step = _fused_step(model.optimizer)
        if step is not None:
            stock = model.optimizer.update_step
            model.optimizer.update_step = MethodType(_where_it_fits(step, stock), model.optimizer)
        for layer in varied_dropouts(model):
            layer.call = _LeanDropout(layer)
        _relu_behind_pooling(model)
    return model


def forgettable(model: keras.Model) -> keras.Model:
    """Let a compiled model be freed when nobody needs it any more, and return it.

    TensorFlow's sum of gradients over replicas, of which there is one, registers a gradient of its own for the whole
    life of the process, with everything that the step refers to: each model that was trained would keep its weights
    and its optimizer's for good. Where there is no strategy of distribution, the sum is left out.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.distribute.has_strategy():
            model.optimizer._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
    return model


def varied_dropouts(model: keras.Model) -> list[keras.layers.Dropout]:
    """The dropout layers that can be made lean, whose rate may then change without another trace.

    None where XLA compiles the step or a GPU takes it, which numpy's numbers would have to be brought to.
    """
    if keras.backend.backend() != "tensorflow" or model.jit_compile:
        return []
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return []
    layers = model._flatten_layers(include_self=False)
    return [la for la in layers if type(la) is keras.layers.Dropout and la.rate > 0 and la.noise_shape is None]


def _relu_behind_pooling(model: keras.Model) -> None:
    """Where a convolution's relu meets a maximum, take the maximum first: the same numbers and the same gradients.

    Of a row of layers only, where the pooling is all that sees the convolution. A dropout that comes next takes the
    relu over: what is negative is one more reason to be zero.
    """
    row = model.layers if type(model) is keras.Sequential else []
    for convolution, pooling, following in zip(row, row[1:], [*row[2:], None], strict=False):
        if (
            type(convolution) in CONVOLUTIONS
            and type(pooling) in POOLINGS
            and convolution.activation is keras.activations.relu
            and convolution.activity_regularizer is None
        ):
            convolution.call = partial(_without_activation, convolution)
            dropout = getattr(following, "call", None)
            if isinstance(dropout, _LeanDropout):
                dropout.relu = True
            else:
                pooling.call = partial(_relu_of, pooling.call)


def _without_activation(layer: keras.layers.Layer, inputs: Any) -> Any:
    layer.activation, activation = None, layer.activation
    try:
        return type(layer).call(layer, inputs)
    finally:
        layer.activation = activation


def _relu_of(call: Callable[[Any], Any], inputs: Any) -> Any:
    return keras.ops.relu(call(inputs))


Step = Callable[[Any, Any, Any, Any], None]
"""``update_step`` of an optimizer: itself, gradient, variable, learning rate."""


def _fused_step(optimizer: keras.optimizers.Optimizer) -> Step | None:
    """TensorFlow's kernel for an optimizer as it is set, or None."""
    kind = type(optimizer)
    if kind is keras.optimizers.SGD and optimizer.momentum == 0:
        return _sgd
    if kind is keras.optimizers.Adam and not optimizer.amsgrad:
        return _adam
    if kind is keras.optimizers.RMSprop and optimizer.momentum == 0 and not optimizer.centered:
        return _RMSprop()
    return None


def _where_it_fits(fused: Step, stock: Callable[[Any, Any, Any], None]) -> Step:
    import tensorflow as tf

    def update_step(optimizer: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if isinstance(gradient, tf.IndexedSlices) or variable.dtype != tf.float32:
            stock(gradient, variable, learning_rate)
        else:
            fused(optimizer, tf.cast(gradient, tf.float32), variable, tf.cast(learning_rate, tf.float32))

    return update_step


def _sgd(optimizer: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
    import tensorflow as tf

    tf.raw_ops.ResourceApplyGradientDescent(var=_handle(variable), alpha=learning_rate, delta=gradient)


def _adam(optimizer: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
    import tensorflow as tf

    index = optimizer._get_variable_index(variable)
    step = tf.cast(optimizer.iterations + 1, tf.float32)
    tf.raw_ops.ResourceApplyAdam(
        var=_handle(variable),
        m=_handle(optimizer._momentums[index]),
        v=_handle(optimizer._velocities[index]),
        beta1_power=tf.pow(optimizer.beta_1, step),
        beta2_power=tf.pow(optimizer.beta_2, step),
        lr=learning_rate,
        beta1=optimizer.beta_1,
        beta2=optimizer.beta_2,
        epsilon=optimizer.epsilon,
        grad=gradient,
    )


class _RMSprop:
    """The kernel keeps a momentum, which is of no use here but wants a place: as many numbers as the weights."""

    def __init__(self) -> None:
        self._places: dict[int, Any] = {}

    def __call__(self, optimizer: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        import tensorflow as tf

        index = optimizer._get_variable_index(variable)
        if index not in self._places:
            with tf.init_scope():  # while the step is traced, and once only
                self._places[index] = tf.Variable(tf.zeros(variable.shape))
        tf.raw_ops.ResourceApplyRMSProp(
            var=_handle(variable),
            ms=_handle(optimizer._velocities[index]),
            mom=_handle(self._places[index]),
            lr=learning_rate,
            rho=optimizer.rho,
            momentum=0.0,
            epsilon=optimizer.epsilon,
            grad=gradient,
        )


def _handle(variable: Any) -> Any:
    """The resource of a variable, TensorFlow's or Keras's."""
    return variable.value.handle if isinstance(variable, keras.Variable) else variable.handle


class _LeanDropout:
    """``Dropout.call``: each unit is zero with probability ``rate``, else divided by what is left of 1.

    The layer's own seeds, one a step, decide; 64 random bits serve four units. With ``relu``, of relu's numbers.
    """

    relu = False

    def __init__(self, layer: keras.layers.Dropout) -> None:
        import tensorflow as tf

        self._layer = layer
        self._dropped = tf.Variable(0, trainable=False, dtype=tf.int32)  # of each 65536 units
        self.follow_rate()

    def follow_rate(self) -> None:
        """Take over the layer's rate."""
        self._dropped.assign(round(self._layer.rate * RESOLUTION))

    def __call__(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return keras.ops.relu(inputs) if self.relu else inputs
        import tensorflow as tf

        shape = tf.shape(inputs)
        units = tf.reduce_prod(shape)
        seed = tf.cast(self._layer.seed_generator.next(), tf.int64)
        numbers = tf.numpy_function(_random_numbers, [seed, units], tf.uint16)
        left = tf.greater_equal(tf.reshape(numbers, shape), tf.cast(self._dropped, tf.uint16))
        if self.relu:
            left = tf.logical_and(left, tf.greater(inputs, tf.zeros((), inputs.dtype)))
        scale = tf.cast(RESOLUTION / (RESOLUTION - self._dropped), inputs.dtype)
        # One product, whose gradient is one more: a choice between two would have to be made again for the gradient.
        return inputs * tf.where(left, scale, tf.zeros((), inputs.dtype))


def _random_numbers(seed: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Numbers below 65536, uint16 of shape (count,): the same ones for the same seed."""
    bits = np.random.SFC64(seed.tolist()).random_raw((int(count) + 3) // 4)
    return bits.view(np.uint16)[:count]

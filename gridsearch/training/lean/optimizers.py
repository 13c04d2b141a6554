"""Update the weights in one pass over them.

Keras's optimizers are written operation by operation, and each operation passes over all weights: Adam touches 45
million of them a dozen times a step. XLA makes one pass of what Keras wrote, and TensorFlow has kernels that are as
quick and need no compiling.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from gridsearch.training.keras_internals import find_slots, index_of
from gridsearch.training.lean.xla import has_xla

__all__ = ["fuse_update"]

LARGE = 2**20
"""Weights from this number on are worth a tenth of a second of XLA's time to compile their update."""

Step = Callable[[Any, Any, Any, Any], None]
"""A kernel's ``update_step``: optimizer, gradient, variable, learning rate."""


def fuse_update(optimizer: keras.optimizers.Optimizer) -> Callable[[Any, Any, Any], None]:
    """Return ``update_step`` of an optimizer: large weights by XLA, small ones by a kernel where there is one."""
    import tensorflow as tf

    stock, kernel = optimizer.update_step, _kernel(optimizer)
    large = LARGE if has_xla() else math.inf  # asked here, outside of any trace

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        if isinstance(gradient, tf.IndexedSlices) or tf.executing_eagerly():
            stock(gradient, variable, learning_rate)
        elif variable.shape.num_elements() >= large:
            _compiled(stock, gradient, variable, learning_rate)
        elif kernel is None or variable.dtype != tf.float32:
            stock(gradient, variable, learning_rate)
        else:
            kernel(optimizer, tf.cast(gradient, tf.float32), variable, tf.cast(learning_rate, tf.float32))

    return update_step


def _compiled(stock: Callable[[Any, Any, Any], None], gradient: Any, variable: Any, learning_rate: Any) -> None:
    import tensorflow as tf

    def update(gradient: Any, learning_rate: Any) -> None:
        stock(tf.cast(gradient, variable.dtype), variable, learning_rate)

    if gradient.op.type == "Cast":  # which would be a pass of its own
        gradient = gradient.op.inputs[0]
    tf.function(update, jit_compile=True)(gradient, tf.convert_to_tensor(learning_rate))


def _kernel(optimizer: keras.optimizers.Optimizer) -> Step | None:
    """Return TensorFlow's kernel for an optimizer as it is set, or None."""
    kind = type(optimizer)
    if kind is keras.optimizers.SGD and optimizer.momentum == 0:
        return _sgd
    if kind is keras.optimizers.Adam and not optimizer.amsgrad:
        return _adam
    if kind is keras.optimizers.RMSprop and optimizer.momentum == 0 and not optimizer.centered:
        return _RMSprop()
    return None


def _sgd(optimizer: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
    import tensorflow as tf

    tf.raw_ops.ResourceApplyGradientDescent(var=_handle(variable), alpha=learning_rate, delta=gradient)


def _adam(optimizer: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
    import tensorflow as tf

    momentum, velocity = find_slots(optimizer, variable, "momentums", "velocities")
    step = tf.cast(optimizer.iterations + 1, tf.float32)
    tf.raw_ops.ResourceApplyAdam(
        var=_handle(variable),
        m=_handle(momentum),
        v=_handle(velocity),
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

        index = index_of(optimizer, variable)
        (velocity,) = find_slots(optimizer, variable, "velocities")
        if index not in self._places:
            with tf.init_scope():  # while the step is traced, and once only
                self._places[index] = tf.Variable(tf.zeros(variable.shape))
        tf.raw_ops.ResourceApplyRMSProp(
            var=_handle(variable),
            ms=_handle(velocity),
            mom=_handle(self._places[index]),
            lr=learning_rate,
            rho=optimizer.rho,
            momentum=0.0,
            epsilon=optimizer.epsilon,
            grad=gradient,
        )


def _handle(variable: Any) -> Any:
    """Return the resource of a variable, TensorFlow's or Keras's."""
    return variable.value.handle if isinstance(variable, keras.Variable) else variable.handle

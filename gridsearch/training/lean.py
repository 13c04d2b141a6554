"""TensorFlow on a processor, made leaner without changing what is computed.

Keras's optimizers are written operation by operation, and each operation passes over all weights: Adam touches 45
million of them a dozen times a step. XLA makes one pass of what Keras wrote, and TensorFlow has kernels that are as
quick and need no compiling. Its dropout takes half a dozen passes and draws from a generator made for GPUs; one pass by
XLA does, with a hash of the unit's number for randomness. A relu before a pooling looks at four times the numbers that
it would see behind it. All are swapped in an instance, never in a class: what is saved is Keras's own layer and
optimizer, and what is not covered (sparse gradients, another backend, small weights with an optimizer that has no
kernel, such as SGD with momentum) stays with Keras.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import keras

__all__ = ["forgettable", "lean", "varied_dropouts"]

CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
POOLINGS = (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D, keras.layers.MaxPooling3D)

LARGE = 2**20
"""Weights from this number on are worth a tenth of a second of XLA's time to compile their update."""


def lean(model: keras.Model) -> keras.Model:
    """Swap what can be swapped in a compiled model and return it; on other backends nothing can."""
    if keras.backend.backend() == "tensorflow":
        forgettable(model)
        model.optimizer.update_step = _in_one_pass(model.optimizer)
        for layer in varied_dropouts(model):
            layer.call = _LeanDropout(layer)
        _pooling_first(model)
        if type(model).__module__.startswith("keras."):
            # Metrics that the first trace makes have Keras trace the step once more: as on other backends, ahead of it.
            model._maybe_symbolic_build = model._symbolic_build
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
            for optimizer in getattr(model.optimizer, "optimizers", [model.optimizer]):
                optimizer._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
    return model


def varied_dropouts(model: keras.Model) -> list[keras.layers.Dropout]:
    """The dropout layers that can be made lean, whose rate may then change without another trace.

    None on a GPU, for which Keras's own is made, and none without XLA.
    """
    if keras.backend.backend() != "tensorflow":
        return []
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU") or not _has_xla():
        return []
    layers = model._flatten_layers(include_self=False)
    return [la for la in layers if type(la) is keras.layers.Dropout and 0 < la.rate < 1 and la.noise_shape is None]


@cache
def _has_xla() -> bool:
    """Whether this TensorFlow can compile: it is not built with XLA for every system."""
    import tensorflow as tf

    try:
        tf.function(lambda: tf.zeros(()), jit_compile=True)()
    except tf.errors.OpError:
        return False
    return True


def _pooling_first(model: keras.Model) -> None:
    """Where a convolution's relu meets a maximum, take the maximum first: the same numbers and the same gradients.

    Of a row of layers only, where the pooling is all that sees the convolution. A dropout that comes next takes the
    relu over: what is negative is one more reason to be zero. The bias goes along in float32, where oneDNN takes up to
    twice as long for its gradient and the kernel's in one as for the two apart.
    """
    row = model.layers if type(model) is keras.Sequential else []
    for convolution, pooling, following in zip(row, row[1:], [*row[2:], None], strict=False):
        if (
            type(convolution) in CONVOLUTIONS
            and type(pooling) in POOLINGS
            and convolution.activation is keras.activations.relu
            and convolution.activity_regularizer is None
        ):
            dropout = getattr(following, "call", None)
            relu_here = not isinstance(dropout, _LeanDropout)
            if isinstance(dropout, _LeanDropout):
                dropout.relu = True
            bias_here = convolution.use_bias and convolution.compute_dtype == "float32"
            bias_here = bias_here and convolution.data_format == "channels_last"
            convolution.call = partial(_bare, convolution, not bias_here and convolution.use_bias)
            pooling.call = partial(_completed, pooling.call, convolution if bias_here else None, relu_here)


def _bare(layer: keras.layers.Layer, use_bias: bool, inputs: Any) -> Any:
    """``call`` of a convolution without its activation, and perhaps its bias."""
    kept = layer.activation, layer.use_bias
    layer.activation, layer.use_bias = None, use_bias
    try:
        return type(layer).call(layer, inputs)
    finally:
        layer.activation, layer.use_bias = kept


def _completed(call: Callable[[Any], Any], biased: keras.layers.Layer | None, relu: bool, inputs: Any) -> Any:
    """``call`` of a pooling, and then what the convolution before it left out."""
    pooled = call(inputs)
    if biased is not None:
        pooled = keras.ops.add(pooled, biased.bias)
    return keras.ops.relu(pooled) if relu else pooled


Step = Callable[[Any, Any, Any, Any], None]
"""A kernel's ``update_step``: optimizer, gradient, variable, learning rate."""


def _in_one_pass(optimizer: keras.optimizers.Optimizer) -> Callable[[Any, Any, Any], None]:
    """``update_step`` of an optimizer: large weights by XLA, small ones by a kernel where there is one."""
    import tensorflow as tf

    stock, kernel = optimizer.update_step, _kernel(optimizer)
    large = LARGE if _has_xla() else math.inf  # asked here, outside of any trace

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
    """TensorFlow's kernel for an optimizer as it is set, or None."""
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
        if not training:
            return keras.ops.relu(inputs) if self.relu else inputs
        import tensorflow as tf

        seed = tf.cast(self._layer.seed_generator.next(), tf.uint32)
        return _dropping()(inputs, seed, self._rate.read_value(), self.relu)


@cache
def _dropping() -> Callable[..., Any]:
    """``_dropped``, compiled once for a shape, with its gradient, and shared by all layers and models."""
    import tensorflow as tf

    compiled: Callable[..., Any] = tf.function(_dropped, jit_compile=True)
    return compiled


def _dropped(units: Any, seed: Any, rate: Any, relu: bool) -> Any:
    """Dropout of units; seed is uint32 of shape (2,), rate float32 below 1."""
    import tensorflow as tf

    rate = tf.stop_gradient(rate)
    # A key for the step and one to go on with, so that neighbouring seeds have nothing to do with each other.
    key = _hashed(seed[0] ^ _hashed(seed[1]))
    numbers = tf.cast(tf.range(tf.size(units)), tf.uint32)
    numbers = tf.reshape(_hashed(_hashed(numbers ^ key) + _hashed(key + 1)), tf.shape(units))
    left = numbers >= tf.cast(rate * 2.0**32, tf.uint32)
    if relu:
        left = tf.logical_and(left, tf.logical_not(units <= tf.zeros((), units.dtype)))  # NaN is not hidden
    return tf.where(left, units * tf.cast(1 / (1 - rate), units.dtype), tf.zeros((), units.dtype))


def _hashed(numbers: Any) -> Any:
    """Whole numbers, uint32, well mixed: the function that C. Wellons found by search and named lowbias32."""
    import tensorflow as tf

    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        numbers = (numbers ^ tf.bitwise.right_shift(numbers, shift)) * factor
    return numbers ^ tf.bitwise.right_shift(numbers, 16)

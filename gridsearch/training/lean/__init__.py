"""Make TensorFlow leaner on a processor, without changing what is computed.

``optimizers`` pass over the weights once a step, ``dropout`` over its units, and of a convolution with a relu and a
``pooling`` behind it the gradient is computed from what is not zero (``sparse``). All are swapped in an instance, never
in a class: what is saved is Keras's own layer and optimizer, and what is not covered (another backend, a GPU's dropout,
small weights with an optimizer that has no kernel, such as SGD with momentum) stays with Keras.
"""

from __future__ import annotations

import keras

from gridsearch.training.keras_internals import flatten_layers, skip_gradient_sum, trace_ahead
from gridsearch.training.lean.dropout import LeanDropout, find_dropouts
from gridsearch.training.lean.optimizers import fuse_update
from gridsearch.training.lean.pooling import CONVOLUTIONS, POOLINGS, pool_before_relu

__all__ = ["find_dropouts", "make_lean", "release_on_free"]


SWAPPED = (*CONVOLUTIONS, *POOLINGS, keras.layers.Dropout)


def make_lean(model: keras.Model) -> keras.Model:
    """Swap what can be swapped in a compiled model and return it; on other backends nothing can."""
    if keras.backend.backend() == "tensorflow":
        release_on_free(model)
        for layer in flatten_layers(model, include_self=False):
            if type(layer) in SWAPPED:  # a network that was made lean may have lent its layers to this one
                vars(layer).pop("call", None)
        model.optimizer.update_step = fuse_update(model.optimizer)
        for layer in find_dropouts(model):
            layer.call = LeanDropout(layer)
        pool_before_relu(model)
        if type(model).__module__.startswith("keras."):
            trace_ahead(model)
    return model


def release_on_free(model: keras.Model) -> keras.Model:
    """Let a compiled model be freed when nobody needs it any more, and return it.

    Without it each model that was trained would keep its weights and its optimizer's for good, see
    ``skip_gradient_sum``. With a strategy of distribution the sum is needed, and stays.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.distribute.has_strategy():
            for optimizer in getattr(model.optimizer, "optimizers", [model.optimizer]):
                skip_gradient_sum(optimizer)
    return model

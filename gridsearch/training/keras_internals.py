"""What Keras 3 and TensorFlow 2 keep private and training needs, in one place.

Each function names what it uses upstream and why nothing public serves. ``tests/training/test_keras_internals.py``
fails with a sentence when a new version moves one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras.src.legacy.preprocessing.image import DirectoryIterator, ImageDataGenerator

__all__ = [
    "OVERRIDDEN",
    "DirectoryIterator",
    "ImageDataGenerator",
    "find_slots",
    "flatten_layers",
    "index_of",
    "keep_pictures",
    "list_seed_states",
    "needs_gradient",
    "record_operation",
    "skip_gradient_sum",
    "trace_ahead",
]

# ``keras.src.legacy.preprocessing.image.ImageDataGenerator`` and ``DirectoryIterator``: ``tf.keras`` exports them, but
# importing it costs TensorFlow, which training on JAX and PyTorch does without.

OVERRIDDEN = {
    "DirectoryIterator._get_batches_of_transformed_samples": "makes a batch of the pictures that the iterator chose",
}
"""Private methods of Keras's that subclasses here replace, each with what it does upstream."""


def flatten_layers(model: keras.Model, *, include_self: bool = True) -> list[keras.layers.Layer]:
    """Return a model's layers with those inside of nested models.

    Upstream: ``keras.Layer._flatten_layers``. ``Model.layers`` lists a nested model as one layer.
    """
    return list(model._flatten_layers(include_self=include_self))


def list_seed_states(model: keras.Model) -> list[keras.Variable]:
    """Return the state of every random generator in a model, so that a checkpoint can keep it.

    Upstream: ``keras.Layer._seed_generators``. They are no weights, and nothing public lists them.
    """
    return [generator.state for layer in flatten_layers(model) for generator in layer._seed_generators]


def trace_ahead(model: keras.Model) -> None:
    """Have a compiled model make its metrics' variables before its first step is traced.

    Upstream: ``keras.Model._maybe_symbolic_build`` and ``_symbolic_build``. On TensorFlow ``fit`` leaves that out, and
    traces the step a second time when the metrics have made their variables.
    """
    model._maybe_symbolic_build = model._symbolic_build


def skip_gradient_sum(optimizer: keras.optimizers.Optimizer) -> None:
    """Leave out the sum of gradients over replicas, of which there is one.

    Upstream: ``TFOptimizer._all_reduce_sum_gradients``. TensorFlow registers a gradient for this sum that lives as long
    as the process, with everything that the step refers to: no model that was trained would ever be freed.
    """
    optimizer._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars


def find_slots(optimizer: keras.optimizers.Optimizer, variable: Any, *names: str) -> list[Any]:
    """Return an optimizer's slots of a variable, such as its momentum, by their names without underscore.

    Upstream: ``Optimizer._get_variable_index``, ``Adam._momentums`` and ``_velocities``, ``RMSprop._velocities``.
    ``Optimizer.variables`` has them under names that users choose.
    """
    index = optimizer._get_variable_index(variable)
    return [getattr(optimizer, f"_{name}")[index] for name in names]


def index_of(optimizer: keras.optimizers.Optimizer, variable: Any) -> int:
    """Return the place of a variable among those that an optimizer updates.

    Upstream: ``Optimizer._get_variable_index``.
    """
    return int(optimizer._get_variable_index(variable))


def keep_pictures(iterator: DirectoryIterator, kept: Iterable[int]) -> None:
    """Leave only these pictures, by number, in a stock iterator that has drawn nothing yet.

    Upstream: ``DirectoryIterator._filepaths``, from which ``filepaths`` reads.
    """
    numbers = list(kept)
    iterator.filenames = [iterator.filenames[number] for number in numbers]
    iterator._filepaths = [iterator._filepaths[number] for number in numbers]
    iterator.classes = iterator.classes[numbers]
    iterator.samples = iterator.n = len(numbers)


def record_operation(name: str, inputs: list[Any], compute: Callable[[], Any], backward: Callable[..., Any]) -> Any:
    """Return ``compute()``, recorded as one operation whose gradient is ``backward``.

    Upstream: ``tensorflow.python.eager.record``: ``stop_recording`` and ``record_operation``. ``tf.custom_gradient``
    does the same, but registers the gradient for the life of the process, with the model that it refers to.

    Args:
        name: of the operation.
        inputs: tensors that ``backward`` returns a gradient for each of.
        compute: computes one tensor.
        backward: from the gradient of that tensor to those of the inputs.
    """
    from tensorflow.python.eager import record

    with record.stop_recording():
        result = compute()
    record.record_operation(name, [result], inputs, backward)
    return result


def needs_gradient(tensor: Any) -> bool:
    """Return whether a gradient flows back to this tensor: not to pictures, nor behind layers that are not trained.

    Upstream: ``tensorflow.python.eager.record.should_record_backprop``.
    """
    from tensorflow.python.eager import record

    return bool(record.should_record_backprop([tensor]))

"""Find whether TensorFlow can compile."""

from __future__ import annotations

from functools import cache

__all__ = ["has_xla"]


@cache
def has_xla() -> bool:
    """Return whether this TensorFlow can compile: it is not built with XLA for every system."""
    import tensorflow as tf

    try:
        tf.function(lambda: tf.zeros(()), jit_compile=True)()
    except tf.errors.OpError:
        return False
    return True

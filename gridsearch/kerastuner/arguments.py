"""Describe the arguments of ``search`` for the recipe, which decides whether a search may be resumed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["describe_arguments", "digest"]

NOT_DECIDING = frozenset({"callbacks", "verbose"})
"""Arguments of ``search`` that do not decide a result."""


def describe_arguments(args: Sequence[Any], kwargs: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a search is given, by name: numbers as they are, arrays by their digest, streams by their shape.

    Args:
        args: positional arguments of ``search``.
        kwargs: the others.
        recorded: the recipe of the record, {} if there is none. Versions before 0.2 recorded a data set by the name of
            its class alone: such an entry is kept where the class is still the same.
    """
    named = {str(n): value for n, value in enumerate(args)} | dict(kwargs)
    recipe = {}
    for name, value in named.items():
        if name not in NOT_DECIDING:
            key = f"search.{name}"
            plain = recorded.get(key) == type(value).__name__ and not isinstance(value, str)
            recipe[key] = recorded[key] if plain else digest(value)
    return recipe


def digest(value: Any) -> Any:
    """Return a value that a record can hold in place of an argument of ``search``: itself, or a digest of it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [digest(item) for item in value]
    if isinstance(value, dict):
        return {str(key): digest(item) for key, item in value.items()}
    if hasattr(value, "__array__"):
        array = np.ascontiguousarray(value)
        content = repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()  # not its addresses
        return f"{array.shape} {array.dtype} {hashlib.sha256(content).hexdigest()[:20]}"
    return " ".join([type(value).__name__, *_describe_stream(value)])


def _describe_stream(value: Any) -> list[str]:
    """Return what is known of a data set without reading it: of tf.data its elements and length, of others a length."""
    if hasattr(value, "element_spec") and hasattr(value, "cardinality"):
        return [f"of {int(value.cardinality())}", str(value.element_spec)]
    try:
        return [f"of {len(value)}"]
    except (TypeError, NotImplementedError):
        return []

"""Raise errors that are gridsearch's and KerasTuner's at once, so that scripts written for KerasTuner catch them."""

from __future__ import annotations

import copy
from typing import TypeVar

from gridsearch.errors import GridsearchError

__all__ = ["like_upstream"]

Error = TypeVar("Error", bound=GridsearchError)


def like_upstream(error: Error, upstream: Exception) -> Error:
    """Return an error of the same class, message and attributes that is an instance of an upstream error's class, too.

    Args:
        error: of gridsearch.
        upstream: what KerasTuner raised, or would raise.
    """
    kind = type(error)
    try:
        both = type(kind.__name__, (kind, type(upstream)), {"__module__": kind.__module__})
        merged = both.__new__(both, *error.args)
    except TypeError:  # classes whose objects are laid out otherwise, UnicodeDecodeError for one
        return error
    merged.__dict__.update(copy.copy(error.__dict__))
    merged.args = error.args
    return merged  # type: ignore[no-any-return]  # made by type()

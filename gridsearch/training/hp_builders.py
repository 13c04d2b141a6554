"""Tell a ``build_model(hp)`` of KerasTuner's users from a ``build(values, shape, classes)``, without KerasTuner."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from inspect import Parameter
from types import CodeType
from typing import Any

__all__ = ["find_hp_builder", "takes_hp"]

ASKING = frozenset({"Choice", "Int", "Float", "Boolean", "Fixed", "conditional_scope", "name_scope"})
"""Methods of ``hp``: a function that names one of them asks for hyperparameters, whatever its parameter is called."""


def find_hp_builder(build: Any) -> Callable[[Any], Any] | None:
    """Return the ``build(hp)`` of what a sweep file names, or None if it is no such thing.

    Args:
        build: a function, a bound method, a ``keras_tuner.HyperModel`` or a class of such.

    Raises:
        TypeError: a HyperModel with a ``fit`` of its own, which a sweep would not call.
    """
    if isinstance(build, type) and _is_hypermodel(build):
        build = build()
    if _is_hypermodel(type(build)):
        if not type(build).fit.__module__.startswith("keras_tuner."):
            raise TypeError(
                f"{type(build).__name__} has a fit() of its own, which a sweep does not call: search it with "
                "gridsearch.kerastuner.Tuner, or move what it decides into build() and [training]"
            )
        return build.build  # type: ignore[no-any-return]  # KerasTuner is not typed
    return build if callable(build) and takes_hp(build) else None


def _is_hypermodel(kind: type) -> bool:
    return any(base.__name__ == "HyperModel" and base.__module__.startswith("keras_tuner.") for base in kind.__mro__)


def takes_hp(build: Callable[..., Any]) -> bool:
    """Return whether a function is written as ``build_model(hp)``, whatever its parameter is called."""
    parameters = list(inspect.signature(build).parameters.values())
    if not parameters or parameters[0].kind not in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
        return False
    first, *others = parameters
    variadic = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    if any(other.default is Parameter.empty and other.kind not in variadic for other in others):
        return False
    if first.name == "hp" or "HyperParameters" in str(first.annotation):
        return True
    return bool(ASKING & set(_names(getattr(inspect.unwrap(build), "__code__", None))))


def _names(code: CodeType | None) -> Iterator[str]:
    """Yield the attributes and globals that a function names, and those of the functions inside it."""
    if code is not None:
        yield from code.co_names
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                yield from _names(inner)

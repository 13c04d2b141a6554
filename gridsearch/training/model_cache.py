"""Keep a worker's last model, so that the next trial need not trace its step again.

Tracing takes seconds, and most neighbours in a grid differ in numbers only: learning rate, dropout rate, initial
weights. A new model that is otherwise the same as the last one lends it its numbers and is thrown away; what is
trained is the same to the last bit, with less waiting. Only models of Keras's own layers are compared: what code of
the user's does, its configuration need not say.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import keras

from gridsearch.training.keras_internals import flatten_layers
from gridsearch.training.lean import find_dropouts, make_lean

__all__ = ["ModelCache"]

MASKED = "a number"


class ModelCache:
    """Where the last model stays between trials."""

    def __init__(self) -> None:
        self._model: keras.Model | None = None
        self._signature = ""

    def prepare(self, fresh: keras.Model) -> keras.Model:
        """Return a model to train in place of a compiled one: that one made lean, or the last one with its numbers."""
        fresh.optimizer.build(fresh.trainable_variables)
        signature = _signature(fresh)
        if self._model is not None and signature and signature == self._signature:
            _lend(fresh, self._model)
            return self._model
        self.clear()
        self._signature = signature
        return make_lean(fresh)

    def keep(self, model: keras.Model) -> None:
        """Keep a model that has been trained to its end."""
        if self._signature:
            self._model = model

    def clear(self) -> None:
        """Let go of what is kept."""
        self._model, self._signature = None, ""


def _lend(fresh: keras.Model, kept: keras.Model) -> None:
    """Give one model the numbers of another of the same signature: weights, seeds, optimizer's state and rates."""
    for one, other in ((fresh, kept), (fresh.optimizer, kept.optimizer)):
        for theirs, ours in zip(one.variables, other.variables, strict=True):
            ours.assign(theirs.value)
    for theirs, ours in zip(find_dropouts(fresh), find_dropouts(kept), strict=True):
        ours.rate = theirs.rate
        ours.call.follow_rate()


def _signature(model: keras.Model) -> str:
    """Return everything about a model but its numbers, as text; empty if that cannot be said."""
    parts = [model, model.optimizer, *flatten_layers(model, include_self=False)]
    if not all(type(part).__module__.startswith("keras.") for part in parts):
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of lambdas: this is no saving
            described = {"model": model.get_config(), "compiled": model.get_compile_config()}
        if _names_foreign_code(described):
            return ""
        _mask(described, {layer.name for layer in find_dropouts(model)})
        return json.dumps(described, sort_keys=True)
    except (TypeError, ValueError, NotImplementedError):  # a configuration that is not plain data
        return ""


def _names_foreign_code(described: Any) -> bool:
    """Return whether functions or classes are named that are not Keras's: a lambda, a loss of the user's own."""
    if isinstance(described, dict):
        module, kind = described.get("module", "keras"), described.get("class_name")
        foreign = not str(module).startswith("keras") or kind in ("function", "__lambda__", "Lambda")
        return foreign or any(_names_foreign_code(part) for part in described.values())
    if isinstance(described, list | tuple):
        return any(_names_foreign_code(part) for part in described)
    return False


def _mask(described: Any, dropouts: set[str]) -> None:
    """Put a word in the place of the numbers that a model can take from another."""
    if isinstance(described, dict):
        config = described.get("config")
        if isinstance(config, dict):
            if isinstance(config.get("learning_rate"), float):  # and not a schedule
                config["learning_rate"] = MASKED
            if described.get("class_name") == "Dropout" and config.get("name") in dropouts:
                config["rate"] = MASKED
        described = list(described.values())
    if isinstance(described, list | tuple):
        for part in described:
            _mask(part, dropouts)

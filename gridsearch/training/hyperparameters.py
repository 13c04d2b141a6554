"""Turn a combination into the ``hp`` with which KerasTuner's users write their models."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner

from gridsearch.hparams.domain import Value

__all__ = ["Hyperparameters", "takes_hp"]


def takes_hp(build: Callable[..., Any]) -> bool:
    """Return whether a function is written as ``build_model(hp)``."""
    return list(inspect.signature(build).parameters) == ["hp"]


class Hyperparameters(keras_tuner.HyperParameters):  # type: ignore[misc]  # KerasTuner is not typed
    """KerasTuner's, with the values of a combination, and a complaint where KerasTuner would return what was not meant.

    Args:
        values: of a combination; what it does not name takes its default.
    """

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        super().__init__()
        self.values = dict(values or {})

    @property
    def asked(self) -> set[str]:
        """Names of all that the model has declared."""
        return {hp.name for hp in self.space}

    def _retrieve(self, hp: Any) -> Any:
        same = [one for one in self.space if one.name == hp.name and one.conditions == hp.conditions]
        if same and same[0].get_config() != hp.get_config():
            raise ValueError(f"{hp.name!r} is declared twice, as {same[0]!r} and as {hp!r}: give one another name")
        return super()._retrieve(hp)

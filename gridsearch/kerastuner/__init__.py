"""Bring KerasTuner's users along: its ``build_model(hp)`` and its oracles, with a record that survives.

from gridsearch.kerastuner import Tuner

tuner = Tuner(oracle=RandomSearch(objective="val_accuracy", max_trials=4), hypermodel=build_model, logdir="logs/mine")
tuner.search(train_x, train_y, batch_size=32, epochs=5, validation_split=0.1)
tuner.get_best_models()[0].predict(test_x)

domains      what ``hp.Choice``, ``hp.Int``, ... declare, as HParams; conditional scopes as several grids
discovery    asks a ``build_model(hp)`` what it declares, in a process of its own
recording    a tuner's trials in sweep.db, TensorBoard and other writers
tuner        ``keras_tuner.Tuner`` that records, and goes on where it was killed
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridsearch.kerastuner.tuner import Tuner

__all__ = ["Tuner", "trained_by_script"]


def __getattr__(name: str) -> Any:
    if name != "Tuner":
        raise AttributeError(f"module 'gridsearch.kerastuner' has no attribute {name!r}")
    return import_module("gridsearch.kerastuner.tuner").Tuner


def trained_by_script(values: object, report: object) -> None:
    """Refuse to train: the trials of a tuner's record can be trained again by its own script only.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("these trials were trained by a gridsearch.kerastuner.Tuner: run its script again")

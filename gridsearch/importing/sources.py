"""Recognise what a source is, and read it: a KerasTuner project or an Optuna study."""

from __future__ import annotations

from pathlib import Path

from gridsearch.importing.records import ForeignSweep
from gridsearch.strategies.factory import make_or_refuse

__all__ = ["read_source"]


def read_source(source: str, metric: str | None, study: str | None) -> ForeignSweep:
    """Return the trials that were trained elsewhere.

    Args:
        source: the directory of a KerasTuner project or its oracle's file, or an Optuna storage or file.
        metric: the objective's name; None is the source's own.
        study: name of the Optuna study, where there are several.

    Raises:
        UserError: it is neither, it cannot be read, or Optuna is not installed.
    """
    from gridsearch.importing.kerastuner import ORACLE, read_project

    folder = Path(source)
    if folder.is_dir() or folder.name == ORACLE:
        return read_project(folder.parent if folder.name == ORACLE else folder, metric)

    def read() -> ForeignSweep:
        from gridsearch.importing.optuna import read_study

        return read_study(source, study, metric)

    return make_or_refuse("import", {}, read)

"""Work that was done elsewhere, as a record: one file per kind of source.

kerastuner.py    a project directory of KerasTuner's          read as the JSON that it is
optuna.py        a study in a database or a journal file      read by Optuna
records.py       what either found ──► sweep.db, TensorBoard
"""

from __future__ import annotations

__all__ = ["trained_elsewhere"]


def trained_elsewhere(values: object, report: object) -> None:
    """What trained imported trials, as far as this house knows.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("these trials were imported: name the sweep file they belong to with import --sweep")

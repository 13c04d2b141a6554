"""Record work that was done elsewhere: one file for each kind of source.

kerastuner.py    a project directory of KerasTuner's          read as the JSON that it is
optuna.py        a study in a database or a journal file      read by Optuna
sources.py       recognises what a source is
records.py       what either found ──► sweep.db, TensorBoard
"""

from __future__ import annotations

__all__ = ["trained_elsewhere"]


def trained_elsewhere(values: object, report: object) -> None:
    """Refuse to train: what trained imported trials is not known here.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("these trials were imported: name the sweep file they belong to with import --sweep")

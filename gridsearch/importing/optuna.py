"""A study of Optuna's: in a database (``sqlite:///study.db``, or the file's path) or in a journal file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from gridsearch.errors import UserError
from gridsearch.hparams.combination import Combination
from gridsearch.hparams.domain import HParam
from gridsearch.importing.records import ForeignSweep, ForeignTrial
from gridsearch.strategies.optuna_distributions import domain_of
from gridsearch.trials import Status

__all__ = ["read_study"]

STATUSES = {
    TrialState.COMPLETE: Status.COMPLETED,
    TrialState.PRUNED: Status.STOPPED,
    TrialState.FAIL: Status.FAILED,
}


def read_study(source: str, name: str | None, metric: str | None) -> ForeignSweep:
    """Return the trials of a study that have ended.

    Args:
        source: a storage URL, or the path of an SQLite or journal file.
        name: of the study, where there are several.
        metric: what its objective is called; None is ``objective``.

    Raises:
        UserError: there is no such study, it has several objectives, or a parameter that is None.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    wanted = metric or "objective"
    try:
        storage = _storage(source)
        names = [summary.study_name for summary in optuna.get_all_study_summaries(storage=storage)]
        study = optuna.load_study(study_name=_choose_name(names, name, source), storage=storage)
        maximize = study.direction is optuna.study.StudyDirection.MAXIMIZE
    except UserError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise UserError(f"cannot be read as a study: {type(error).__name__}: {said}", where=source) from error
    ended = [trial for trial in study.trials if trial.state in STATUSES and trial.params]
    trials = [_read_trial(trial, wanted) for trial in ended]
    return ForeignSweep(f"{source} {study.study_name}", _grids(ended, source), wanted, maximize, trials)


def _choose_name(names: list[str], name: str | None, source: str) -> str:
    """Return the study that is meant, of those that there are."""
    if not names:
        raise UserError("holds no study", where=source)
    chosen = names[0] if name is None and len(names) == 1 else name
    if chosen not in names:
        problem = f"holds no study {name!r}" if name else "holds several studies"
        raise UserError(problem, where=source, cure=f"Name one with --study: {', '.join(names)}.")
    return chosen


def _storage(source: str) -> Any:
    path = source.removeprefix("sqlite:///").partition("?")[0]
    file = Path(path)
    if "://" not in path and not file.is_file():  # Optuna would make one
        raise UserError("there is no such file", where=source)
    if "://" in source:
        return source
    with file.open("rb") as opened:
        if opened.read(15) == b"SQLite format 3":
            return f"sqlite:///{file}"
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    return JournalStorage(JournalFileBackend(str(file)))


def _read_trial(trial: Any, metric: str) -> ForeignTrial:
    epochs = {int(step): {metric: float(value)} for step, value in trial.intermediate_values.items()}
    if trial.state is TrialState.COMPLETE:
        epochs[max(epochs, default=0)] = {metric: float(trial.value)}
    began = trial.datetime_start.timestamp() if trial.datetime_start else None
    ended = trial.datetime_complete.timestamp() if trial.datetime_complete else None
    message = str(trial.system_attrs.get("fail_reason", "")) or "it failed there"
    return ForeignTrial(Combination(trial.params), STATUSES[trial.state], epochs, message, began, ended)


def _grids(trials: Iterable[Any], source: str) -> list[list[HParam]]:
    """Return a grid for each set of parameters that occurs, since Optuna's spaces may depend on their own values."""
    found: dict[tuple[str, ...], dict[str, HParam]] = {}
    for trial in trials:
        grid = found.setdefault(tuple(sorted(trial.params)), {})
        for name, distribution in trial.distributions.items():
            if name not in grid:
                try:
                    grid[name] = HParam(name, domain_of(distribution))
                except (ValueError, TypeError) as error:
                    raise UserError(f"parameter {name!r}: {error}", where=source) from None
    if not found:
        raise UserError("no trial of it has ended", where=source)
    return [list(grid.values()) for grid in found.values()]

"""Records made up in memory: trials with values and metrics, without a sweep that trained them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gridsearch.hparams.combination import Combination
from gridsearch.hparams.domain import HParam, Value
from gridsearch.hparams.grid import Grid
from gridsearch.record.reader import Record
from gridsearch.trials import Objective, Outcome, Session, SessionRecord, Status, Trial, TrialRecord

Response = Callable[[Mapping[str, Any], int], float]


def recorded(hparams: Sequence[HParam], response: Response, repeats: int = 1, **fields: Any) -> Record:
    """Every combination, with ``response(values, repeat)`` as accuracy; the n-th trial took n seconds."""
    trials = [
        made(
            number, values, [{"accuracy": float(response(values, r)), "seconds": float(number)} for r in range(repeats)]
        )
        for number, values in enumerate(Grid(hparams), 1)
    ]
    return record_of(hparams, trials, **fields)


def made(number: int, values: Combination, metrics: Sequence[Mapping[str, float]]) -> TrialRecord:
    """A completed trial with metrics for each repeat."""
    trial = Trial(number, values)
    return TrialRecord(
        trial,
        tuple(
            SessionRecord(Session(trial, r, 1, r), Outcome(Status.COMPLETED, metrics=each), 0.0, 1.0, delivered=True)
            for r, each in enumerate(metrics)
        ),
    )


def record_of(hparams: Sequence[HParam], trials: Iterable[TrialRecord], **fields: Any) -> Record:
    """A record of these trials."""
    known = {
        "logdir": Path("logdir"),
        "objective": Objective(),
        "recipe": {},
        "tables": {},
        "folder": Path(),
        "held": False,
    }
    return Record(hparams=tuple(hparams), trials=tuple(trials), **{**known, **fields})


def value(text: str) -> Value:
    """A cell of a CSV file as the value it was."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

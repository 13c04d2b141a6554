"""Collect what the page draws from the record, as JSON: columns of trials, analyses, curves, failures, cost.

Everything is plain text and numbers; nothing here is markup, and the page puts all of it in place as text.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gridsearch.errors import UserError, hide_passwords
from gridsearch.hparams.domain import HParam
from gridsearch.record.reader import Record
from gridsearch.report.analysis.correlation import correlation
from gridsearch.report.analysis.effects import effects, fastest_best
from gridsearch.report.analysis.importance import METHOD, importance
from gridsearch.report.analysis.table import Column, Table, metrics_of, tabulate
from gridsearch.report.analysis.variance import separation, variance
from gridsearch.trials import Objective, SessionRecord, Status, TrialRecord

__all__ = ["Epochs", "Facts", "collect_facts"]

Facts = dict[str, Any]
Epochs = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Session -> epoch from 0 -> metrics, as ``read_epochs`` gives them."""

MOST_POINTS = 250_000
"""Numbers of all learning curves together; longer ones are thinned to keep the page small."""

MOST_CURVES = 6
"""Metrics that have learning curves."""

MOST_LOGS, LOG_BYTES = 100, 4096
"""Failed sessions whose log is quoted, and how much of its end."""

WIDE = 10.0
"""How many times its smallest the largest of a list of numbers must be for its axis to be logarithmic."""


def collect_facts(record: Record, epochs: Epochs, now: float | None = None) -> Facts:
    """Return everything that the page shows of a record.

    Args:
        record: the sweep.
        epochs: its sessions' epochs.
        now: seconds since 1970 that running sessions are taken to have lasted to.
    """
    now = time.time() if now is None else now
    metrics = metrics_of(record)
    columns = [
        Column(h, tuple(trial.trial.values.get(h.name, h.default) for trial in record.trials)) for h in record.hparams
    ]
    separated, at = separation(record), _index(record)
    return {
        "title": record.logdir.resolve().name or str(record.logdir),
        "at": now,
        "running": record.held,
        "objective": {"metric": record.objective.metric, "maximize": record.objective.maximize},
        "counts": Counter(str(trial.status) for trial in record.trials),
        "metrics": metrics,
        "lower": [metric for metric in metrics if not _more_is_better(record.objective, metric)],
        "hparams": [_axis(column) for column in columns],
        "trials": _trials(record, columns, metrics),
        "ranked": [at[trial.trial.number] for trial in record.ranked()],
        "analysis": {metric: _analysis(tabulate(record, metric)) for metric in metrics},
        "method": METHOD,
        "winner": separated.sentence if separated else None,
        "front": {metric: _front(record, metric) for metric in metrics if metric != "seconds"},
        "curves": _curves(record, epochs),
        "failures": _failures(record),
        "recipe": {key: _text(value) for key, value in record.recipe.items()},
        "provenance": _provenance(record),
        "cost": _cost(record, now),
    }


def _index(record: Record) -> dict[int, int]:
    return {trial.trial.number: index for index, trial in enumerate(record.trials)}


def _more_is_better(objective: Objective, metric: str) -> bool:
    return objective.maximize and metric in (objective.metric, f"best_{objective.metric}")


def _text(value: object) -> str:
    return hide_passwords(value if isinstance(value, str) else repr(value))


def _finite(value: float | None) -> float | None:
    """Return a number with all digits; None for what JSON cannot write."""
    return value if value is not None and math.isfinite(value) else None


def _short(value: float | None) -> float | None:
    """Return six significant digits, more than a pixel can show; None for what JSON cannot write."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None


def _axis(column: Column) -> Facts:
    labels, _ = column.levels
    return {
        "name": column.name,
        "title": column.hparam.display_name or column.name,
        "about": column.hparam.description or "",
        "category": column.categorical,
        "log": not column.categorical and _is_logarithmic(column.hparam, column.values),
        "levels": labels,
    }


def _is_logarithmic(hparam: HParam, values: Iterable[Any]) -> bool:
    """Return whether this is a log domain, or a list of positive numbers that spans decades, as in 0.1, 0.01, 0.001."""
    known = [float(value) for value in values if value is not None]
    if not known or min(known) <= 0:
        return False
    declared = getattr(hparam.domain, "log", None)
    return declared if declared is not None else max(known) / min(known) >= WIDE


def _trials(record: Record, columns: Sequence[Column], metrics: Iterable[str]) -> Facts:
    trials = record.trials
    return {
        "name": [trial.trial.name for trial in trials],
        "status": [str(trial.status) for trial in trials],
        "kind": [str(trial.failure.outcome.kind) if trial.failure else "" for trial in trials],
        "n": [len(trial.results) for trial in trials],
        "values": [None if column.categorical else column.values for column in columns],
        "levels": [column.levels[1] for column in columns],
        "mean": {metric: [_finite(trial.mean(metric)) for trial in trials] for metric in metrics},
        "deviation": {metric: [_finite(trial.deviation(metric)) for trial in trials] for metric in metrics},
    }


def _analysis(table: Table) -> Facts:
    """Return what each analysis found, or in what words it refused."""
    return {
        "n": table.n,
        "left_out": table.left_out,
        "importance": _or_words(lambda: importance(table).shares),
        "correlation": _or_words(lambda: correlation(table)),
        "variance": _or_words(lambda: variance(table).as_facts()),
        "effects": [asdict(effect) for effect in effects(table)],
    }


def _or_words(found: Callable[[], Any]) -> Facts:
    try:
        return {"found": found(), "refused": None}
    except UserError as error:
        return {"found": None, "refused": f"{error.where}: {error.problem}. {error.cure}"}


def _front(record: Record, metric: str) -> list[int]:
    """Return the Pareto front of time and a metric as indices of trials, fastest first."""
    at = _index(record)
    better = _more_is_better(record.objective, metric)
    return [at[trial.trial.number] for trial in fastest_best(record, metric, maximize=better)]


def _curves(record: Record, epochs: Epochs) -> Facts:
    """Return sessions that have reported epochs, with the metrics that most of them have, the objective first."""
    sessions = [(i, s) for i, trial in enumerate(record.trials) for s in trial.latest.values() if epochs.get(s.name)]
    common = Counter(name for _, session in sessions for name in epochs[session.name][max(epochs[session.name])])
    first = [f"val_{record.objective.metric}", record.objective.metric, "val_loss", "loss"]
    wanted = [name for name in first if name in common]
    wanted = (wanted + [name for name, _ in common.most_common() if name not in wanted])[:MOST_CURVES]
    total = len(wanted) * sum(len(epochs[session.name]) for _, session in sessions)
    step = max(1, math.ceil(total / MOST_POINTS))
    return {"metrics": wanted, "step": step, "sessions": [_curve(i, s, epochs, wanted, step) for i, s in sessions]}


def _curve(index: int, session: SessionRecord, epochs: Epochs, wanted: Iterable[str], step: int) -> Facts:
    known = epochs[session.name]
    listed = sorted(known)
    kept = [epoch for place, epoch in enumerate(listed) if place % step == 0 or place == len(listed) - 1]
    points = {name: [_short(known[epoch].get(name)) for epoch in kept] for name in wanted}
    return {"trial": index, "name": session.name, "epochs": [epoch + 1 for epoch in kept], "points": points}


def _failures(record: Record) -> list[Facts]:
    failed = [(trial, trial.failure) for trial in record.trials if trial.failure is not None]
    return [
        {
            "trial": trial.trial.name,
            "session": failure.name,
            "kind": str(failure.outcome.kind),
            "message": hide_passwords(failure.outcome.message),
            "log": _log(record.logdir, failure.name) if place < MOST_LOGS else "",
        }
        for place, (trial, failure) in enumerate(failed)
    ]


def _log(logdir: Path, session: str) -> str:
    """Return the end of a session's log; empty if there is none, or if it leads out of the log directory by a link."""
    file = logdir / session / "log.txt"
    try:
        if not file.resolve().is_relative_to(logdir.resolve()) or not file.is_file():
            return ""
        with file.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_BYTES))
            return hide_passwords(log.read(LOG_BYTES).decode("utf-8", "replace"))
    except OSError:
        return ""


OF_ITS_OWN = {"pid", "classes"}
"""Provenance of a session that says nothing of what it ran on."""


def _provenance(record: Record) -> dict[str, str]:
    """Return what the sessions ran on and from; several answers where they differ."""
    found: dict[str, list[str]] = {}
    for session in record.sessions:
        for key, value in session.outcome.provenance.items():
            if key not in OF_ITS_OWN and value is not None:
                known, text = found.setdefault(key, []), _text(value)
                if text not in known and len(known) < 5:
                    known.append(text)
    return {key: "; ".join(values) for key, values in sorted(found.items())}


def _cost(record: Record, now: float) -> Facts:
    """Return seconds: of all sessions, of those that came to nothing, from the first beginning to the last end."""

    def seconds(session: SessionRecord) -> float:
        at_work = record.held and session.ended is None
        return session.seconds + (max(0.0, now - session.training_since) if at_work else 0.0)

    failed = [session for session in record.sessions if session.status is Status.FAILED]
    ends = [session.ended or (now if record.held else session.training_since) for session in record.sessions]
    began = min((session.began for session in record.sessions), default=None)
    return {
        "sessions": len(record.sessions),
        "began": began,
        "ended": max(ends, default=None),
        "training": sum(map(seconds, record.sessions)),
        "wasted": sum(map(seconds, failed)),
        "trial": _mean(record.trials),
    }


def _mean(trials: Iterable[TrialRecord]) -> float | None:
    known = [seconds for trial in trials if (seconds := trial.mean("seconds")) is not None]
    return sum(known) / len(known) if known else None

"""Write trials found elsewhere into a log directory as if they had been swept there."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import UserError
from gridsearch.hparams.combination import Combination, combination_id
from gridsearch.hparams.domain import HParam, Value
from gridsearch.hparams.tables import hparam_table
from gridsearch.record.journal import Journal
from gridsearch.record.summary import summarise
from gridsearch.runner.dashboard import Dashboard
from gridsearch.runner.pictures import complete_recipe
from gridsearch.trials import (
    Epoch,
    FailureKind,
    Objective,
    Outcome,
    Session,
    SessionRecord,
    Status,
    Trial,
    TrialRecord,
)

__all__ = ["ForeignSweep", "ForeignTrial", "ImportResult", "import_into"]


@dataclass(frozen=True)
class ForeignTrial:
    """A trial as it was found.

    Args:
        values: of its hyperparameters.
        status: completed, stopped or failed.
        epochs: metrics by epoch from 0, as far as they were kept.
        message: why it failed.
        began, ended: seconds since 1970, where they are known.
    """

    values: Combination
    status: Status
    epochs: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    message: str = ""
    began: float | None = None
    ended: float | None = None


@dataclass(frozen=True)
class ForeignSweep:
    """Everything that was found in one place."""

    name: str
    grids: Sequence[Sequence[HParam]]
    metric: str
    maximize: bool
    trials: Sequence[ForeignTrial]
    select: Literal["last", "best"] = "last"
    """Which epoch chose the winner there."""


@dataclass(frozen=True)
class ImportResult:
    """What came of an import, in trials."""

    imported: int
    known: int
    """Left out, since the record has their results already."""
    outside: int
    """Imported, but not of the space that the sweep file declares."""
    logdir: str


def import_into(source: ForeignSweep, logdir: Path | None, config: SweepConfig | None) -> ImportResult:
    """Record a source's trials.

    Args:
        source: what was found.
        logdir: the log directory; None is the sweep's.
        config: the sweep that they are to count for; it is for the user to know that they were trained alike. None
            makes a record of their own.

    Raises:
        LogdirError: the log directory is in use, or of another recipe.
        DataError: the sweep's pictures cannot be trained on.
        UserError: the sweep's objective is not what the source reports, or goes the other way; or a value is of
            another type than the sweep declares.
    """
    own = config is None
    if config is None:
        config = SweepConfig.validate_tables(_tables(source, logdir), where=source.name, folder=Path.cwd())
    else:
        _refuse_other_objective(source, config.objective)
    if not own and logdir is not None:
        config = config.model_copy(update={"sweep": config.sweep.model_copy(update={"logdir": logdir})})
    recipe = {"imported.from": source.name} if own else complete_recipe(config)
    return _write(source, config, recipe)


def _refuse_other_objective(source: ForeignSweep, objective: Objective) -> None:
    epochs = [metrics for found in source.trials if found.status.has_result for metrics in found.epochs.values()]
    if epochs and not any(objective.of(metrics) is not None for metrics in epochs):
        names = ", ".join(sorted({name for metrics in epochs for name in metrics}))
        cure = f"If it is the same by another name, --metric {objective.metric} says so."
        raise UserError(f"reports {names}, and not the sweep's {objective.metric!r}", where=source.name, cure=cure)
    if epochs and source.metric.removeprefix("val_") == objective.metric and source.maximize != objective.maximize:
        wanted, other = ("max", "min") if source.maximize else ("min", "max")
        cure = f"Set sweep.goal = {wanted!r}, or import it without --sweep."
        raise UserError(f"{source.metric!r} has the goal {wanted} here, and {other} in the sweep", where=source.name,
                        cure=cure)  # fmt: skip


def _tables(source: ForeignSweep, logdir: Path | None) -> dict[str, Any]:
    grids = [{h.name: hparam_table(h) for h in grid} for grid in source.grids]
    sweep = {"strategy": "random", "trials": max(1, len(source.trials)), "metric": source.metric,
             "select": source.select}  # fmt: skip
    return {
        "hparams": grids[0] if len(grids) == 1 else grids,
        "model": {"objective": "gridsearch.importing:trained_elsewhere"},
        "sweep": {**sweep, "goal": "max" if source.maximize else "min", **({"logdir": str(logdir)} if logdir else {})},
    }


def _write(source: ForeignSweep, config: SweepConfig, recipe: Mapping[str, Any]) -> ImportResult:
    logdir, counts = config.sweep.logdir, {"imported": 0, "known": 0, "outside": 0}
    cast = [_cast(found.values, config.search_space.hparams, source.name) for found in source.trials]
    with Journal(logdir) as journal:
        journal.declare(config, recipe)
        dashboard = Dashboard(journal, config)
        before = {t.trial.id: t for t in journal.record().trials if t.sessions}
        latest: dict[str, SessionRecord] = {}
        with journal.transaction():
            for found, values in zip(source.trials, map(config.search_space.with_defaults, cast), strict=True):
                identity = combination_id(values)
                past, last, fails = before.get(identity), latest.get(identity), found.status is Status.FAILED
                if (past and (past.results or fails)) or (last and last.status.has_result and fails):
                    counts["known"] += 1
                    continue
                counts["imported"] += 1
                counts["outside"] += values not in config.search_space
                following = _next_session(journal.plan(values), past, last)
                latest[identity] = _record(journal, following, found, config, source.name)
        # An import that was killed has left some undelivered: those of its source are known now, and delivered here.
        sessions = [s for s in journal.record().sessions if "imported" in s.outcome.provenance and not s.delivered]
        dashboard.write_experiment(outside=any(s.session.trial.values not in config.search_space for s in sessions))
        dashboard.deliver(sessions)
    if sessions:
        (logdir / "report.html").unlink(missing_ok=True)  # it tells of less, and what was imported is not newer than it
    return ImportResult(**counts, logdir=str(logdir))


def _next_session(trial: Trial, past: TrialRecord | None, last: SessionRecord | None) -> Session:
    """Return the session after the last one: another attempt after a failure, or a repeat."""
    if last is None:
        return Session(trial, 0, len(past.sessions) + 1 if past else 1, 0)
    repeat, attempt = last.session.repeat, last.session.attempt
    return Session(trial, repeat + 1, 1, 0) if last.status.has_result else Session(trial, repeat, attempt + 1, 0)


def _cast(values: Combination, hparams: Iterable[HParam], where: str) -> dict[str, Value]:
    """Return the values as the sweep declares them: 64.0 is 64 where ints are declared."""
    domains, cast = {hparam.name: hparam.domain for hparam in hparams}, dict(values)
    for name in domains.keys() & values.keys():
        value, domain = values[name], domains[name]
        if domain.dtype is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        try:
            cast[name] = domain.cast(value)
        except (TypeError, ValueError) as error:
            cure = "Declare it with values of that type, or import without --sweep."
            raise UserError(f"HParam {name!r}: {error}", where=where, cure=cure) from None
    return cast


def _record(journal: Journal, session: Session, found: ForeignTrial, config: SweepConfig, source: str) -> SessionRecord:
    began = found.began or time.time()
    ended = found.ended or began
    origin = {"imported": source}
    metrics = summarise(config.objective, found.epochs, {}, ended - began)
    if not (found.began and found.ended):
        del metrics["seconds"]  # nobody knows
    if found.status is Status.FAILED or config.objective.ranking not in metrics:
        kind = FailureKind.EXCEPTION if found.status is Status.FAILED else FailureKind.DIVERGED
        outcome = Outcome.failed(kind, found.message or "it has no finite objective")
    else:
        outcome = Outcome(found.status, metrics=metrics)
    outcome = replace(outcome, epochs=max(found.epochs, default=-1) + 1, provenance=origin)
    running = Outcome(Status.RUNNING, provenance=origin)
    journal.begin(SessionRecord(session, running, began, None, delivered=False))
    for epoch, logs in found.epochs.items():
        journal.add_epoch(Epoch(session.name, epoch, logs, ended))
    journal.end(session.name, outcome, ended)
    return SessionRecord(session, outcome, began, ended, delivered=False)

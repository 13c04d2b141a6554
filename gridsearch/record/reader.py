"""Read ``sweep.db`` without disturbing the runner that writes it.

    Record ── declaration          HParams, objective, recipe
           └─ TrialRecord ── SessionRecord ── its outcome

Everything that reports (status, best, check, export, the report) is a function of a ``Record``. What a trial's
sessions amount to is derived from them and stored nowhere.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gridsearch.errors import NothingRecorded
from gridsearch.hparams.combination import Combination
from gridsearch.hparams.domain import HParam
from gridsearch.hparams.grid import unite_hparams
from gridsearch.hparams.tables import parse_grids
from gridsearch.record.database import (
    DATABASE,
    check_version,
    connect,
    damaged_record,
    explain_damage,
    explain_database_errors,
)
from gridsearch.record.lock import is_held, read_holder
from gridsearch.record.migrations import read_session_rows, rename_recorded
from gridsearch.record.validation import (
    parse_combination,
    parse_metrics,
    parse_objective,
    parse_oracle,
    parse_table,
    parse_text,
    read_count,
    read_finite,
    read_text,
)
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

__all__ = [
    "MOST_COLUMNS",
    "Record",
    "find_remains",
    "read_epochs",
    "read_histories",
    "read_history",
    "read_metric_names",
    "read_objective",
    "read_property",
]

MOST_COLUMNS = 200
"""Metrics that are columns beside the objective's: an objective may make up a name for every trial."""


@dataclass(frozen=True)
class Record:
    """Everything that a log directory's ``sweep.db`` says, at one instant."""

    logdir: Path
    hparams: tuple[HParam, ...]
    objective: Objective
    recipe: Mapping[str, Any]
    tables: Mapping[str, Any]
    """The sweep file as it was last run, see ``SweepConfig.tables``."""
    folder: Path
    """The folder that it lay in."""
    held: bool
    """Whether a runner is at work."""
    trials: tuple[TrialRecord, ...]
    identity: str = ""
    """What tells this sweep from every other one, wherever its directory is moved: hexadecimal digits."""
    trained: bool = True
    """Whether an epoch or a result was ever recorded: such must not be mixed with another recipe's."""
    group: str = ""
    """What ends the names of the dashboard's rows, see ``record.place``; empty in records of 0.1.0."""

    @classmethod
    def read(cls, logdir: Path) -> Record:
        """Read a log directory's record, also while a runner writes it.

        Raises:
            NothingRecorded: there is no record.
            LogdirError: it is damaged, or a newer gridsearch wrote it.
        """
        file = logdir / DATABASE
        with explain_database_errors(file):
            if not file.is_file():
                raise _nothing(logdir)
            with closing(connect(file, readonly=True)) as database:
                version = check_version(database, file)
                if not version:
                    remains = find_remains(logdir)
                    raise (
                        damaged_record(file, f"it is empty, and {remains} lies beside it")
                        if remains
                        else _nothing(logdir)
                    )
                return read_record(database, logdir, version)

    @cached_property
    def sessions(self) -> tuple[SessionRecord, ...]:
        """Every session of every trial."""
        return tuple(session for trial in self.trials for session in trial.sessions)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The dashboard's metric columns: the objective's, then every other metric that a result has, by name.

        Version 0.1.0 wrote the objective's only; such a record has no group.
        """
        if not self.group:
            return self.objective.columns
        ended = [session for session in self.sessions if session.status.has_result and not session.paused]
        other = {name for session in ended for name in session.outcome.metrics}.difference(self.objective.columns)
        return (*self.objective.columns, *sorted(other)[:MOST_COLUMNS])

    def ranked(self) -> list[TrialRecord]:
        """Return the trials that have a result, best first as ``objective.ranking`` has it; equal ones as planned."""
        scored = [(trial, trial.mean(self.objective.ranking)) for trial in self.trials if trial.results]
        sign = -1.0 if self.objective.maximize else 1.0
        return [trial for trial, mean in sorted(scored, key=lambda pair: _last_if_none(pair[1], sign))]

    def count(self, status: Status) -> int:
        """Return how many trials have this status."""
        return sum(trial.status == status for trial in self.trials)


def _nothing(logdir: Path) -> NothingRecorded:
    cure = "Run `gridsearch sweep` first, or name the sweep's log directory."
    return NothingRecorded("no sweep has been recorded here", where=str(logdir), cure=cure)


def _last_if_none(value: float | None, sign: float) -> tuple[bool, float]:
    return value is None, 0.0 if value is None else sign * value


def find_remains(logdir: Path) -> str:
    """Return the name of something that only a sweep or TensorBoard leaves in a log directory; "" if there is nothing.

    Raises:
        OSError: the directory cannot be listed.
    """
    found = [
        file.name
        for file in logdir.iterdir()
        if ".tfevents." in file.name or (file.name.startswith("run-") and file.is_dir())
    ]
    return min(found, default="")


def read_record(database: sqlite3.Connection, logdir: Path, version: int) -> Record:
    """Return all of the record in one consistent view.

    Raises:
        NothingRecorded: a runner has made the file, and was stopped before it declared anything.
        LogdirError: its content cannot be what a runner wrote.
    """
    with explain_damage(logdir / DATABASE):
        database.execute("BEGIN")
        try:
            declared = dict(database.execute("SELECT key, value FROM sweep"))
            holder = read_holder(database, version)
            trials = {
                number: Trial(number, Combination(parse_combination(values), id=read_text(identity)))
                for number, identity, values in database.execute("SELECT number, id, combination FROM trial")
            }
            rows = read_session_rows(database, version)
            trained = anything_trained(database)
        finally:
            database.execute("COMMIT")
        if "tables" not in declared:
            if trials:
                raise ValueError("trials without a declaration")
            raise _nothing(logdir)
        sessions: dict[int, list[SessionRecord]] = {}
        for row in rows:
            sessions.setdefault(row[0], []).append(_session(row, trials))
        tables = rename_recorded(parse_table(declared["tables"]))
        return Record(
            logdir=logdir,
            hparams=unite_hparams(parse_grids(tables["hparams"])),
            objective=parse_objective(declared["objective"]),
            recipe=rename_recorded(parse_table(declared["recipe"])),
            tables=tables,
            folder=Path(parse_text(declared["folder"])),
            held=is_held(holder),
            trials=tuple(TrialRecord(t, tuple(sessions.get(n, ()))) for n, t in sorted(trials.items())),
            identity=parse_text(declared["identity"]) if "identity" in declared else inherited_identity(database),
            trained=trained,
            group=read_text(parse_table(declared["place"])["group"]) if "place" in declared else "",
        )


def anything_trained(database: sqlite3.Connection) -> bool:
    """Return whether there is an epoch or a result."""
    results = "SELECT 1 FROM session WHERE status IN ('completed', 'stopped')"
    return database.execute(f"SELECT 1 FROM epoch UNION ALL {results} LIMIT 1").fetchone() is not None


def inherited_identity(database: sqlite3.Connection) -> str:
    """Return the identity of a sweep that was recorded before sweeps had one: from its first trial."""
    row = database.execute("SELECT planned, id FROM trial ORDER BY number LIMIT 1").fetchone()
    return hashlib.sha256(repr(row).encode()).hexdigest()[:32] if row else ""


def _session(row: tuple[Any, ...], trials: Mapping[int, Trial]) -> SessionRecord:
    number, repeat, attempt, seed, status, kind, metrics, message, charged, paused, epochs, *rest = row
    began, resumed, trained_before, ended, boot, provenance, oracle, delivered = rest
    outcome = Outcome(
        Status(status),
        FailureKind(kind) if kind else None,
        parse_metrics(metrics),
        read_text(message),
        charged=bool(read_count(charged)),
        paused=bool(read_count(paused)),
        epochs=read_count(epochs),
        provenance=parse_table(provenance),
    )
    return SessionRecord(
        Session(trials[number], read_count(repeat), read_count(attempt, least=1), read_count(seed)),
        outcome,
        read_finite(began),
        None if ended is None else read_finite(ended),
        bool(read_count(delivered)),
        read_text(boot),
        None if resumed is None else read_finite(resumed),
        read_finite(trained_before),
        parse_oracle(oracle),
    )


def read_objective(logdir: Path) -> Objective | None:
    """Return the recorded metric and its goal; None if nothing was ever trained.

    Raises:
        LogdirError: as ``Record.read``.
    """
    file = logdir / DATABASE
    with explain_database_errors(file):
        if not file.is_file():
            return None
        with closing(connect(file, readonly=True)) as database, explain_damage(file):
            if not check_version(database, file) or not anything_trained(database):
                return None
            row = database.execute("SELECT value FROM sweep WHERE key = 'objective'").fetchone()
            return None if row is None else parse_objective(row[0])


def read_property(logdir: Path, key: str) -> Any:
    """Return what the record keeps of the sweep itself under a key; None if there is no record, or no such key.

    Raises:
        LogdirError: as ``Record.read``.
    """
    file = logdir / DATABASE
    if not file.is_file():
        return None
    with explain_database_errors(file), closing(connect(file, readonly=True)) as database, explain_damage(file):
        if not check_version(database, file):
            return None
        row = database.execute("SELECT value FROM sweep WHERE key = ?", (key,)).fetchone()
        return None if row is None else rename_recorded(json.loads(row[0]))


def read_epochs(logdir: Path) -> dict[str, dict[int, Mapping[str, float]]]:
    """Return every session's epochs: name -> epoch from 0 -> metrics under Keras's names.

    Raises:
        LogdirError: as ``Record.read``.
    """
    file = logdir / DATABASE
    epochs: dict[str, dict[int, Mapping[str, float]]] = {}
    select = "SELECT session, epoch, metrics FROM epoch ORDER BY 1, 2"
    with explain_database_errors(file), closing(connect(file, readonly=True)) as database:
        check_version(database, file)
        with explain_damage(file):
            for session, epoch, metrics in database.execute(select):
                epochs.setdefault(read_text(session), {})[read_count(epoch)] = parse_metrics(metrics, finite=False)
    return epochs


def read_metric_names(logdir: Path) -> dict[str, frozenset[str]]:
    """Return the names of the metrics that each session reported in any epoch.

    Raises:
        LogdirError: as ``Record.read``.
    """
    file = logdir / DATABASE
    names: dict[str, frozenset[str]] = {}
    with explain_database_errors(file), closing(connect(file, readonly=True)) as database:
        check_version(database, file)
        with explain_damage(file):
            for session, metrics in database.execute("SELECT session, metrics FROM epoch ORDER BY session"):
                names[read_text(session)] = names.get(session, frozenset()) | parse_table(metrics).keys()
    return names


def read_histories(logdir: Path) -> dict[str, list[Epoch]]:
    """Return every session's epochs as they were reported, in order.

    Raises:
        LogdirError: as ``Record.read``.
    """
    file = logdir / DATABASE
    histories: dict[str, list[Epoch]] = {}
    select = "SELECT session, epoch, metrics, time FROM epoch ORDER BY session, epoch"
    with explain_database_errors(file), closing(connect(file, readonly=True)) as database:
        check_version(database, file)
        with explain_damage(file):
            for session, n, metrics, at in database.execute(select):
                epoch = Epoch(read_text(session), read_count(n), parse_metrics(metrics, finite=False), read_finite(at))
                histories.setdefault(session, []).append(epoch)
    return histories


def read_history(logdir: Path, session: str) -> list[Epoch]:
    """Return one session's epochs as they were reported, in order.

    Raises:
        LogdirError: as ``Record.read``.
    """
    file = logdir / DATABASE
    select = "SELECT epoch, metrics, time FROM epoch WHERE session = ? ORDER BY epoch"
    with explain_database_errors(file), closing(connect(file, readonly=True)) as database:
        check_version(database, file)
        with explain_damage(file):
            return [
                Epoch(session, read_count(n), parse_metrics(metrics, finite=False), read_finite(at))
                for n, metrics, at in database.execute(select, (session,))
            ]

"""The record of a sweep as facts: what ``sweep.db`` says, read without disturbing the runner that writes it.

    Record ── declaration          HParams, objective, recipe
           └─ TrialRecord ── SessionRecord ── its outcome

Everything that reports (status, best, check, export, the report) is a function of a ``Record``. What a trial's
sessions amount to is derived here, once, and stored nowhere.
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
from gridsearch.hparams.domain import HParam
from gridsearch.hparams.grid import unite_hparams
from gridsearch.hparams.tables import parse_grids
from gridsearch.record.database import DATABASE, check_version, connect, explain_database_errors
from gridsearch.system.liveness import is_alive
from gridsearch.trials import Epoch, FailureKind, Objective, Outcome, Session, SessionRecord, Status, Trial, TrialRecord

__all__ = ["Record", "read_epochs", "read_history"]


@dataclass(frozen=True)
class Record:
    """Everything that a home's ``sweep.db`` says, at one instant."""

    home: Path
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

    @classmethod
    def read(cls, home: Path) -> Record:
        """Read a home's record, also while a runner writes it.

        Raises:
            NothingRecorded: there is no record.
        HomeError: it is damaged, or a newer gridsearch wrote it.
        """
        file = home / DATABASE
        with explain_database_errors(file):
            if not file.is_file():
                raise _nothing(home)
            with closing(connect(file, readonly=True)) as database:
                if not check_version(database, file):
                    raise _nothing(home)
                return read_record(database, home)

    @cached_property
    def sessions(self) -> tuple[SessionRecord, ...]:
        """Every session of every trial."""
        return tuple(session for trial in self.trials for session in trial.sessions)

    def ranked(self) -> list[TrialRecord]:
        """The trials that have a result, best objective first; equal ones in order of planning."""
        scored = [(trial, trial.mean(self.objective.metric)) for trial in self.trials if trial.results]
        sign = -1.0 if self.objective.maximize else 1.0
        return [trial for trial, mean in sorted(scored, key=lambda pair: _last_if_none(pair[1], sign))]

    def count(self, status: Status) -> int:
        """How many trials have this status."""
        return sum(trial.status == status for trial in self.trials)


def _nothing(home: Path) -> NothingRecorded:
    cure = "Run `gridsearch sweep` first, or name the sweep's log directory."
    return NothingRecorded("no sweep has been recorded here", where=str(home), cure=cure)


def _last_if_none(value: float | None, sign: float) -> tuple[bool, float]:
    return value is None, 0.0 if value is None else sign * value


def read_record(database: sqlite3.Connection, home: Path) -> Record:
    """All of the record in one consistent view."""
    database.execute("BEGIN")
    try:
        facts = dict(database.execute("SELECT key, value FROM sweep"))
        holder = database.execute("SELECT host, pid, born, boot, beat FROM runner").fetchone()
        trials = {
            number: Trial(number, identity, json.loads(values))
            for number, identity, values in database.execute("SELECT number, id, combination FROM trial")
        }
        sessions: dict[int, list[SessionRecord]] = {}
        for row in database.execute(SELECT_SESSIONS):
            session = _session(row, trials)
            sessions.setdefault(session.session.trial.number, []).append(session)
        trained = anything_trained(database)
    finally:
        database.execute("COMMIT")
    if "tables" not in facts:  # a runner has made the file, and was stopped before it declared anything
        raise _nothing(home)
    tables = json.loads(facts["tables"])
    return Record(
        home=home,
        hparams=unite_hparams(parse_grids(tables["hparams"])),
        objective=Objective(**json.loads(facts["objective"])),
        recipe=json.loads(facts["recipe"]),
        tables=tables,
        folder=Path(json.loads(facts["folder"])),
        held=holder is not None and is_alive(*holder),
        trials=tuple(TrialRecord(t, tuple(sessions.get(n, ()))) for n, t in sorted(trials.items())),
        identity=json.loads(facts["identity"]) if "identity" in facts else inherited_identity(database),
        trained=trained,
    )


def anything_trained(database: sqlite3.Connection) -> bool:
    """Whether there is an epoch or a result."""
    results = "SELECT 1 FROM session WHERE status IN ('completed', 'stopped')"
    return database.execute(f"SELECT 1 FROM epoch UNION ALL {results} LIMIT 1").fetchone() is not None


def inherited_identity(database: sqlite3.Connection) -> str:
    """The identity of a sweep that was recorded before sweeps had one: when its first trial was planned, and what."""
    row = database.execute("SELECT planned, id FROM trial ORDER BY number LIMIT 1").fetchone()
    return hashlib.sha256(repr(row).encode()).hexdigest()[:32] if row else ""


SELECT_SESSIONS = (
    "SELECT trial, repeat, attempt, seed, status, kind, metrics, message, charged, facts, began, ended, told "
    "FROM session ORDER BY trial, repeat, attempt"
)


def _session(row: tuple[Any, ...], trials: Mapping[int, Trial]) -> SessionRecord:
    number, repeat, attempt, seed, status, kind, metrics, message, charged, facts, began, ended, told = row
    outcome = Outcome(
        Status(status),
        FailureKind(kind) if kind else None,
        json.loads(metrics),
        message,
        bool(charged),
        json.loads(facts),
    )
    return SessionRecord(Session(trials[number], repeat, attempt, seed), outcome, began, ended, bool(told))


def read_epochs(home: Path) -> dict[str, dict[int, Mapping[str, float]]]:
    """Every session's epochs: name -> epoch from 0 -> metrics under Keras's names.

    Raises:
        HomeError: as ``Record.read``.
    """
    file = home / DATABASE
    epochs: dict[str, dict[int, Mapping[str, float]]] = {}
    with explain_database_errors(file), closing(connect(file, readonly=True)) as database:
        check_version(database, file)
        for session, epoch, metrics in database.execute("SELECT session, epoch, metrics FROM epoch ORDER BY 1, 2"):
            epochs.setdefault(session, {})[epoch] = json.loads(metrics)
    return epochs


def read_history(home: Path, session: str) -> list[Epoch]:
    """One session's epochs as they were reported, in order.

    Raises:
        HomeError: as ``Record.read``.
    """
    file = home / DATABASE
    select = "SELECT epoch, metrics, time FROM epoch WHERE session = ? ORDER BY epoch"
    with explain_database_errors(file), closing(connect(file, readonly=True)) as database:
        check_version(database, file)
        return [Epoch(session, n, json.loads(metrics), at) for n, metrics, at in database.execute(select, (session,))]

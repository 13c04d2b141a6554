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
from statistics import fmean, stdev
from typing import Any

from gridsearch.config.toml import declared_grids
from gridsearch.errors import HomeError, NothingRecorded
from gridsearch.hparams.domain import HParam
from gridsearch.hparams.grid import united
from gridsearch.system.files import lives, told_plainly
from gridsearch.trials import Epoch, FailureKind, Objective, Outcome, Session, Status, Trial

__all__ = ["DATABASE", "SCHEMA_VERSION", "Record", "SessionRecord", "TrialRecord", "connect"]

DATABASE = "sweep.db"
SCHEMA_VERSION = 1
BUSY_SECONDS = 30.0
"""How long a reader and the runner wait for each other; a transaction takes milliseconds."""


@dataclass(frozen=True)
class SessionRecord:
    """A session and how it stands; ``ended`` is None while it runs. Times are seconds since 1970."""

    session: Session
    outcome: Outcome
    began: float
    ended: float | None
    told: bool

    @property
    def name(self) -> str:
        """The session's directory below the home."""
        return self.session.name

    @property
    def status(self) -> Status:
        """Running, completed, stopped or failed."""
        return self.outcome.status

    @property
    def seconds(self) -> float:
        """How long it was trained, without the time that it lay aside; while it runs, until it was last put aside."""
        spent = float(self.outcome.facts.get("spent", 0.0))
        lasted = self.ended - self.resumed if self.ended is not None else 0.0
        return float(self.outcome.metrics.get("seconds", spent + lasted))

    @property
    def resumed(self) -> float:
        """When it last began to be trained."""
        return float(self.outcome.facts.get("resumed", self.began))

    @property
    def paused(self) -> bool:
        """Whether it was put aside and may go on yet: until it cannot any more, TensorBoard is not told of its end."""
        return self.status is Status.STOPPED and bool(self.outcome.facts.get("paused"))


@dataclass(frozen=True)
class TrialRecord:
    """A trial with its sessions, oldest first."""

    trial: Trial
    sessions: tuple[SessionRecord, ...]

    @property
    def latest(self) -> dict[int, SessionRecord]:
        """The last attempt of each repeat."""
        return {session.session.repeat: session for session in self.sessions}

    @property
    def status(self) -> Status:
        """The worst of what its repeats came to: running, failed, stopped, completed; planned without a session."""
        found = {session.status for session in self.latest.values()}
        order = (Status.RUNNING, Status.FAILED, Status.STOPPED, Status.COMPLETED)
        return next((status for status in order if status in found), Status.PLANNED)

    @property
    def paused(self) -> SessionRecord | None:
        """The session that was put aside at a rung of a search, if one was: stopped, but it may go on yet."""
        return next((session for session in self.latest.values() if session.paused), None)

    @property
    def failure(self) -> SessionRecord | None:
        """The failed session of a failed trial: the last attempt of the first repeat without a result."""
        return next((session for session in self.latest.values() if session.status is Status.FAILED), None)

    @property
    def results(self) -> tuple[SessionRecord, ...]:
        """The sessions whose metrics count, one for each repeat that has come to a result."""
        return tuple(session for session in self.latest.values() if session.status.has_result)

    def values_of(self, metric: str) -> list[float]:
        """A metric in each session that counts and has it."""
        return [s.outcome.metrics[metric] for s in self.results if metric in s.outcome.metrics]

    def mean(self, metric: str) -> float | None:
        """Its mean over the repeats, as the dashboard's row shows it; None if there is none."""
        values = self.values_of(metric)
        return fmean(values) if values else None

    def deviation(self, metric: str) -> float | None:
        """The sample standard deviation over the repeats, or None with fewer than two."""
        values = self.values_of(metric)
        return stdev(values) if len(values) > 1 else None


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
        with told_plainly(file):
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


def connect(file: Path, *, readonly: bool) -> sqlite3.Connection:
    """Open a database; the path may hold any character."""
    # A runner that was killed in the middle of a commit leaves a journal that must be rolled back before anyone can
    # read, and only a connection that may write can do that.
    journal = Path(f"{file}-journal")
    hot = journal.exists() and journal.stat().st_size > 0
    mode = "rwc" if not readonly else "rw" if hot else "ro"
    return sqlite3.connect(
        f"{file.resolve().as_uri()}?mode={mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None
    )


def check_version(database: sqlite3.Connection, file: Path) -> int:
    """The schema version of a database, 0 if it is empty.

    Raises:
        HomeError: a newer gridsearch wrote it.
    """
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise HomeError(
            f"the record has schema version {version}, this gridsearch knows up to {SCHEMA_VERSION}",
            where=str(file),
            cure="Install the newer gridsearch that wrote it, or name another directory with --logdir.",
        )
    return version


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
        hparams=united(declared_grids(tables["hparams"])),
        objective=Objective(**json.loads(facts["objective"])),
        recipe=json.loads(facts["recipe"]),
        tables=tables,
        folder=Path(json.loads(facts["folder"])),
        held=holder is not None and lives(*holder),
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
    with told_plainly(file), closing(connect(file, readonly=True)) as database:
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
    with told_plainly(file), closing(connect(file, readonly=True)) as database:
        check_version(database, file)
        return [Epoch(session, n, json.loads(metrics), at) for n, metrics, at in database.execute(select, (session,))]

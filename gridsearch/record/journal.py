"""Write sweep.db: the runner's hand on the record, and the only one.

A transaction is what happened between two looks at the executor. It is on disk, synced, before any writer hears of
it. The database keeps SQLite's rollback journal, which works on network file systems, unlike its write-ahead log.

    with Journal(logdir) as journal:                # takes the lock, or says who holds it
        journal.declare(config, recipe)             # same recipe, or LogdirError with the keys that differ
        with journal.transaction():
            trial = journal.plan(values); journal.begin(session)
        with journal.transaction():
            journal.add_epoch(epoch); journal.end(session, outcome)
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import LogdirError, hide_passwords
from gridsearch.hparams.combination import Combination
from gridsearch.hparams.domain import Value
from gridsearch.record.database import (
    DATABASE,
    SCHEMA_VERSION,
    check_version,
    connect,
    damaged_record,
    explain_damage,
    explain_database_errors,
)
from gridsearch.record.lock import RunnerLock
from gridsearch.record.migrations import create_tables, migrate, rename_recorded
from gridsearch.record.reader import Record, anything_trained, find_remains, inherited_identity, read_record
from gridsearch.record.recipe import refuse_other_goal, refuse_other_recipe
from gridsearch.system.liveness import boot_id
from gridsearch.trials import Epoch, FailureKind, OracleEntry, Outcome, SessionRecord, Status, Trial

__all__ = ["Journal"]


class Journal:
    """The record, open for writing; the log directory is this runner's until it is closed.

    Args:
        logdir: the log directory; made if it is not there.
        warn: says a line to the user.

    Raises:
        LogdirError: another runner holds it, it holds what is no sweep, its record is damaged or of a newer version,
            or it cannot be written.
    """

    def __init__(self, logdir: Path, warn: Callable[[str], None] = lambda line: None) -> None:
        self.logdir, self._file = logdir, logdir / DATABASE
        self._closed = False
        _make_logdir(logdir)
        with explain_database_errors(self._file):
            self._database = connect(self._file, readonly=False)
            self._lock = RunnerLock(logdir, self._file, warn)
            try:
                self._open()
            except BaseException:
                self._database.close()
                raise
        self._lock.start_beating()

    def _open(self) -> None:
        execute = self._database.execute
        version = check_version(self._database, self._file)
        if not version and (remains := find_remains(self.logdir)):
            raise damaged_record(self._file, f"it is empty, and {remains} lies beside it")
        damage = [row[0] for row in execute("PRAGMA integrity_check(3)")] if version else ["ok"]
        if damage != ["ok"]:
            raise damaged_record(self._file, "; ".join(damage))
        execute("PRAGMA journal_mode = TRUNCATE")
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA foreign_keys = ON")
        self._lock.wait_for_holder(self._database, version)
        try:
            execute("BEGIN EXCLUSIVE")
            try:
                version = check_version(self._database, self._file)
                if not version:
                    create_tables(self._database)
                elif version < SCHEMA_VERSION:
                    with explain_damage(self._file):
                        migrate(self._database, version)
                self._lock.take(self._database)
            except BaseException:
                execute("ROLLBACK")
                raise
            execute("COMMIT")
        except BaseException:
            self._lock.release_kernel_lock()
            raise

    def close(self) -> None:
        """Give the lock back and close the file; calling it again does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            with explain_database_errors(self._file):
                self._lock.release(self._database)
        finally:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Put what is written inside on disk, all of it, when the block ends; none of it if it raises.

        Raises:
            LogdirError: another runner has taken over, or it cannot be written (a full disk, say); nothing of it was.
        """
        with explain_database_errors(self._file):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._lock.prove(self._database)
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def prove_lock(self) -> None:
        """Make sure that this runner still holds the log directory: it may have been frozen for long.

        Raises:
            LogdirError: another one has taken over.
        """
        with explain_database_errors(self._file):
            self._lock.prove(self._database)

    def record(self) -> Record:
        """Return everything that is known."""
        with explain_database_errors(self._file):
            return read_record(self._database, self.logdir, SCHEMA_VERSION)

    # The sweep.

    def properties(self) -> dict[str, Any]:
        """Return what is kept of the sweep itself, by key; {} if it is new."""
        with explain_database_errors(self._file), explain_damage(self._file):
            rows = self._database.execute("SELECT key, value FROM sweep")
            return {key: rename_recorded(json.loads(value)) for key, value in rows}

    def set_property(self, key: str, value: Any) -> None:
        """Keep something of the sweep itself, as JSON; HParams keep the order in which they were declared."""
        self._database.execute("INSERT OR REPLACE INTO sweep VALUES (?, ?)", (key, json.dumps(value)))

    def declare(self, config: SweepConfig, recipe: Mapping[str, Any]) -> None:
        """Adopt a sweep's declaration, or refuse it.

        Another domain is an extension and welcome; another recipe would mix results that cannot be compared.

        Args:
            config: the sweep; the defaults of its HParams say what earlier trials had.
            recipe: everything besides HParam values that decides a result.

        Raises:
            LogdirError: the recipe is not the one that the recorded trials were trained with; every differing key.
        """
        known = self.properties()
        with explain_database_errors(self._file), explain_damage(self._file):
            trained = anything_trained(self._database)
            before = self.record() if trained else None  # a damaged record is refused before anything is written
        if before is not None:
            refuse_other_recipe(before.recipe, recipe, config.space.hparams, self.logdir)
            refuse_other_goal(before.objective.maximize, config.objective.maximize, self.logdir)
        with self.transaction():
            if "identity" not in known:
                self.set_property("identity", inherited_identity(self._database) or uuid.uuid4().hex)
            self.set_property("recipe", dict(recipe))
            self.set_property("tables", _hide_secrets(config.tables()))
            self.set_property("folder", str(config.folder))
            self.set_property("objective", asdict(config.objective))

    # Trials and sessions.

    def has(self, values: Mapping[str, Value]) -> bool:
        """Return whether a combination has a trial."""
        return (
            self._database.execute("SELECT 1 FROM trial WHERE id = ?", (Combination.of(values).id,)).fetchone()
            is not None
        )

    def plan(self, values: Mapping[str, Value]) -> Trial:
        """Return a combination's trial, planned now if it has none."""
        combination = Combination.of(values)
        return Trial(self.give_number(combination), combination)

    def give_number(self, combination: Combination) -> int:
        """Give a combination the next number, or find the one that it has already."""
        row = self._database.execute("SELECT number FROM trial WHERE id = ?", (combination.id,)).fetchone()
        if row is None:
            inserted = self._database.execute(
                "INSERT INTO trial (id, combination, planned) VALUES (?, ?, ?) RETURNING number",
                (combination.id, json.dumps(dict(combination)), time.time()),
            )
            row = inserted.fetchone()
        return int(row[0])

    def replace_values(self, number: int, combination: Combination) -> bool:
        """Give a trial the values that its training has come to ask for; return whether no other trial has them."""
        taken = self._database.execute("SELECT number FROM trial WHERE id = ?", (combination.id,)).fetchone()
        if taken is None:
            row = (combination.id, json.dumps(dict(combination)), number)
            self._database.execute("UPDATE trial SET id = ?, combination = ? WHERE number = ?", row)
        return taken is None or int(taken[0]) == number

    def withdraw(self, session: SessionRecord) -> None:
        """Remove a session that no writer has heard of and that has no epoch, and its trial if it was the only one."""
        number = session.session.trial.number
        self._database.execute("DELETE FROM session WHERE name = ?", (session.name,))
        others = "SELECT 1 FROM session WHERE trial = ?"
        self._database.execute(f"DELETE FROM trial WHERE number = ? AND NOT EXISTS ({others})", (number, number))

    def begin(self, session: SessionRecord) -> None:
        """Record that a session is about to be trained for the first time."""
        row = {
            "name": session.name,
            "trial": session.session.trial.number,
            "repeat": session.session.repeat,
            "attempt": session.session.attempt,
            "seed": session.session.seed,
            "status": Status.RUNNING,
            "metrics": "{}",
            "message": "",
            "charged": 1,
            "paused": 0,
            "epochs": 0,
            "began": session.began,
            "trained_before": 0.0,
            "boot": session.boot,
            "provenance": json.dumps(dict(session.outcome.provenance)),
            "oracle": "[]",
            "delivered": 0,
        }
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        self._database.execute(f"INSERT INTO session ({columns}) VALUES ({marks})", tuple(row.values()))

    def resume(self, session: SessionRecord) -> None:
        """Record that a paused session is about to be trained further."""
        self._database.execute(
            "UPDATE session SET status = ?, metrics = '{}', paused = 0, provenance = ?, ended = NULL, delivered = 0, "
            "boot = ?, resumed = ?, trained_before = ? WHERE name = ?",
            (
                Status.RUNNING,
                json.dumps(dict(session.outcome.provenance)),
                session.boot,
                session.resumed,
                session.trained_before,
                session.name,
            ),
        )

    def finalize(self, session: str) -> None:
        """Record that a paused session will not resume: as it stands, it is stopped."""
        self._database.execute("UPDATE session SET paused = 0 WHERE name = ?", (session,))

    def add_epoch(self, epoch: Epoch) -> None:
        """Record that a session finished an epoch."""
        metrics = json.dumps(dict(epoch.metrics))  # NaN is written as NaN: a diverged epoch is a fact, too
        row = (epoch.session, epoch.epoch, epoch.time, metrics)
        self._database.execute("INSERT OR REPLACE INTO epoch VALUES (?, ?, ?, ?)", row)

    def end(self, session: str, outcome: Outcome, ended: float, oracle: Iterable[OracleEntry] = ()) -> None:
        """Record how a session ended; its provenance is added to what it began with.

        Args:
            session: its name; one that has ended already stays as it is.
            outcome: how it ended.
            ended: when, in seconds since 1970.
            oracle: all that a KerasTuner oracle has heard of it.
        """
        self._database.execute(
            "UPDATE session SET status = ?, kind = ?, metrics = ?, message = ?, charged = ?, paused = ?, epochs = ?, "
            "provenance = json_patch(provenance, ?), ended = ?, oracle = ? WHERE name = ? AND ended IS NULL",
            (
                outcome.status,
                outcome.kind,
                json.dumps(dict(outcome.metrics), allow_nan=False),
                printable(hide_passwords(outcome.message)),
                int(outcome.charged),
                int(outcome.paused),
                outcome.epochs,
                json.dumps(dict(outcome.provenance), allow_nan=False),
                ended,
                json.dumps([asdict(entry) for entry in oracle]),
                session,
            ),
        )

    def mark_delivered(self, sessions: Iterable[str], *, delivered: bool = True) -> None:
        """Mark sessions as delivered to all writers (or, with ``delivered=False``, as not delivered)."""
        rows = [(int(delivered), name) for name in sessions]
        self._database.executemany("UPDATE session SET delivered = ? WHERE name = ?", rows)

    def close_abandoned(self) -> list[SessionRecord]:
        """Close sessions that a dead runner left running: ``failed: interrupted``, or ``lost`` with their machine.

        They have ended with the last sign of life, theirs or the runner's.

        Returns:
            Every session whose end was not delivered to the writers, those just closed among them.
        """
        boot = boot_id()
        sessions = self.record().sessions
        running = [s for s in sessions if s.status is Status.RUNNING]
        if not running:
            return [s for s in sessions if not s.delivered]
        with self.transaction():
            for abandoned in running:
                kind, why = (
                    (FailureKind.INTERRUPTED, "the runner died")
                    if abandoned.boot == boot
                    else (FailureKind.LOST, "the machine that ran it went down")
                )
                last = self._database.execute("SELECT max(time) FROM epoch WHERE session = ?", (abandoned.name,))
                signs = (abandoned.began, self._lock.beat_before, last.fetchone()[0] or 0.0)
                outcome = Outcome.failed(kind, why)
                self.end(abandoned.name, outcome, min(max(signs), time.time()), abandoned.oracle)
        return [session for session in self.record().sessions if not session.delivered]


def _make_logdir(logdir: Path) -> None:
    another = "Name another directory with --logdir, or give this user permission to write there."
    try:
        logdir.mkdir(parents=True, exist_ok=True)
        stranger = "" if (logdir / DATABASE).exists() else find_remains(logdir)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problem = f"cannot be used as log directory: {reason}"
        raise LogdirError(problem, where=str(logdir), cure=another) from None
    if stranger:
        cure = "Name an empty directory with --logdir: two experiments in one would be shown as one."
        raise LogdirError(f"holds event files that are not a sweep's: {stranger}", where=str(logdir), cure=cure)
    if not os.access(logdir, os.W_OK | os.X_OK):
        raise LogdirError("cannot be written", where=str(logdir), cure=another)


def _hide_secrets(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sweep's tables without the passwords that addresses in [writers] hold."""

    def hide(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: hide(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [hide(item) for item in value]
        return hide_passwords(value) if isinstance(value, str) else value

    return {key: hide(table) if key == "writers" else table for key, table in tables.items()}


def printable(text: str) -> str:
    """Return the text without what UTF-8 cannot hold: a file name of other bytes, say, in an exception's message."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

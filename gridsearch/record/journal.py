"""sweep.db as its one writer sees it: the runner's hand on the record.

A transaction is what happened between two looks at the executor; it is on disk, synced, before anyone is told. The
database keeps SQLite's rollback journal (which works on network file systems, unlike its write-ahead log).

    with Journal(home) as journal:                  # takes the home's lock, or says who holds it
        journal.settle(config, recipe)              # same recipe, or HomeError with the keys that differ
        with journal.transaction():
            trial = journal.plan(values); journal.begin(session)
        with journal.transaction():
            journal.epoch(epoch); journal.end(session, outcome)
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import LogdirError
from gridsearch.hparams.domain import Combination, HParam, combination_id
from gridsearch.record.database import DATABASE, SCHEMA, SCHEMA_VERSION, check_version, connect, explain_database_errors
from gridsearch.record.reader import Record, anything_trained, inherited_identity, read_record
from gridsearch.system.liveness import boot_id, is_alive
from gridsearch.trials import Epoch, FailureKind, Outcome, Session, SessionRecord, Status, Trial

__all__ = ["FINGERPRINT", "Journal", "refuse_other_goal", "refuse_other_recipe"]

FINGERPRINT = "data.fingerprint"
"""The recipe's key that says which pictures they were; with the folders behind it where they are swept."""


MINE = "host = ? AND pid = ? AND born = ?"

BEAT_EVERY = 15.0
"""Seconds between the lock's signs of life, which matter only to runners on other hosts."""


class Journal:
    """The record of one home, open for writing and locked against other runners.

    Args:
        home: the log directory; made if it is missing.

    Raises:
        HomeError: it cannot be written, holds something else, is damaged, newer, or another runner's.
    """

    def __init__(self, home: Path) -> None:
        self.home, self._file = home, home / DATABASE
        self._me = (socket.gethostname(), os.getpid(), psutil.Process().create_time())
        self._closed = False
        _make_home(home)
        with explain_database_errors(self._file):
            self._database = connect(self._file, readonly=False)
            try:
                self._open()
            except BaseException:
                self._database.close()
                raise
        self._beaten = time.monotonic()
        self._left = threading.Event()
        self._pulse = threading.Thread(target=self._show_life, name="gridsearch-pulse", daemon=True)
        self._pulse.start()

    def _open(self) -> None:
        execute = self._database.execute
        version = check_version(self._database, self._file)
        execute("PRAGMA journal_mode = TRUNCATE")
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA foreign_keys = ON")
        damage = [row[0] for row in execute("PRAGMA integrity_check(3)")] if version else ["ok"]
        if damage != ["ok"]:
            cure = f"Move it aside; `sqlite3 {DATABASE} .recover` of SQLite's own shell brings back what is readable."
            raise LogdirError(f"the record is damaged: {'; '.join(damage)}", where=str(self._file), cure=cure)
        execute("BEGIN EXCLUSIVE")
        try:
            if not check_version(self._database, self._file):
                for statement in SCHEMA.split(";\n"):
                    execute(statement)
                execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            self._take_lock()
        except BaseException:
            execute("ROLLBACK")
            raise
        execute("COMMIT")

    def _take_lock(self) -> None:
        row = self._database.execute("SELECT host, pid, born, boot, beat FROM runner").fetchone()
        self._beat_before = float(row[4]) if row else 0.0
        if row and is_alive(*row):
            raise LogdirError(
                f"another runner is at work here: process {row[1]} on {row[0]}",
                where=str(self.home),
                cure="Wait for it, stop it, or name another directory with --logdir.",
            )
        row = (1, *self._me, boot_id(), time.time())
        self._database.execute("INSERT OR REPLACE INTO runner VALUES (?, ?, ?, ?, ?, ?)", row)

    @property
    def boot(self) -> str:
        """What tells this run of this machine from the one before its last restart."""
        return boot_id()

    def _show_life(self) -> None:
        """Show other hosts that this runner lives, also while it decodes pictures or trains a trial itself."""
        while not self._left.wait(BEAT_EVERY):
            # What is wrong with the disk is told where something must be written.
            with suppress(sqlite3.Error), closing(connect(self._file, readonly=False)) as own:
                own.execute(f"UPDATE runner SET beat = ? WHERE {MINE}", (time.time(), *self._me))

    def beat(self) -> None:
        """Make sure, now and then, that this runner still holds the home: it may have been frozen for long.

        Raises:
            HomeError: another one has taken over.
        """
        if time.monotonic() - self._beaten >= BEAT_EVERY:
            with self.transaction():
                held = self._database.execute(f"UPDATE runner SET beat = ? WHERE {MINE}", (time.time(), *self._me))
            if not held.rowcount:
                problem = "another runner has taken over, since this one showed no sign of life"
                raise LogdirError(problem, where=str(self.home), cure="Leave the sweep to that one.")
            self._beaten = time.monotonic()

    def close(self) -> None:
        """Give the lock back and close the file; calling it again does nothing."""
        if self._closed:
            return
        self._closed = True
        self._left.set()
        self._pulse.join()
        try:
            with explain_database_errors(self._file):
                self._database.execute(f"DELETE FROM runner WHERE {MINE}", self._me)
        finally:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written inside is on disk, all of it, when the block ends; or none of it, if it raises.

        Raises:
            HomeError: it cannot be written (a full disk, say); nothing of it was.
        """
        with explain_database_errors(self._file):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def record(self) -> Record:
        """Everything that is known."""
        with explain_database_errors(self._file):
            return read_record(self._database, self.home)

    def facts(self) -> dict[str, Any]:
        """What ``settle`` wrote, and ``experiment``, what TensorBoard was told of it; {} if it is new."""
        with explain_database_errors(self._file):
            return {key: json.loads(value) for key, value in self._database.execute("SELECT key, value FROM sweep")}

    def set_fact(self, key: str, value: Any) -> None:
        """Keep something of the sweep itself, as JSON; HParams keep the order in which they were declared."""
        self._database.execute("INSERT OR REPLACE INTO sweep VALUES (?, ?)", (key, json.dumps(value)))

    def settle(self, config: SweepConfig, recipe: Mapping[str, Any]) -> None:
        """Adopt a sweep's declaration, or refuse it.

        Another domain is an extension and welcome; another recipe would mix results that cannot be compared.

        Args:
            config: the sweep; the defaults of its HParams say what earlier trials had.
            recipe: everything besides HParam values that decides a result.

        Raises:
            HomeError: the recipe is not the one that the recorded trials were trained with; every differing key.
        """
        if anything_trained(self._database):
            refuse_other_recipe(self.facts()["recipe"], recipe, config.space.hparams, self.home)
            refuse_other_goal(self.facts()["objective"]["maximize"], config.objective.maximize, self.home)
        with self.transaction():
            if "identity" not in self.facts():
                self.set_fact("identity", inherited_identity(self._database) or uuid.uuid4().hex)
            self.set_fact("recipe", dict(recipe))
            self.set_fact("tables", config.tables())
            self.set_fact("folder", str(config.folder))
            self.set_fact("objective", asdict(config.objective))

    def has(self, values: Combination) -> bool:
        """Whether a combination has a trial."""
        row = (combination_id(values),)
        return self._database.execute("SELECT 1 FROM trial WHERE id = ?", row).fetchone() is not None

    def plan(self, values: Combination) -> Trial:
        """Give a combination the next number, or find the trial that has it already."""
        identity = combination_id(values)
        row = self._database.execute("SELECT number FROM trial WHERE id = ?", (identity,)).fetchone()
        if row is None:
            inserted = self._database.execute(
                "INSERT INTO trial (id, combination, planned) VALUES (?, ?, ?) RETURNING number",
                (identity, json.dumps(dict(values)), time.time()),
            )
            row = inserted.fetchone()
        return Trial(int(row[0]), identity, dict(values))

    def begin(self, session: Session, began: float, facts: Mapping[str, Any]) -> None:
        """A session is about to be trained; ``facts`` say where."""
        self._database.execute(
            "INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, NULL, '{}', '', 1, ?, ?, NULL, 0)",
            (
                session.name,
                session.trial.number,
                session.repeat,
                session.attempt,
                session.seed,
                Status.RUNNING,
                json.dumps(dict(facts)),
                began,
            ),
        )

    def reopen(self, session: str, facts: Mapping[str, Any]) -> None:
        """A session that was put aside goes on."""
        self._database.execute(
            "UPDATE session SET status = ?, metrics = '{}', facts = ?, ended = NULL, told = 0 WHERE name = ?",
            (Status.RUNNING, json.dumps(dict(facts)), session),
        )

    def release(self, session: str) -> None:
        """A session that was put aside will not go on: as it stands, it is stopped."""
        facts = json.loads(self._database.execute("SELECT facts FROM session WHERE name = ?", (session,)).fetchone()[0])
        facts.pop("paused", None)
        self._database.execute("UPDATE session SET facts = ? WHERE name = ?", (json.dumps(facts), session))

    def epoch(self, epoch: Epoch) -> None:
        """A session finished an epoch."""
        metrics = json.dumps(dict(epoch.metrics))  # NaN is written as NaN: a diverged epoch is a fact, too
        row = (epoch.session, epoch.epoch, epoch.time, metrics)
        self._database.execute("INSERT OR REPLACE INTO epoch VALUES (?, ?, ?, ?)", row)

    def end(self, session: str, outcome: Outcome, ended: float) -> None:
        """A session ended; its facts are added to those it began with."""
        row = self._database.execute("SELECT facts FROM session WHERE name = ?", (session,)).fetchone()
        facts = {**json.loads(row[0]), **outcome.facts}
        self._database.execute(
            "UPDATE session SET status = ?, kind = ?, metrics = ?, message = ?, charged = ?, facts = ?, ended = ? "
            "WHERE name = ? AND ended IS NULL",
            (
                outcome.status,
                outcome.kind,
                json.dumps(dict(outcome.metrics), allow_nan=False),
                printable(outcome.message),
                int(outcome.charged),
                json.dumps(facts),
                ended,
                session,
            ),
        )

    def told(self, sessions: Iterable[str], *, told: bool = True) -> None:
        """Every writer knows how these sessions ended, so a crash need not tell them again; or it must, after all."""
        rows = [(int(told), name) for name in sessions]
        self._database.executemany("UPDATE session SET told = ? WHERE name = ?", rows)

    def close_abandoned(self) -> list[SessionRecord]:
        """Sessions that a dead runner left running become ``failed: interrupted``, or ``lost`` with their machine.

        They have ended with the last sign of life, theirs or the runner's.

        Returns:
            Every session that the writers have not been told the end of, those just closed among them.
        """
        boot = boot_id()
        running = [s for s in self.record().sessions if s.status is Status.RUNNING]
        with self.transaction():
            for abandoned in running:
                same = abandoned.outcome.facts.get("boot") == boot
                kind, why = (
                    (FailureKind.INTERRUPTED, "the runner died")
                    if same
                    else (FailureKind.LOST, "the machine that ran it went down")
                )
                last = self._database.execute("SELECT max(time) FROM epoch WHERE session = ?", (abandoned.name,))
                signs = (abandoned.began, self._beat_before, last.fetchone()[0] or 0.0)
                self.end(abandoned.name, Outcome.failed(kind, why), min(max(signs), time.time()))
        return [session for session in self.record().sessions if not session.told]


def _make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        strangers = [] if (home / DATABASE).exists() else [f.name for f in home.iterdir() if _is_tensorboards(f)]
    except (OSError, ValueError) as error:
        cure = "Name another directory with --logdir, or give this user permission to write there."
        reason = getattr(error, "strerror", None) or str(error)
        raise LogdirError(f"cannot be used as log directory: {reason}", where=str(home), cure=cure) from None
    if strangers:
        cure = "Name an empty directory with --logdir: two experiments in one would be shown as one."
        raise LogdirError(
            f"holds event files that are not a sweep's: {sorted(strangers)[0]}", where=str(home), cure=cure
        )
    if not os.access(home, os.W_OK | os.X_OK):
        cure = "Name another directory with --logdir, or give this user permission to write there."
        raise LogdirError("cannot be written", where=str(home), cure=cure)


def printable(text: str) -> str:
    """The text without what UTF-8 cannot hold: a file name of other bytes, say, in an exception's message."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_tensorboards(file: Path) -> bool:
    return ".tfevents." in file.name or (file.name.startswith("run-") and file.is_dir())


def refuse_other_recipe(
    recorded: Mapping[str, Any], wanted: Mapping[str, Any], hparams: Sequence[HParam], home: Path
) -> None:
    """Refuse to mix the results of two recipes.

    Fingerprints that only one of them has are not compared: of folders swept by an HParam the other may have fewer, and
    before pictures were looked at there are none.

    Raises:
        HomeError: with every key that differs, what is recorded and what is wanted.
    """
    defaults = {hparam.name: hparam.default for hparam in hparams}
    differing = []
    for key in sorted({*recorded, *wanted}):
        was, now = recorded.get(key), wanted.get(key)
        name = key.partition(".")[2]
        if key.startswith(FINGERPRINT) and (was is None or now is None):
            continue
        if key not in wanted and name in defaults:  # it has become an HParam: its default says what it was
            if defaults[name] != was:
                differing.append(f"{key}: recorded {was!r}, swept now: declare default = {json.dumps(was)}")
        elif was != now:
            differing.append(f"{key}: recorded {was!r}, now {now!r}")
    if differing:
        lines = "\n  ".join(differing)
        cure = "Change it back, or name another directory with --logdir: results of two recipes cannot be compared."
        raise LogdirError(f"was trained with another recipe:\n  {lines}", where=str(home), cure=cure)


def refuse_other_goal(recorded: bool, wanted: bool, home: Path) -> None:
    """Raise HomeError where more was better and is no longer, or the other way round."""
    if recorded != wanted:
        was, now = ("max" if maximize else "min" for maximize in (recorded, wanted))
        cure = "Name another directory with --logdir: best epochs and models were chosen for the goal recorded here."
        raise LogdirError(f"sweep.goal: recorded {was!r}, now {now!r}", where=str(home), cure=cure)

"""Open sweep.db, know its schema, and explain SQLite's errors.

    sweep     what the sweep is: HParams, recipe, objective; keys and JSON values
    trial     combinations with their numbers
    session   trainings, how each stands, and whether its end was delivered to every writer
    epoch     the metrics of each epoch of each session
    runner    who writes at present, see ``record.lock``

An older schema is migrated by the first runner that opens it, see ``record.migrations``; a newer one is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridsearch.errors import LogdirError
from gridsearch.system.files import MAKE_ROOM, PERMIT, explain_os_errors

__all__ = [
    "DATABASE",
    "SCHEMA",
    "SCHEMA_VERSION",
    "check_version",
    "connect",
    "damaged_record",
    "explain_damage",
    "explain_database_errors",
]

DATABASE = "sweep.db"

SCHEMA_VERSION = 2

SCHEMA = """
CREATE TABLE sweep (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE trial (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, combination TEXT NOT NULL, planned REAL NOT NULL);
CREATE TABLE session (
    name TEXT PRIMARY KEY, trial INTEGER NOT NULL REFERENCES trial, repeat INTEGER NOT NULL, attempt INTEGER NOT NULL,
    seed INTEGER NOT NULL, status TEXT NOT NULL, kind TEXT, metrics TEXT NOT NULL, message TEXT NOT NULL,
    charged INTEGER NOT NULL, paused INTEGER NOT NULL, epochs INTEGER NOT NULL, began REAL NOT NULL, resumed REAL,
    trained_before REAL NOT NULL, ended REAL, boot TEXT NOT NULL, provenance TEXT NOT NULL, oracle TEXT NOT NULL,
    delivered INTEGER NOT NULL,
    UNIQUE (trial, repeat, attempt)) WITHOUT ROWID;
CREATE UNIQUE INDEX one_result ON session (trial, repeat) WHERE status IN ('completed', 'stopped');
CREATE TABLE epoch (
    session TEXT NOT NULL REFERENCES session, epoch INTEGER NOT NULL, time REAL NOT NULL, metrics TEXT NOT NULL,
    PRIMARY KEY (session, epoch)) WITHOUT ROWID;
CREATE TABLE runner (
    only INTEGER PRIMARY KEY CHECK (only = 1), token TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    ticks INTEGER NOT NULL, boot TEXT NOT NULL, namespace TEXT NOT NULL, beat REAL NOT NULL)
"""

BUSY_SECONDS = 30.0
"""How long a reader and the runner wait for each other; a transaction takes milliseconds."""


def connect(file: Path, *, readonly: bool) -> sqlite3.Connection:
    """Open a database; the path may hold any character.

    Args:
        file: the database.
        readonly: whether it must exist and is not to be changed.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    # A runner that was killed in the middle of a commit leaves a journal that must be rolled back before anyone can
    # read, and only a connection that may write can do that.
    journal = Path(f"{file}-journal")
    hot = journal.exists() and journal.stat().st_size > 0
    mode = "rwc" if not readonly else "rw" if hot else "ro"
    return sqlite3.connect(
        f"{file.resolve().as_uri()}?mode={mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None
    )


def check_version(database: sqlite3.Connection, file: Path) -> int:
    """Return the schema version of a database, 0 if it is empty.

    Raises:
        LogdirError: a newer gridsearch wrote it.
    """
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if not 0 <= version <= SCHEMA_VERSION:
        raise LogdirError(
            f"the record has schema version {version}, this gridsearch knows up to {SCHEMA_VERSION}",
            where=str(file),
            cure="Install the newer gridsearch that wrote it, or name another directory with --logdir.",
        )
    return version


def damaged_record(file: Path, problem: str) -> LogdirError:
    """Return the error of a record whose content cannot be what a runner wrote."""
    cure = (
        f"Move {file.name} aside; `sqlite3 {file.name} .recover` of SQLite's own shell brings back what is readable, "
        "and the event files and models beside it are untouched."
    )
    return LogdirError(f"the record is damaged: {problem}", where=str(file), cure=cure)


@contextmanager
def explain_damage(file: Path) -> Iterator[None]:
    """Turn what reading a damaged record raises into an error that the user can mend.

    Args:
        file: the database, named in the message.

    Raises:
        LogdirError: in place of the errors of JSON, types and keys.
    """
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        problem = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise damaged_record(file, problem) from error


@contextmanager
def explain_database_errors(file: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into errors that the user can mend.

    Args:
        file: the database, named in the message.

    Raises:
        LogdirError: in place of ``sqlite3.Error`` and ``OSError``.
    """
    try:
        with explain_os_errors(file):
            yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", None) or ""  # missing where the binding itself refuses
        cure = _cure_of(name)
        if not cure:
            raise damaged_record(file, str(error)) from error
        raise LogdirError(f"the record cannot be used: {error}", where=str(file), cure=cure) from error


def _cure_of(name: str) -> str:
    """Return what to do about an error of this name; empty where the file itself is at fault."""
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return MAKE_ROOM
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "Another program holds the file open; close it and run the same command again."
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return PERMIT
    return ""

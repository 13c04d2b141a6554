"""sweep.db as a file: its schema, its version, and how SQLite's errors are told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridsearch.errors import LogdirError
from gridsearch.system.files import MAKE_ROOM, PERMIT, explain_os_errors

__all__ = ["DATABASE", "SCHEMA", "SCHEMA_VERSION", "check_version", "connect", "explain_database_errors"]

DATABASE = "sweep.db"


SCHEMA_VERSION = 1


SCHEMA = """
CREATE TABLE sweep (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE trial (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, combination TEXT NOT NULL, planned REAL NOT NULL);
CREATE TABLE session (
    name TEXT PRIMARY KEY, trial INTEGER NOT NULL REFERENCES trial, repeat INTEGER NOT NULL, attempt INTEGER NOT NULL,
    seed INTEGER NOT NULL, status TEXT NOT NULL, kind TEXT, metrics TEXT NOT NULL, message TEXT NOT NULL,
    charged INTEGER NOT NULL, facts TEXT NOT NULL, began REAL NOT NULL, ended REAL, told INTEGER NOT NULL,
    UNIQUE (trial, repeat, attempt)) WITHOUT ROWID;
CREATE UNIQUE INDEX one_result ON session (trial, repeat) WHERE status IN ('completed', 'stopped');
CREATE TABLE epoch (
    session TEXT NOT NULL REFERENCES session, epoch INTEGER NOT NULL, time REAL NOT NULL, metrics TEXT NOT NULL,
    PRIMARY KEY (session, epoch)) WITHOUT ROWID;
CREATE TABLE runner (
    only INTEGER PRIMARY KEY CHECK (only = 1), host TEXT NOT NULL, pid INTEGER NOT NULL, born REAL NOT NULL,
    boot TEXT NOT NULL, beat REAL NOT NULL);
"""


BUSY_SECONDS = 30.0
"""How long a reader and the runner wait for each other; a transaction takes milliseconds."""


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
        raise LogdirError(
            f"the record has schema version {version}, this gridsearch knows up to {SCHEMA_VERSION}",
            where=str(file),
            cure="Install the newer gridsearch that wrote it, or name another directory with --logdir.",
        )
    return version


@contextmanager
def explain_database_errors(file: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into errors that the user can mend.

    Args:
        file: the database, named in the message.

    Raises:
        HomeError: in place of ``sqlite3.Error`` and ``OSError``.
    """
    try:
        with explain_os_errors(file):
            yield
    except sqlite3.Error as error:
        problem = f"the record cannot be used: {error}"
        raise LogdirError(problem, where=str(file), cure=_cure_of(error, file)) from error


def _cure_of(error: sqlite3.Error, file: Path) -> str:
    """Return what to do about an error, by the name that SQLite gives it."""
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return MAKE_ROOM
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "Another program holds the file open; close it and run the same command again."
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return PERMIT
    return (
        f"Move {file.name} aside; `sqlite3 {file.name} .recover` of SQLite's own shell brings back what is readable, "
        "and the event files and models beside it are untouched."
    )

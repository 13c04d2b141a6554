"""Read and upgrade records that earlier versions wrote.

    1   0.1.0: what a session carries lay in one JSON object, ``facts``
    2   typed columns in its place; the runner's lock has a token, ticks and a PID namespace

Each step is a numbered function; a record is upgraded by all that follow its version, inside one transaction. Readers
do not write: they upgrade rows in memory by the same functions.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from gridsearch.record.database import SCHEMA, SCHEMA_VERSION

__all__ = ["SESSION_COLUMNS", "create_tables", "migrate", "read_session_rows", "rename_recorded"]

SESSION_COLUMNS = (
    "trial, repeat, attempt, seed, status, kind, metrics, message, charged, paused, epochs, began, resumed, "
    "trained_before, ended, boot, provenance, oracle, delivered"
)

SESSION_COLUMNS_1 = "trial, repeat, attempt, seed, status, kind, metrics, message, charged, facts, began, ended, told"

RENAMED = {
    "gridsearch.kerastuner:searched": "gridsearch.kerastuner:trained_by_script",
    "gridsearch.importing:elsewhere": "gridsearch.importing:trained_elsewhere",
}
"""Functions of this package that records name, as they were called and as they are called."""

STATE_1 = ("paused", "epochs", "resumed", "spent", "continued", "boot", "kerastuner", "disk_full")
"""Keys of ``facts`` that became columns; the others are provenance."""


def rename_recorded(value: Any) -> Any:
    """Return a value read from a record with today's names of this package's functions."""
    if isinstance(value, dict):
        return {key: rename_recorded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rename_recorded(item) for item in value]
    return RENAMED.get(value, value) if isinstance(value, str) else value


def create_tables(database: sqlite3.Connection) -> None:
    """Make the tables of the newest schema in an empty database."""
    for statement in SCHEMA.split(";\n"):
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def read_session_rows(database: sqlite3.Connection, version: int) -> list[tuple[Any, ...]]:
    """Return every session as a row of ``SESSION_COLUMNS``, by trial, repeat and attempt, whatever the version."""
    order = "FROM session ORDER BY trial, repeat, attempt"
    if version == 1:
        return [_upgrade_session_1(row) for row in database.execute(f"SELECT {SESSION_COLUMNS_1} {order}")]
    return database.execute(f"SELECT {SESSION_COLUMNS} {order}").fetchall()


def migrate(database: sqlite3.Connection, version: int) -> None:
    """Upgrade a database to the newest schema; to be called inside a transaction.

    Args:
        database: of an older schema.
        version: its schema version, 1 or more.
    """
    for step in range(version, SCHEMA_VERSION):
        MIGRATIONS[step](database)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _upgrade_session_1(row: tuple[Any, ...]) -> tuple[Any, ...]:
    trial, repeat, attempt, seed, status, kind, metrics, message, charged, text, began, ended, told = row
    facts: Mapping[str, Any] = json.loads(text)
    provenance = {key: value for key, value in facts.items() if key not in STATE_1}
    resumed = float(facts["resumed"]) if facts.get("continued") or "resumed" in facts else None
    return (
        *(trial, repeat, attempt, seed, status, kind, metrics, message, charged),
        int(bool(facts.get("paused"))),
        int(facts.get("epochs", 0)),
        *(began, resumed, float(facts.get("spent", 0.0)), ended, str(facts.get("boot", ""))),
        *(json.dumps(provenance), json.dumps(facts.get("kerastuner", [])), told),
    )


def _migrate_1_to_2(database: sqlite3.Connection) -> None:
    rows = read_session_rows(database, 1)
    names = [name for (name,) in database.execute("SELECT name FROM session ORDER BY trial, repeat, attempt")]
    epochs = database.execute("SELECT session, epoch, time, metrics FROM epoch").fetchall()
    for table in ("epoch", "session", "runner"):  # the indexes go with their tables
        database.execute(f"DROP TABLE {table}")
    for statement in SCHEMA.split(";\n"):
        if not statement.lstrip().startswith(("CREATE TABLE sweep", "CREATE TABLE trial")):
            database.execute(statement)
    marks = ", ".join("?" * (len(SESSION_COLUMNS.split(",")) + 1))
    insert = f"INSERT INTO session (name, {SESSION_COLUMNS}) VALUES ({marks})"
    database.executemany(insert, [(name, *row) for name, row in zip(names, rows, strict=True)])
    database.executemany("INSERT INTO epoch VALUES (?, ?, ?, ?)", epochs)


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _migrate_1_to_2}
"""For each version the step that leads to the next."""

"""Ways to damage a record: other types, broken JSON, missing tables, other versions, bytes; each has a name."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

__all__ = ["damage", "name_damages"]

VALUES: tuple[Any, ...] = (
    None,
    "x",
    "",
    b"\xff\x00",
    -1,
    10**15,
    1e308,
    "{",
    "[]",
    "{}",
    "null",
    "5",
    '"x"',
    "[[1]]",
    "NaN",
)
"""What a column may hold in place of what a runner wrote; JSON columns take some of it."""

NODES: tuple[Any, ...] = (None, 7, -1.5, True, "x", [], {}, [None], {"x": []})
"""What a node of a JSON value may be in place of what it was."""

TABLES = ("sweep", "trial", "session", "epoch", "runner")


def name_damages(file: Path, seed: int, count: int) -> list[str]:
    """Return ``count`` damages of a record, drawn from all kinds; the same for the same seed."""
    chance = random.Random(seed)
    kinds = list(_name_all(file))
    return chance.sample(kinds, min(count, len(kinds)))


def _name_all(file: Path) -> Iterator[str]:
    with closing(sqlite3.connect(file)) as database:
        for table in TABLES:
            yield f"drop {table}"
            yield f"empty {table}"
            for _, column, *_ in database.execute(f"PRAGMA table_info({table})"):
                yield f"rename {table} {column}"
                for rows in ("one", "all"):
                    yield from (f"set {table} {column} {rows} {n}" for n in range(len(VALUES)))
        for key, value in database.execute("SELECT key, value FROM sweep"):
            yield f"delete sweep {key}"
            for path in _paths(json.loads(value)):
                yield from (f"node {key} {n} {json.dumps(path)}" for n in range(len(NODES)))
        for (text,) in database.execute("SELECT DISTINCT combination FROM trial LIMIT 1"):
            for path in _paths(json.loads(text)):
                yield from (f"cell trial combination {n} {json.dumps(path)}" for n in range(len(NODES)))
        for column in ("metrics", "provenance", "oracle"):
            for (text,) in database.execute(f"SELECT {column} FROM session LIMIT 1"):
                for path in _paths(json.loads(text)):
                    yield from (f"cell session {column} {n} {json.dumps(path)}" for n in range(len(NODES)))
    yield from (f"version {n}" for n in (-1, 0, 1, 3, 99, 2**31 - 1))
    yield from (f"bytes {n}" for n in range(60))
    yield from (f"cut {n}" for n in (0, 1, 15, 16, 99, 100, 4095, 4096, 8192, 12288))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[list[Any]]:
    """Yield the path of every node of a JSON value, the whole among them."""
    yield list(path)
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from _paths(below, (*path, key))


def damage(file: Path, name: str) -> None:
    """Damage a record in the way that ``name`` says."""
    kind, _, rest = name.partition(" ")
    if kind == "bytes":
        content, chance = bytearray(file.read_bytes()), random.Random(name)
        for _ in range(chance.choice((1, 20, 500))):
            content[chance.randrange(len(content))] = chance.randrange(256)
        file.write_bytes(content)
    elif kind == "cut":
        file.write_bytes(file.read_bytes()[: int(rest)])
    else:
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            database.execute("PRAGMA foreign_keys = OFF")
            database.execute("PRAGMA legacy_alter_table = ON")
            try:
                _change(database, kind, rest)
            except sqlite3.IntegrityError:  # the schema itself refuses it: no such damage
                return


def _change(database: sqlite3.Connection, kind: str, rest: str) -> None:
    if kind == "drop":
        database.execute(f"DROP TABLE {rest}")
    elif kind == "empty":
        database.execute(f"DELETE FROM {rest}")
    elif kind == "rename":
        table, column = rest.split()
        database.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO {column}_gone")
    elif kind == "delete":
        database.execute("DELETE FROM sweep WHERE key = ?", (rest.split()[1],))
    elif kind == "version":
        database.execute(f"PRAGMA user_version = {rest}")
    elif kind == "set":
        table, column, rows, n = rest.split()
        key = {"sweep": "key", "trial": "number", "session": "name", "epoch": "session", "runner": "only"}[table]
        which = "" if rows == "all" else f" WHERE {key} = (SELECT {key} FROM {table} ORDER BY 1 LIMIT 1)"
        database.execute(f"UPDATE {table} SET {column} = ?{which}", (VALUES[int(n)],))
    elif kind == "node":
        key, n, path = rest.split(" ", 2)
        (text,) = database.execute("SELECT value FROM sweep WHERE key = ?", (key,)).fetchone()
        database.execute("UPDATE sweep SET value = ? WHERE key = ?", (_replace(text, path, int(n)), key))
    elif kind == "cell":
        table, column, n, path = rest.split(" ", 3)
        rowid = {"trial": "number", "session": "name"}[table]
        row, text = database.execute(f"SELECT {rowid}, {column} FROM {table} ORDER BY 1 LIMIT 1").fetchone()
        changed = _replace(text, path, int(n))
        database.execute(f"UPDATE {table} SET {column} = ? WHERE {rowid} = ?", (changed, row))


def _replace(text: str, path: str, n: int) -> str:
    """Return JSON with another node at a path."""
    keys = json.loads(path)
    value = json.loads(text)
    if not keys:
        return json.dumps(NODES[n])
    below = value
    for key in keys[:-1]:
        below = below[key]
    below[keys[-1]] = NODES[n]
    return json.dumps(value)

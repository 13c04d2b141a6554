"""Read a sweep file's TOML and overrides, and turn pydantic's errors into file, key, value and cure.

Nothing here knows which sections there are; ``config`` does, and trusts what comes out.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gridsearch.errors import SweepFileError
from gridsearch.hparams.key_errors import KeyedError, KeyedErrors, suggest_key
from gridsearch.hparams.tables import DECLARE

__all__ = ["apply_override", "drop_none", "explain_errors", "read_tables"]

T = TypeVar("T")
U = TypeVar("U")


SHOWN = 60
"""Characters of a key or value that a message repeats."""


def drop_none(value: Any) -> Any:
    """Return the same tables less every key that is None, which TOML cannot write."""
    if isinstance(value, dict):
        return {key: drop_none(item) for key, item in value.items() if item is not None}
    return value


def read_tables(file: Path) -> dict[str, Any]:
    """Return a TOML file's tables.

    Raises:
        SweepFileError: there is no such file, or it is not TOML.
    """
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        cure = "Name a sweep file, or write one: the README begins with an example."
        raise SweepFileError("there is no such sweep file", where=os.fspath(file), cure=cure) from None
    except OSError as error:
        raise SweepFileError(f"cannot be read: {error.strerror}", where=os.fspath(file)) from None
    except (ValueError, RecursionError) as error:  # TOML, UTF-8, a number of 5000 digits, 1000 brackets
        cure = "Strings need quotes, every [table] and every key may stand once; see toml.io for the syntax."
        raise SweepFileError(f"not valid TOML: {error}", where=os.fspath(file), cure=cure) from None


def apply_override(tables: dict[str, Any], override: str) -> None:
    """Apply one ``--set a.b=value`` to the tables of a file.

    Raises:
        SweepFileError: it has no ``=``, or leads through something that is not a table.
    """
    key, equals, text = override.partition("=")
    path = [part.strip() for part in key.split(".")]
    if not equals or not all(path):
        cure = "Write it as section.key=value, as in --set data.image_size=64."
        raise SweepFileError(f"{override!r} is not key=value", where="--set", cure=cure)
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        parsed = {}
    # a bare word, as in --set model.build=my.module:build, or several lines
    value = parsed["value"] if set(parsed) == {"value"} else text.strip()
    table: Any = tables
    for part in path[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise SweepFileError(f"{part!r} is not a table", where=f"--set {override}")
    table[path[-1]] = value


def explain_errors(error: ValidationError, where: str, model: type[BaseModel]) -> SweepFileError:
    """Return pydantic's errors as lines of key, problem, value and cure."""
    lines = []
    for each in error.errors():
        unknown = each["type"] == "extra_forbidden"
        path = [str(part) for part in each["loc"] if unknown or not _is_branch(part)]
        problem = each.get("ctx", {}).get("error")
        for cause in problem.errors if isinstance(problem, KeyedErrors) else [problem]:
            below = [cause.key] if isinstance(cause, KeyedError) else []
            lines.append(_line([*path, *below], each, model, str(cause) if cause else _lower(each["msg"])))
    first, *rest = dict.fromkeys(lines)
    return SweepFileError("\n".join([first, *(f"{where}: {line}" for line in rest)]), where=where)


def _line(path: Sequence[str], each: Any, model: type[BaseModel], message: str) -> str:
    key = ".".join(_short(part) for part in path)
    if each["type"] == "extra_forbidden":
        *section, name = path
        known = _fields_of(model, section)
        return f"{key}: unknown key{suggest_key(name, known)}"
    if each["type"] == "missing":
        return f"{key}: missing{': ' + DECLARE if key == 'hparams' else ''}"
    value = "" if isinstance(each["input"], dict | list | tuple) or "error" in each.get("ctx", {}) else each["input"]
    return f"{key}: {message}" if value == "" else f"{key} = {_short(repr(value))}: {message}"


def _fields_of(model: type[BaseModel], section: Sequence[str]) -> list[str]:
    """Return the keys that a section may have, or the sections themselves."""
    fields = model.model_fields
    for part in section:
        kind = fields[part].annotation if part in fields else None
        fields = kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}
    return [name for name, field in fields.items() if not field.exclude]


def _short(text: str) -> str:
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return text if text.isprintable() else repr(text)


def _is_branch(part: object) -> bool:
    """Return whether a part of pydantic's location names a branch of a union instead of a key."""
    return isinstance(part, str) and (part.endswith("]") or part in ("int", "float", "constrained-int"))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]

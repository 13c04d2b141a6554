"""The sweep file as text: TOML to tables and back, tables to HParams and back, errors to file, key, value and cure.

Nothing here knows which sections there are; ``config`` does, and trusts what comes out.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gridsearch.errors import SweepFileError
from gridsearch.hparams.domain import Discrete, Domain, HParam, IntInterval, RealInterval, Value

__all__ = [
    "At",
    "apply_override",
    "as_table",
    "closest",
    "declared_grids",
    "each_of",
    "explained",
    "read_tables",
    "without_none",
]

T = TypeVar("T")
U = TypeVar("U")

DECLARE = "declare at least one HParam, as in learning_rate = { discrete = [0.001, 0.0001] }"

SHOWN = 60
"""Characters of a key or value that a message repeats."""

INTERVALS: dict[str, type[IntInterval] | type[RealInterval]] = {
    "int_interval": IntInterval,
    "real_interval": RealInterval,
}
DTYPES: dict[str, type[Value]] = {"bool": bool, "int": int, "float": float, "str": str}


def _domain(table: Mapping[str, Any]) -> Domain:
    kinds = [kind for kind in ("discrete", *INTERVALS) if kind in table]
    if len(kinds) != 1:
        raise ValueError("give one of discrete = [...], int_interval = [min, max], real_interval = [min, max]")
    kind, values = kinds[0], table[kinds[0]]
    allowed = {kind, "default", "display_name", "description"} | (
        {"dtype"} if kind == "discrete" else {"points", "log"}
    )
    for key in table:
        if key not in allowed:
            raise ValueError(f"unknown key {key!r}{_nearest(key, allowed)}")
    if not isinstance(values, list | tuple):
        raise ValueError(f"{kind} = {values!r}: write it in brackets")
    if kind == "discrete":
        if "dtype" in table and table["dtype"] not in tuple(DTYPES):
            raise ValueError(f"dtype = {table['dtype']!r}: one of {', '.join(DTYPES)}")
        return Discrete(values, DTYPES.get(table.get("dtype", "")))
    if len(values) != 2:
        raise ValueError(f"{kind} = {values!r}: two numbers, minimum and maximum")
    return INTERVALS[kind](*values, points=table.get("points"), log=table.get("log", False))


def declared_grids(hparams: object) -> tuple[tuple[HParam, ...], ...]:
    """[hparams] as a tuple of grids: one table is one grid, [[hparams]] several; HParam objects pass as they are."""
    if isinstance(hparams, Mapping):
        hparams = [hparams]
    if not isinstance(hparams, Sequence) or isinstance(hparams, str) or not hparams:
        raise ValueError(DECLARE)
    if all(hasattr(h, "domain") for h in hparams):
        hparams = [hparams]
    return each_of(hparams, _one_grid)


def _one_grid(declared: object) -> tuple[HParam, ...]:
    if not isinstance(declared, Mapping):
        if not isinstance(declared, Sequence) or isinstance(declared, str):
            raise ValueError(f"{declared!r} is not a table of HParams")
        try:
            return tuple(HParam.accept(hparam) for hparam in declared)
        except TypeError as error:  # pydantic gathers only ValueErrors
            raise ValueError(str(error)) from error
    if not declared:
        raise ValueError(DECLARE)
    return each_of(declared.items(), _one_hparam)


def _one_hparam(declared: tuple[str, object]) -> HParam:
    name, table = declared
    if not isinstance(table, Mapping):
        raise At(name, ValueError(f"{table!r}: write a domain, as in {{ discrete = [...] }}"))
    try:
        extra = {key: table[key] for key in ("display_name", "description", "default") if key in table}
        return HParam(name, _domain(table), **extra)
    except (ValueError, TypeError) as error:
        raise At(name, error) from error


class At(ValueError):
    """An error below a key that pydantic does not see, such as a domain inside [hparams]."""

    def __init__(self, key: str, error: Exception) -> None:
        self.key = key
        super().__init__(str(error))


class Several(ValueError):
    """Errors below several keys, told at once."""

    def __init__(self, errors: Sequence[At]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.key}: {error}" for error in errors))


def each_of(items: Iterable[T], make: Callable[[T], U]) -> tuple[U, ...]:
    """``make`` of every item; what is wrong with any of them is raised together at the end.

    Raises:
        Several: an ``At`` for each key that something was wrong with.
    """
    made: list[U] = []
    wrong: list[At] = []
    for item in items:
        try:
            made.append(make(item))
        except At as error:
            wrong.append(error)
        except Several as error:
            wrong += error.errors
    if wrong:
        raise Several(wrong)
    return tuple(made)


def as_table(hparam: HParam) -> dict[str, Any]:
    """An HParam as the table that declares it."""
    domain = hparam.domain
    table: dict[str, Any] = {}
    if isinstance(domain, Discrete):
        table = {"discrete": list(domain.values), "dtype": domain.dtype.__name__}
    elif isinstance(domain, IntInterval | RealInterval):
        kind = "int_interval" if isinstance(domain, IntInterval) else "real_interval"
        table = {kind: [domain.min_value, domain.max_value], "points": domain.points, "log": domain.log or None}
    extra = {"default": hparam.default, "display_name": hparam.display_name, "description": hparam.description}
    return {key: value for key, value in {**table, **extra}.items() if value is not None}


def without_none(value: Any) -> Any:
    """The same tables less every key that is None, which TOML cannot write."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    return value


def read_tables(file: Path) -> dict[str, Any]:
    """A TOML file's tables.

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


def explained(error: ValidationError, where: str, model: type[BaseModel]) -> SweepFileError:
    """Pydantic's errors as lines of key, problem, value and cure."""
    lines = []
    for each in error.errors():
        unknown = each["type"] == "extra_forbidden"
        path = [str(part) for part in each["loc"] if unknown or not _is_branch(part)]
        problem = each.get("ctx", {}).get("error")
        for cause in problem.errors if isinstance(problem, Several) else [problem]:
            below = [cause.key] if isinstance(cause, At) else []
            lines.append(_line([*path, *below], each, model, str(cause) if cause else _lower(each["msg"])))
    first, *rest = dict.fromkeys(lines)
    return SweepFileError("\n".join([first, *(f"{where}: {line}" for line in rest)]), where=where)


def _line(path: Sequence[str], each: Any, model: type[BaseModel], message: str) -> str:
    key = ".".join(_short(part) for part in path)
    if each["type"] == "extra_forbidden":
        *section, name = path
        known = _fields_of(model, section)
        return f"{key}: unknown key{_nearest(name, known)}"
    if each["type"] == "missing":
        return f"{key}: missing{': ' + DECLARE if key == 'hparams' else ''}"
    value = "" if isinstance(each["input"], dict | list | tuple) or "error" in each.get("ctx", {}) else each["input"]
    return f"{key}: {message}" if value == "" else f"{key} = {_short(repr(value))}: {message}"


def _fields_of(model: type[BaseModel], section: Sequence[str]) -> list[str]:
    """The keys that a section may have, or the sections themselves."""
    fields = model.model_fields
    for part in section:
        kind = fields[part].annotation if part in fields else None
        fields = kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}
    return [name for name, field in fields.items() if not field.exclude]


def _short(text: str) -> str:
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return text if text.isprintable() else repr(text)


def _is_branch(part: object) -> bool:
    """Whether a part of pydantic's location names a branch of a union instead of a key."""
    return isinstance(part, str) and (part.endswith("]") or part in ("int", "float", "constrained-int"))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def closest(key: str, known: Iterable[str]) -> str | None:
    """The known key that is most like this one, if any is."""
    return next(iter(difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.5)), None)


def _nearest(key: str, known: Iterable[str]) -> str:
    close = closest(key, known)
    return f"; did you mean {close!r}?" if close else f"; the keys here are {', '.join(sorted(known))}"

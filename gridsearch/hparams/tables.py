"""HParams as the tables of a sweep file, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gridsearch.hparams.domain import Discrete, Domain, HParam, IntInterval, RealInterval, Value
from gridsearch.hparams.key_errors import KeyedError, collect_errors, suggest_key

__all__ = ["DECLARE", "INTERVALS", "hparam_table", "parse_grids"]

DECLARE = "declare at least one HParam, as in learning_rate = { discrete = [0.001, 0.0001] }"


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
            raise ValueError(f"unknown key {key!r}{suggest_key(key, allowed)}")
    if not isinstance(values, list | tuple):
        raise ValueError(f"{kind} = {values!r}: write it in brackets")
    if kind == "discrete":
        if "dtype" in table and table["dtype"] not in tuple(DTYPES):
            raise ValueError(f"dtype = {table['dtype']!r}: one of {', '.join(DTYPES)}")
        return Discrete(values, DTYPES.get(table.get("dtype", "")))
    if len(values) != 2:
        raise ValueError(f"{kind} = {values!r}: two numbers, minimum and maximum")
    return INTERVALS[kind](*values, points=table.get("points"), log=table.get("log", False))


def parse_grids(hparams: object) -> tuple[tuple[HParam, ...], ...]:
    """[hparams] as a tuple of grids: one table is one grid, [[hparams]] several; HParam objects pass as they are."""
    if isinstance(hparams, Mapping):
        hparams = [hparams]
    if not isinstance(hparams, Sequence) or isinstance(hparams, str) or not hparams:
        raise ValueError(DECLARE)
    if all(hasattr(h, "domain") for h in hparams):
        hparams = [hparams]
    return collect_errors(hparams, _one_grid)


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
    return collect_errors(declared.items(), _one_hparam)


def _one_hparam(declared: tuple[str, object]) -> HParam:
    name, table = declared
    if not isinstance(table, Mapping):
        raise KeyedError(name, ValueError(f"{table!r}: write a domain, as in {{ discrete = [...] }}"))
    try:
        extra = {key: table[key] for key in ("display_name", "description", "default") if key in table}
        return HParam(name, _domain(table), **extra)
    except (ValueError, TypeError) as error:
        raise KeyedError(name, error) from error


def hparam_table(hparam: HParam) -> dict[str, Any]:
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

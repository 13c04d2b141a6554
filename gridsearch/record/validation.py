"""Check that what a record's JSON holds has the types that a runner writes, so that whoever reads it may rely on them.

Each function takes JSON text and returns its value. All raise ValueError or TypeError, which ``explain_damage`` turns
into an error that the user can mend.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from gridsearch.hparams.domain import Value
from gridsearch.trials import Objective, OracleEntry

__all__ = [
    "parse_combination",
    "parse_metrics",
    "parse_objective",
    "parse_oracle",
    "parse_table",
    "parse_text",
    "read_count",
    "read_finite",
    "read_text",
]


def parse_table(text: str) -> dict[str, Any]:
    """Return an object: the recipe, the sweep's tables, provenance."""
    value = json.loads(text)
    if type(value) is not dict:
        raise TypeError(f"{str(value)[:50]!r} is not a table")
    return value


def parse_text(text: str) -> str:
    """Return a string: the sweep's folder, its identity."""
    value = json.loads(text)
    if type(value) is not str:
        raise TypeError(f"{str(value)[:50]!r} is not text")
    return value


def parse_combination(text: str) -> Mapping[str, Value]:
    """Return the values of a trial."""
    values = parse_table(text)
    for name, value in values.items():
        if type(value) not in (bool, int, float, str) or (type(value) is float and not math.isfinite(value)):
            raise TypeError(f"the trial's value {name} = {str(value)[:50]!r} is none that an HParam takes")
    return values


def parse_metrics(text: str, *, finite: bool = True) -> dict[str, float]:
    """Return metrics by name; those of an epoch need not be ``finite``, since a diverged epoch is a fact, too."""
    metrics = {name: _number(value) for name, value in parse_table(text).items()}
    if finite:
        for value in metrics.values():
            read_finite(value)
    return metrics


def parse_objective(text: str) -> Objective:
    """Return the sweep's objective."""
    objective = Objective(**parse_table(text))
    kinds = tuple(type(each) for each in (objective.metric, objective.maximize, objective.with_loss))
    if kinds != (str, bool, bool) or objective.select not in ("last", "best"):
        raise TypeError(f"{text[:80]!r} is no objective")
    return objective


def parse_oracle(text: str) -> tuple[OracleEntry, ...]:
    """Return what a KerasTuner oracle has heard of a session."""
    return tuple(_parse_entry(entry) for entry in json.loads(text))


def _parse_entry(entry: Mapping[str, Any]) -> OracleEntry:
    values, metrics = entry["values"], entry["metrics"]
    if type(values) is not dict or type(metrics) is not dict:
        raise TypeError(f"{str(entry)[:80]!r} is nothing that an oracle heard")
    numbers = {name: _number(value) for name, value in metrics.items()}
    declared = tuple(entry.get("declared", ()))
    if any(type(each) is not dict for each in declared):
        raise TypeError(f"{str(declared)[:80]!r} are no declared hyperparameters")
    status = read_text(entry.get("status", ""))
    return OracleEntry(read_count(entry["number"]), values, numbers, int(entry["step"]), status, declared)


def read_finite(value: Any) -> float:
    """Return a number of a column, such as a time, that is neither NaN nor infinite."""
    number = _number(value)
    if not math.isfinite(number):
        raise ValueError(f"{number!r} is not a finite number")
    return number


def read_count(value: Any, least: int = 0) -> int:
    """Return a whole number of a column, such as an epoch or a seed."""
    if type(value) is not int or value < least:
        raise TypeError(f"{str(value)[:50]!r} is not a whole number of at least {least}")
    return value


def read_text(value: Any) -> str:
    """Return the text of a column."""
    if type(value) is not str:
        raise TypeError(f"{str(value)[:50]!r} is not text")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"{str(value)[:50]!r} is not a number")
    return float(value)

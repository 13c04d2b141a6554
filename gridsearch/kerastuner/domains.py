"""Read what a ``build_model(hp)`` declares as HParams.

hp.Choice                      its values
hp.Boolean, hp.Fixed           False and True; the value
hp.Int with step, hp.Float with step     every step, linear or (``sampling="log"``) as factors
hp.Int without step            every int; with ``sampling="log"`` an interval
hp.Float without step          an interval: its two endpoints in a grid, all between them in a search
hp.conditional_scope           a grid for each set of scopes that can be open together
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gridsearch.hparams.domain import Discrete, Domain, HParam, IntInterval, RealInterval, Value

__all__ = ["OURS", "cast_as_declared", "grids_from_space"]

OURS = "tuner/"
"""What KerasTuner's Hyperband puts among the values."""

MOST_POINTS = 1000
"""Ints that a grid goes through one by one; of more it takes the endpoints."""

Fixed = Mapping[str, tuple[Value, ...]]
"""Hyperparameters on which others depend, each with the values that open the same scopes."""


def grids_from_space(declared: Iterable[Any]) -> list[list[HParam]]:
    """Return the HParams of a space, as one grid, or as several where scopes are conditional.

    Args:
        declared: KerasTuner's ``HyperParameters.space``: parents before those that depend on them.

    Raises:
        ValueError: two that can be active together share a name, or one has a name that KerasTuner keeps for itself.
    """
    space = list(declared)
    for hp in space:
        if hp.name.startswith(OURS):
            raise ValueError(f"hp.{_kind(hp)}({hp.name!r}, ...): names that begin with {OURS!r} are KerasTuner's own")
    return list(_expanded(space, {}))


def cast_as_declared(values: Mapping[str, Any], grids: Iterable[Sequence[HParam]]) -> dict[str, Value]:
    """Return values as the grids have them, without KerasTuner's own: its 0.1 + 2 * 0.1 is the 0.3 of a list."""
    domains: dict[str, list[Domain]] = {}
    for hparam in (hparam for grid in grids for hparam in grid):
        domains.setdefault(hparam.name, []).append(hparam.domain)
    own = {name: value for name, value in values.items() if not name.startswith(OURS)}
    return {name: _as_one_declares(value, domains.get(name, ())) for name, value in own.items()}


def _as_one_declares(value: Any, domains: Sequence[Domain]) -> Value:
    plain: Value = value.item() if hasattr(value, "item") else value
    plain = domains[0].cast(plain) if domains else plain
    listed = [one for domain in domains if isinstance(domain, Discrete) for one in domain.values]
    if not isinstance(plain, float):
        return plain
    return next((one for one in listed if math.isclose(float(one), plain, rel_tol=1e-9, abs_tol=1e-12)), plain)


def _expanded(space: Sequence[Any], fixed: Fixed) -> Iterable[list[HParam]]:
    """Take the first hyperparameter that others depend on, and go on for each group of its values."""
    conditions = [condition for hp in space for condition in hp.conditions]
    active = [hp for hp in space if _is_active(hp, fixed)]
    parents = {condition.name for condition in conditions}
    parent = next((hp for hp in active if hp.name in parents and hp.name not in fixed), None)
    if parent is None:
        yield _grid(active, fixed)
        return
    groups: dict[tuple[bool, ...], list[Value]] = {}
    for value in _domain(parent).values:
        opens = tuple(value in condition.values for condition in conditions if condition.name == parent.name)
        groups.setdefault(opens, []).append(value)
    for values in groups.values():
        yield from _expanded(space, {**fixed, parent.name: tuple(values)})


def _is_active(hp: Any, fixed: Fixed) -> bool:
    return all(c.name in fixed and all(value in c.values for value in fixed[c.name]) for c in hp.conditions)


def _grid(active: Iterable[Any], fixed: Fixed) -> list[HParam]:
    found: dict[str, HParam] = {}
    for hp in active:
        domain = Discrete(fixed[hp.name]) if hp.name in fixed else _domain(hp)
        if hp.name in found and found[hp.name].domain != domain:
            raise ValueError(f"{hp.name!r} is declared twice, as {found[hp.name].domain!r} and as {domain!r}")
        found[hp.name] = HParam(hp.name, domain)
    return list(found.values())


def _domain(hp: Any) -> Domain:
    kind = _kind(hp)
    if kind == "Choice":
        return Discrete(hp.values)
    if kind == "Boolean":
        return Discrete([False, True])
    if kind == "Fixed":
        return Discrete([hp.value])
    dtype = int if kind == "Int" else float
    if hp.min_value == hp.max_value:
        return Discrete([hp.min_value], dtype)
    if hp.step is not None and not (kind == "Int" and hp.sampling == "linear" and hp.step == 1):
        return Discrete(list(dict.fromkeys(_steps(hp, dtype))), dtype)
    interval = IntInterval if kind == "Int" else RealInterval
    count = hp.max_value - hp.min_value + 1 if kind == "Int" and hp.step == 1 else None
    points = count if count is not None and 2 <= count <= MOST_POINTS else None
    return interval(hp.min_value, hp.max_value, points=points, log=hp.sampling == "log")


def _steps(hp: Any, dtype: type[Value]) -> Iterable[Value]:
    """Return every value from the minimum up, or from the maximum down with ``reverse_log``; both ends if met."""
    low, high, step = hp.min_value, hp.max_value, hp.step
    if hp.sampling == "linear":
        steps = [low + n * step for n in range(math.floor((high - low) / step + 1e-8) + 1)]
    else:
        steps = [low * step**n for n in range(math.floor(math.log(high / low, step) + 1e-8) + 1)]
        steps = [high + low - value for value in steps] if hp.sampling == "reverse_log" else steps
    return [int(value) if dtype is int else float(f"{value:.12g}") for value in steps]


def _kind(hp: Any) -> str:
    """Return which of KerasTuner's it is."""
    return str(getattr(hp, "kind", type(hp).__name__))  # read from a file, it says so itself

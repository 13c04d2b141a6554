"""Find every hyperparameter of a ``build_model(hp)``, also where one is asked for only for some values of another.

KerasTuner learns of ``units_2`` when a trial with ``num_layers = 3`` asks for it. A sweep must know beforehand: the
model is built with one value after another changed, and what appears only for some values becomes conditional, as if
it had been declared in an ``hp.conditional_scope``.

    build with defaults ──► change one value ──► new names? ──► change one more value from there ──► ...
"""

from __future__ import annotations

import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from gridsearch.hparams.domain import Discrete, HParam, Value
from gridsearch.kerastuner.domains import domain_of
from gridsearch.training.hyperparameters import Hyperparameters

__all__ = ["find_space", "refuse_hidden_branches"]

MOST_BUILDS = 400
"""Models that are built at most; a second each would be much."""

CHECKED = 50
"""Combinations of what was found that the model is built with at most, to see that it asks for just these names."""

MOST_VALUES = 24
"""Of a hyperparameter with more values only the first, the middle and the last are tried."""

Values = Mapping[str, Value]


class BranchError(ValueError):
    """A space that depends on its own values in a way that cannot be found out."""


def find_space(build: Callable[[Any], Any]) -> list[Any]:
    """Return all hyperparameters with their conditions, parents first, as KerasTuner's ``space`` has them.

    Raises:
        ValueError: names clash, or the space depends on its values and cannot be found wholly; the names are said.
        Exception: whatever building the model with its defaults raises.
    """
    return _Search(build).find()


def refuse_hidden_branches(build: Callable[[Any], Any], grids: Sequence[Sequence[HParam]]) -> None:
    """Refuse a space that is not what the model asks for, such as a name that two values open together.

    The model is built with every combination, or with ``CHECKED`` drawn ones if there are more. A branch that none of
    them meets is found by its trial, which says so.

    Raises:
        ValueError: with some values the model asks for other names than were found; they are said.
    """
    for values in _draw_combinations(grids):
        hp = Hyperparameters(values)
        try:
            build(hp)
        except Exception:  # a trial's business: it fails there, with a log
            continue
        asked = {one.name for one in hp.space if hp.is_active(one)}
        if asked != set(values):
            names = ", ".join(repr(name) for name in sorted(asked ^ set(values)))
            listed = ", ".join(f"{name} = {value!r}" for name, value in values.items())
            raise BranchError(f"whether {names} is asked for depends on several values at once, here on {listed}")


def _draw_combinations(grids: Sequence[Sequence[HParam]]) -> Iterator[dict[str, Value]]:
    columns = [[(hparam.name, list(hparam.domain.values)) for hparam in grid] for grid in grids]
    if sum(math.prod(len(values) for _, values in grid) for grid in columns) <= CHECKED:
        for grid in columns:
            yield from (
                {name: value for (name, _), value in zip(grid, chosen, strict=True)}
                for chosen in itertools.product(*(values for _, values in grid))
            )
        return
    draw = random.Random(0)  # the same ones whenever the sweep file is read
    for number in range(CHECKED):
        yield {name: draw.choice(values) for name, values in columns[number % len(columns)]}


class _Search:
    def __init__(self, build: Callable[[Any], Any]) -> None:
        self._build, self._built = build, dict[tuple[tuple[str, Value], ...], Hyperparameters | None]()
        self._first: dict[str, Values] = {}
        """For each name the values with which it appeared first."""
        self._found: dict[tuple[str, str], Any] = {}
        """What appeared, by name and declared conditions."""

    def find(self) -> list[Any]:
        start = Hyperparameters()
        self._build(start)
        self._built[()] = start
        queue: deque[Values] = deque([{}])
        self._note(start, {})
        while queue:
            at = queue.popleft()
            for hp in list(self._at(at)):
                for value in _probes(hp):
                    values = {**at, hp.name: value}
                    seen = self._try(values)
                    if seen is not None and self._note(seen, values):
                        queue.append(values)
        return self._ordered({name: self._conditions(name, at) for name, at in self._first.items()})

    def _at(self, values: Values) -> Iterable[Any]:
        seen = self._try(values)
        return seen.space if seen is not None else ()

    def _try(self, values: Values) -> Hyperparameters | None:
        """Build with these values and defaults; None where the model cannot be built, which fails its trial, too."""
        key = tuple(sorted(values.items()))
        if key not in self._built:
            if len(self._built) >= MOST_BUILDS:
                raise BranchError(
                    f"its space has too many branches to be found by building {MOST_BUILDS} models; "
                    f"it depends on {', '.join(repr(name) for name in sorted(self._depending())) or 'its values'}"
                )
            hp = Hyperparameters(values)
            try:
                self._build(hp)
            except Exception:  # a trial's business: it fails there, with a log
                self._built[key] = None
            else:
                self._built[key] = hp
        return self._built[key]

    def _depending(self) -> set[str]:
        return {name for values in self._first.values() for name in values}

    def _note(self, seen: Hyperparameters, values: Values) -> bool:
        """Note what appeared; return whether anything is new.

        Raises:
            BranchError: a hyperparameter takes other values here than elsewhere.
        """
        new = False
        for hp in seen.space:
            key = (hp.name, repr([c.get_config() for c in hp.conditions]))
            if key in self._found and self._found[key].get_config() != hp.get_config():
                raise BranchError(
                    f"what {hp.name!r} can be depends on {', '.join(map(repr, sorted(values)))}: "
                    f"{self._found[key]!r}, {hp!r}"
                )
            new |= key not in self._found
            self._found.setdefault(key, hp)
            self._first.setdefault(hp.name, dict(values))
        return new

    def _conditions(self, name: str, at: Values) -> list[Any]:
        """Return on which values it depends whether a name appears, around those with which it appeared first."""
        conditions = []
        for parent in list(self._at(at)):
            if parent.name == name:
                continue
            opening, closing, probes = list[Value](), list[Value](), _probes(parent)
            for value in probes:
                seen = self._try({**at, parent.name: value})
                if seen is not None:
                    (opening if name in {hp.name for hp in seen.space} else closing).append(value)
            if not closing:
                continue
            if not (isinstance(domain := domain_of(parent), Discrete) or len(probes) == len(list(domain.values))):
                raise BranchError(
                    f"whether {name!r} is asked for depends on {parent.name!r}, which has too many values"
                )
            conditions.append(SimpleNamespace(name=parent.name, values=opening))
        return conditions

    def _ordered(self, found: Mapping[str, list[Any]]) -> list[Any]:
        """Return what was found, parents first, with the conditions that were declared and those found out."""
        space, left = list[Any](), dict(self._found)
        while left:
            placed = {hp.name for hp in space}
            ready = [
                key for key, hp in left.items() if all(c.name in placed for c in [*hp.conditions, *found[hp.name]])
            ]
            if not ready:
                raise BranchError(f"whether they are asked for goes in a circle: {', '.join(name for name, _ in left)}")
            for key in ready:
                hp = left.pop(key)
                declared = {c.name for c in hp.conditions}
                more = [c for c in found[hp.name] if c.name not in declared]
                space.append(SimpleNamespace(**_plain(hp), conditions=[*hp.conditions, *more]) if more else hp)
        return space


def _plain(hp: Any) -> dict[str, Any]:
    config = {k: v for k, v in hp.get_config().items() if k != "conditions"}
    return {"kind": type(hp).__name__, "step": None, "sampling": "linear", **config}


def _probes(hp: Any) -> list[Value]:
    values = list(domain_of(hp).values)
    return values if len(values) <= MOST_VALUES else [values[0], values[len(values) // 2], values[-1]]

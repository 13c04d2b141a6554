"""The declared HParams as a space to search: intervals count with everything between their ends, not only with points.

    >>> space = SearchSpace([[HParam("units", IntInterval(1, 4)), HParam("bias", Discrete([True, False]))]])
    >>> space.size
    8

A space of finitely many combinations is sampled without replacement, as long as one has to look at it to count it; any
other forever. Either way the stream is a function of its seed, so that a search needs no memory of where it stood.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gridsearch.hparams.combination import Combination
from gridsearch.hparams.domain import Discrete, Domain, HParam, IntInterval, RealInterval, Value
from gridsearch.hparams.grid import Space, as_list, space_of, unite_hparams

__all__ = ["SearchSpace", "draw_value"]

MOST_INTS, MOST_LOG_INTS = 100_000, 100
"""An interval of more ints is sampled like one of floats, and so is one on a log scale, unless it is small."""

DIGITS = 6
"""Of a sampled float, relative to its interval: more would tell nobody anything."""

MOST_MISSES = 10_000
"""Draws in a row that an exclude rule may refuse before the space counts as exhausted."""


class SearchSpace:
    """What a sweep may try.

    Args:
        grids: HParams, as the sweep file declares them: one grid, or several to be united.
        exclude: rules as for ``Grid``; in an interval a rule's value is excluded, and nothing beside it.

    Raises:
        ValueError, TypeError: as ``space_of`` does, but for the number of combinations; a rule names a value that is in
            no domain.
    """

    def __init__(self, grids: Iterable[Iterable[HParam]], exclude: Iterable[Mapping[str, Any]] = ()) -> None:
        declared = [tuple(grid) for grid in grids]
        self.hparams = _spanning(declared)
        self.grids = tuple(tuple(replace(h, domain=_listed(h.domain)) for h in grid) for grid in declared)
        self._rules = [dict(rule) for rule in exclude]
        finite = all(isinstance(hparam.domain, Discrete) for grid in self.grids for hparam in grid)
        finite = finite and _combinations(self.grids) <= sys.maxsize
        self._space: Space | None = space_of(self.grids, self._rules) if finite else None
        if not finite:
            for rule in self._rules:
                _refuse_idle(rule, self.grids)

    @property
    def size(self) -> int | None:
        """How many combinations there are; None if there is no end of them, or as good as none."""
        return None if self._space is None else len(self._space)

    def __contains__(self, combination: object) -> bool:
        if self._space is not None:
            return combination in self._space
        return isinstance(combination, Mapping) and any(self._holds(grid, combination) for grid in self.grids)

    def _holds(self, grid: Sequence[HParam], values: Mapping[str, Value]) -> bool:
        if set(values) != {hparam.name for hparam in grid}:
            return False
        return all(values[h.name] in h.domain for h in grid) and not any(_matches(values, r) for r in self._rules)

    def with_defaults(self, values: Mapping[str, Value]) -> Combination:
        """The values with the defaults of HParams that were declared since, see ``Space.with_defaults``."""
        if self._space is not None:
            return self._space.with_defaults(values)
        defaults = [{h.name: h.default for h in grid if h.default is not None} for grid in self.grids]
        own = Combination.of(values)
        candidates = (own, *(Combination({**default, **own}) for default in defaults))
        return next((candidate for candidate in candidates if candidate in self), own)

    def sample(self, seed: int) -> Iterator[Combination]:
        """Combinations at random, uniform in each domain or in its logarithm; always the same ones for a seed.

        Without replacement and to the last one where the space is finite; without end where it is not.
        """
        generator = random.Random(seed)
        if self._space is not None:
            yield from _shuffled(self._space, generator)
            return
        misses = 0
        while misses < MOST_MISSES:
            grid = generator.choice(self.grids)
            values = Combination({hparam.name: draw_value(hparam.domain, generator) for hparam in grid})
            misses += 1
            if values in self:
                misses = 0
                yield values


def _shuffled(space: Space, generator: random.Random) -> Iterator[Combination]:
    """Fisher and Yates's shuffle, of which only the cards that have moved are remembered."""
    moved: dict[int, int] = {}
    for left in range(len(space), 0, -1):
        pick, last = generator.randrange(left), left - 1
        index, end = moved.get(pick, pick), moved.pop(last, last)
        if pick != last:
            moved[pick] = end
        yield space[index]


def draw_value(domain: Domain, generator: random.Random) -> Value:
    """A value of a domain at random."""
    if isinstance(domain, Discrete):
        return generator.choice(domain.values)
    if not isinstance(domain, IntInterval | RealInterval):
        raise TypeError(f"{domain!r} is not a domain that can be sampled")
    spread = 0.5 if isinstance(domain, IntInterval) else 0.0  # so that the outermost ints are as likely as the others
    low, high = domain.min_value - spread, domain.max_value + spread
    place = generator.random()
    if domain.log:
        low = low if low > 0 else domain.min_value
        exact = low * (high / low) ** place
    else:
        exact = low + (high - low) * place
    nearest = round(exact) if isinstance(domain, IntInterval) else _rounded(exact, domain)
    return domain.cast(min(max(nearest, domain.min_value), domain.max_value))


def _rounded(value: float, interval: RealInterval) -> float:
    scale = value if interval.log else interval.max_value - interval.min_value
    narrow = interval.log and interval.max_value < 1.001 * interval.min_value
    if narrow or scale == 0:
        return value
    return round(value, DIGITS - 1 - math.floor(math.log10(abs(scale)))) + 0.0


def _listed(domain: Domain) -> Domain:
    """The same values as a list, where they are few enough to be listed."""
    if isinstance(domain, IntInterval):
        few = domain.max_value - domain.min_value < (MOST_LOG_INTS if domain.log else MOST_INTS)
        return Discrete(range(domain.min_value, domain.max_value + 1), int) if few else domain
    if isinstance(domain, RealInterval) and domain.min_value == domain.max_value:
        return Discrete([domain.min_value], float)
    return domain


def _spanning(grids: Sequence[Sequence[HParam]]) -> tuple[HParam, ...]:
    """The HParams of several grids, each name once; those with an interval span all that any grid has."""
    found = []
    for hparam in unite_hparams(grids):
        domains = [one.domain for grid in grids for one in grid if one.name == hparam.name]
        interval = next((domain for domain in domains if isinstance(domain, IntInterval | RealInterval)), None)
        if interval is not None and any(domain != interval for domain in domains):
            ends: list[Any] = [value for domain in domains for value in domain.values]
            hparam = replace(hparam, domain=type(interval)(min(ends), max(ends)))
        found.append(hparam)
    return tuple(found)


def _combinations(grids: Iterable[Sequence[HParam]]) -> int:
    return sum(math.prod(len(hparam.domain.values) for hparam in grid) for grid in grids)


def _refuse_idle(rule: Mapping[str, Any], grids: Iterable[Sequence[HParam]]) -> None:
    """Refuse a rule that could exclude nothing, or would exclude everything."""
    domains: dict[str, list[Domain]] = {}
    for hparam in (hparam for grid in grids if set(rule) <= {hparam.name for hparam in grid} for hparam in grid):
        domains.setdefault(hparam.name, []).append(hparam.domain)
    if not rule:
        raise ValueError("an empty exclude rule would exclude everything")
    if not domains:
        declared = {hparam.name for grid in grids for hparam in grid}
        unknown = sorted(set(rule) - declared)
        what = f"{unknown[0]!r}, which is not an HParam here" if unknown else "HParams that no grid has together"
        raise ValueError(f"exclude rule {dict(rule)!r} names {what}")
    for name, wanted in rule.items():
        if not as_list(wanted):
            raise ValueError(f"exclude rule gives {name} no value, so it would exclude nothing")
        for value in as_list(wanted):
            if not any(domain.cast(value) in domain for domain in domains[name]):
                raise ValueError(f"exclude rule names {name} = {value!r}, which is in no domain of it")


def _matches(values: Mapping[str, Value], rule: Mapping[str, Any]) -> bool:
    return all(name in values and values[name] in as_list(wanted) for name, wanted in rule.items())

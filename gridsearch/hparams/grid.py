"""The Cartesian product of HParam domains: sized, iterable and indexable, with nothing materialised.

    >>> grid = Grid([HParam("units", Discrete([256, 512])), HParam("dropout", RealInterval(0.1, 0.2))])
    >>> len(grid), grid[3]
    (4, {'units': 512, 'dropout': 0.2})

The last HParam varies fastest, as in ``itertools.product``. One law holds for every grid, with or without exclusions
and unions: ``list(grid) == [grid[i] for i in range(len(grid))]``, each of them ``in grid`` and no two alike.

Exclusions are counted, not filtered: a point is found by walking the HParams once, taking at each the value under
which it falls. What the walk must remember is only which exclusions can still apply, so ``len`` and ``[i]`` stay
arithmetic for 10^12 points.
"""

from __future__ import annotations

import math
import sys
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, overload

from gridsearch.hparams.combination import Combination
from gridsearch.hparams.domain import Discrete, Domain, HParam, Value

__all__ = ["Grid", "GridUnion", "Space", "as_list", "space_of", "unite_hparams"]

Box = tuple[frozenset[int] | None, ...]
"""For each HParam the indices of the values inside, or None for all of them."""


@dataclass(frozen=True)
class _Region:
    """Points that do not belong to the grid: those inside the box and outside all of its holes."""

    box: Box
    holes: tuple[Box, ...] = ()


_Alive = frozenset[tuple[int, frozenset[int]]]
"""Regions (by index) that may still hold the point walked to, each with the holes that may still hold it."""


class Space(Sequence[Combination]):
    """What a grid and a union of grids have in common."""

    hparams: tuple[HParam, ...]

    @overload
    def __getitem__(self, index: int) -> Combination: ...
    @overload
    def __getitem__(self, index: slice) -> list[Combination]: ...
    def __getitem__(self, index: int | slice) -> Combination | list[Combination]:
        if isinstance(index, slice):
            return [self._at(i) for i in range(*index.indices(len(self)))]
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(f"combination {index} of {len(self)}")
        return self._at(at)

    @abstractmethod
    def _at(self, index: int) -> Combination:
        """The combination at an index from 0, known to be within."""

    @abstractmethod
    def with_defaults(self, values: Mapping[str, Value]) -> Combination:
        """A combination recorded earlier as it reads today: an HParam declared since then had its default."""

    def __or__(self, other: Space) -> GridUnion:
        return GridUnion([self, other])


class Grid(Space):
    """Every combination of the HParams' values, less those excluded.

    Args:
        hparams: ours or TensorBoard's; at least one, no two of one name.
        exclude: rules; a combination goes when it matches one. A rule names some HParams, each with a value or a list
            of values: ``{"optimizer": "sgd", "learning_rate": [0.001, 0.0005]}``.

    Raises:
        ValueError: no HParam, a name declared twice, more than 2**63 combinations, a rule that names an unknown HParam,
            no value at all or a value never taken.
        TypeError: not an HParam.
    """

    def __init__(self, hparams: Iterable[object], exclude: Iterable[Mapping[str, Any]] = ()) -> None:
        self.hparams = tuple(HParam.accept(hparam) for hparam in hparams)
        if not self.hparams:
            raise ValueError("a grid needs at least one HParam")
        names = [hparam.name for hparam in self.hparams]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"HParam {name!r} is declared twice")
        self._values = tuple(hparam.domain.values for hparam in self.hparams)
        _countable(math.prod(len(values) for values in self._values))
        self._index = [{value: i for i, value in enumerate(values)} for values in self._values]
        self._excluded = tuple(self._box(rule) for rule in exclude)
        self._regions = tuple(_Region(box) for box in self._excluded)
        self._counts: dict[tuple[int, _Alive], int] = {}
        self._below = [math.prod(len(v) for v in self._values[d:]) for d in range(len(self._values) + 1)]

    def _box(self, rule: Mapping[str, Any]) -> Box:
        unknown = sorted(set(rule) - {hparam.name for hparam in self.hparams})
        if unknown or not rule:
            raise ValueError(f"exclude rule {dict(rule)!r} names {unknown[0]!r}, which is not an HParam here"
                             if unknown else "an empty exclude rule would exclude everything")  # fmt: skip
        return tuple(
            self._indices(hparam, index, rule[hparam.name]) if hparam.name in rule else None
            for hparam, index in zip(self.hparams, self._index, strict=True)
        )

    @staticmethod
    def _indices(hparam: HParam, index: Mapping[Value, int], wanted: object) -> frozenset[int]:
        found = set()
        for value in as_list(wanted):
            cast = hparam.domain.cast(value)
            if cast not in index:
                raise ValueError(f"exclude rule names {hparam.name} = {value!r}, which the grid never takes")
            found.add(index[cast])
        if not found:
            raise ValueError(f"exclude rule gives {hparam.name} no value, so it would exclude nothing")
        return frozenset(found)

    def narrow(self, rule: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What of a rule can match here: its values that this grid takes. None if nothing can."""
        domains = {hparam.name: hparam.domain for hparam in self.hparams}
        if not rule or not set(rule) <= set(domains):
            return None
        taken = {name: [v for v in as_list(rule[name]) if _takes(domains[name], v)] for name in rule}
        return taken if all(taken.values()) else None

    def _without(self, earlier: Iterable[Grid]) -> Grid:
        """This grid less the points of earlier ones over the same names: what it adds to a union."""
        names = {hparam.name for hparam in self.hparams}
        same = [grid for grid in earlier if {hparam.name for hparam in grid.hparams} == names]
        rest = Grid(self.hparams)
        rest._excluded = self._excluded
        rest._regions = self._regions + tuple(self._shadow(grid) for grid in same)
        return rest

    def _shadow(self, other: Grid) -> _Region:
        """Another grid's points in this grid's indices: its whole product, with its exclusions as holes."""
        at = {hparam.name: d for d, hparam in enumerate(other.hparams)}
        order = [at[hparam.name] for hparam in self.hparams]

        def translated(box: Box) -> Box:
            chosen = [box[d] if box[d] is not None else range(len(other._values[d])) for d in order]
            return tuple(
                frozenset(
                    mine[value]
                    for value in (other._values[d][i] for i in indices or ())
                    if value in mine and type(value) is hparam.domain.dtype
                )
                for d, indices, mine, hparam in zip(order, chosen, self._index, self.hparams, strict=True)
            )

        everything: Box = (None,) * len(self.hparams)
        return _Region(translated(everything), tuple(translated(hole) for hole in other._excluded))

    # The walk: from the first HParam to the last, remembering only which regions may still apply.

    def _start(self) -> _Alive:
        return frozenset((r, frozenset(range(len(region.holes)))) for r, region in enumerate(self._regions))

    def _step(self, alive: _Alive, depth: int, value: int) -> _Alive:
        kept = []
        for r, holes in alive:
            region = self._regions[r]
            inside = region.box[depth]
            if inside is None or value in inside:
                still = frozenset(h for h in holes if (at := region.holes[h][depth]) is None or value in at)
                kept.append((r, still))
        return frozenset(kept)

    def _constrained(self, alive: _Alive, depth: int) -> bool:
        """Whether the value chosen at this depth can change what is alive."""
        boxes = (b for r, hs in alive for b in (self._regions[r].box, *(self._regions[r].holes[h] for h in hs)))
        return any(box[depth] is not None for box in boxes)

    def _count(self, depth: int, alive: _Alive) -> int:
        """Points left from this depth on."""
        if not alive:
            return self._below[depth]
        if depth == len(self._values):
            return 0 if any(not holes for _, holes in alive) else 1
        if (key := (depth, alive)) not in self._counts:
            if self._constrained(alive, depth):
                digits = range(len(self._values[depth]))
                count = sum(self._count(depth + 1, self._step(alive, depth, digit)) for digit in digits)
            else:
                count = len(self._values[depth]) * self._count(depth + 1, alive)
            self._counts[key] = count
        return self._counts[key]

    def __len__(self) -> int:
        return self._count(0, self._start())

    def _at(self, index: int) -> Combination:
        alive = self._start()
        chosen: dict[str, Value] = {}
        for depth, (hparam, values) in enumerate(zip(self.hparams, self._values, strict=True)):
            if not self._constrained(alive, depth):
                digit, index = divmod(index, self._count(depth + 1, alive))
            else:
                for digit in range(len(values)):
                    after = self._step(alive, depth, digit)
                    under = self._count(depth + 1, after)
                    if index < under:
                        alive = after
                        break
                    index -= under
            chosen[hparam.name] = values[digit]
        return Combination(chosen)

    def __iter__(self) -> Iterator[Combination]:
        names = [hparam.name for hparam in self.hparams]
        if not self._regions:
            yield from (Combination(dict(zip(names, values, strict=True))) for values in product(*self._values))
        else:
            yield from (self._at(i) for i in range(len(self)))

    def __contains__(self, combination: object) -> bool:
        if not isinstance(combination, Mapping) or set(combination) != {hparam.name for hparam in self.hparams}:
            return False
        alive = self._start()
        for depth, hparam in enumerate(self.hparams):
            value = combination[hparam.name]
            if type(value) is not hparam.domain.dtype or value not in self._index[depth]:
                return False
            alive = self._step(alive, depth, self._index[depth][value])
        return all(holes for _, holes in alive)

    def with_defaults(self, values: Mapping[str, Value]) -> Combination:
        """The values, with the default of each HParam that they lack."""
        defaults = {h.name: h.default for h in self.hparams if h.default is not None and h.name not in values}
        return Combination(defaults | dict(values)) if defaults else Combination.of(values)

    def __repr__(self) -> str:
        return f"Grid({len(self)} combinations of {', '.join(hparam.name for hparam in self.hparams)})"


def as_list(wanted: object) -> list[object]:
    """The values that an exclude rule gives an HParam: one or a list."""
    return list(wanted) if isinstance(wanted, list | tuple | set | frozenset) else [wanted]


def _takes(domain: Domain, value: object) -> bool:
    """Whether a grid over this domain takes this value."""
    try:
        return domain.cast(value) in domain.values
    except (TypeError, ValueError):
        return False


def _countable(combinations: int) -> None:
    if combinations > sys.maxsize:
        raise ValueError("more than 2**63 combinations: give fewer values or points")


def unite_hparams(grids: Iterable[Sequence[HParam]]) -> tuple[HParam, ...]:
    """The HParams of several grids, each name once, with every value that one of them takes.

    Raises:
        ValueError: a name has values of one type here and of another there.
    """
    found: dict[str, HParam] = {}
    for hparam in (hparam for grid in grids for hparam in grid):
        known = found.setdefault(hparam.name, hparam)
        if known.domain.dtype is not hparam.domain.dtype:
            one, other = known.domain.dtype.__name__, hparam.domain.dtype.__name__
            raise ValueError(f"{hparam.name!r} is of type {one} in one grid and of type {other} in another")
        if known.domain != hparam.domain:
            values = dict.fromkeys([*known.domain.values, *hparam.domain.values])
            found[hparam.name] = replace(known, domain=Discrete(values, hparam.domain.dtype))
    return tuple(found.values())


class GridUnion(Space):
    """Several grids one after another; a combination that two of them hold counts once, at its first place.

    Grids of different HParams may be united (a momentum that only SGD has): their combinations differ by the names.
    """

    def __init__(self, spaces: Iterable[Space]) -> None:
        self.grids: tuple[Grid, ...] = ()
        for space in spaces:
            for grid in space.grids if isinstance(space, GridUnion) else [space]:
                if not isinstance(grid, Grid):
                    raise TypeError(f"{grid!r} is not a grid")
                self.grids += (grid,)
        if not self.grids:
            raise ValueError("a union needs at least one grid")
        self._parts = [grid._without(self.grids[:n]) for n, grid in enumerate(self.grids)]
        _countable(sum(len(part) for part in self._parts))
        self.hparams = unite_hparams(grid.hparams for grid in self.grids)

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def _at(self, index: int) -> Combination:
        for part in self._parts:
            if index < len(part):
                return part._at(index)
            index -= len(part)
        raise IndexError(index)

    def __iter__(self) -> Iterator[Combination]:
        for part in self._parts:
            yield from part

    def __contains__(self, combination: object) -> bool:
        return any(combination in grid for grid in self.grids)

    def with_defaults(self, values: Mapping[str, Value]) -> Combination:
        """The values with the defaults of the first grid that makes them one of its combinations, if one does."""
        own = Combination.of(values)
        candidates = (own, *(grid.with_defaults(own) for grid in self.grids))
        return next((candidate for candidate in candidates if candidate in self), own)

    def __repr__(self) -> str:
        return f"GridUnion({len(self)} combinations of {len(self.grids)} grids)"


def space_of(grids: Iterable[Iterable[HParam]], exclude: Iterable[Mapping[str, Any]] = ()) -> Space:
    """One grid as it is, several as their union; among several, each rule applies wherever it can match.

    Raises:
        ValueError, TypeError: as ``Grid`` does; a rule names what no grid has, or a value that none takes.
    """
    declared, rules = [Grid(hparams) for hparams in grids], list(exclude)
    if len(declared) == 1:
        return Grid(declared[0].hparams, rules)
    for rule in rules:
        if all(grid.narrow(rule) is None for grid in declared):
            named = (grid for grid in declared if set(rule) <= {hparam.name for hparam in grid.hparams})
            Grid(next(named, declared[0]).hparams, [rule])  # says why it cannot match
        for name in rule:
            domains = [hparam.domain for grid in declared for hparam in grid.hparams if hparam.name == name]
            idle = [v for v in as_list(rule[name]) if not any(_takes(domain, v) for domain in domains)]
            if idle:
                raise ValueError(f"exclude rule names {name} = {idle[0]!r}, which no grid takes")
    return GridUnion(Grid(g.hparams, [n for rule in rules if (n := g.narrow(rule)) is not None]) for g in declared)

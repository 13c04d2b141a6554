"""Translate combinations into the parameters that KerasTuner and Optuna know, and back.

    combination {"units": 64, "rate": 0.1} of the second grid ◄──► {"grid": 1, "1/units": 2, "1/rate": 0.1}

A value of a list becomes its number in the list: neither library keeps Python's types apart (KerasTuner makes ints of
bools). A name gets the number of its grid, so that HParams of the same name in several grids cannot clash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gridsearch.hparams.combination import Combination
from gridsearch.hparams.domain import Discrete, Domain
from gridsearch.hparams.search_space import SearchSpace

__all__ = ["GRID", "Parameter", "ParameterCodec"]

GRID = "grid"
"""The parameter that says which of several grids a combination is of."""


@dataclass(frozen=True)
class Parameter:
    """An HParam of one grid, as a parameter.

    Args:
        name: unique over all grids.
        domain: of the HParam.
        grid: the number of its grid, from 0.
        hparam: the HParam's own name.
    """

    name: str
    domain: Domain
    grid: int
    hparam: str

    def encode(self, value: Any) -> Any:
        """Return a value of the domain as the parameter's: its number in a list, else itself."""
        return self.domain.values.index(value) if isinstance(self.domain, Discrete) else value

    def decode(self, value: Any) -> Any:
        """Return a parameter's value as one of the domain."""
        return self.domain.values[int(value)] if isinstance(self.domain, Discrete) else self.domain.cast(value)


class ParameterCodec:
    """The parameters of a search space.

    Args:
        space: what is searched; one that lists ``grids``.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._grids = tuple(
            tuple(Parameter(f"{number}/{hparam.name}", hparam.domain, number, hparam.name) for hparam in grid)
            for number, grid in enumerate(space.grids)
        )

    @property
    def grids(self) -> int:
        """How many grids there are; with more than one, ``GRID`` is a parameter, too."""
        return len(self._grids)

    def __iter__(self) -> Iterator[Parameter]:
        return (parameter for grid in self._grids for parameter in grid)

    def of_grid(self, number: int) -> tuple[Parameter, ...]:
        """Return the parameters of one grid."""
        return self._grids[number]

    def decode(self, values: Mapping[str, Any]) -> Combination:
        """Return parameters as a combination; those of other grids are not looked at."""
        found = {p.hparam: p.decode(values[p.name]) for p in self._grids[int(values.get(GRID, 0))]}
        return Combination(found)

    def grid_of(self, combination: Combination) -> int:
        """Return the number of the first grid that a combination is of.

        Raises:
            ValueError: it is of none.
        """
        for number, grid in enumerate(self._grids):
            same = set(combination) == {p.hparam for p in grid}
            if same and all(combination[p.hparam] in p.domain for p in grid):
                return number
        raise ValueError(f"{dict(combination)!r} is not of the space")

    def encode(self, combination: Combination) -> dict[str, Any]:
        """Return a combination as parameters.

        Raises:
            ValueError: it is not of the space.
        """
        number = self.grid_of(combination)
        found: dict[str, Any] = {GRID: number} if self.grids > 1 else {}
        return found | {p.name: p.encode(combination[p.hparam]) for p in self._grids[number]}

"""Declare hyperparameters and the domains of their values.

Constructors are TensorBoard's (``tensorboard.plugins.hparams.api``), without importing it, and its own objects are
accepted wherever ours are. Three differences, each for a reason its users know:

- ``Discrete`` keeps its author's order instead of sorting;
- an interval takes ``points`` and ``log``, so that it can be enumerated between its endpoints;
- every value is cast to the Python type of its domain, so that ``16`` and ``16.0`` cannot become two rows.

    >>> HParam("learning_rate", RealInterval(1e-4, 1e-2, points=3, log=True)).domain.values
    (0.0001, 0.001, 0.01)
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Discrete",
    "Domain",
    "HParam",
    "IntInterval",
    "RealInterval",
    "Value",
]

Value = bool | int | float | str
"""A hyperparameter's value: what TensorBoard can show in a cell."""

DTYPES: tuple[type[Value], ...] = (bool, int, float, str)

LONGEST_NAME = 255
"""Characters; longer names are a mistake (a pasted file, say) and no dashboard can show them."""

MOST_VALUES = 100_000
"""Values that one HParam may contribute to a grid; more are a slip of the pen, and a list of 10**9 is 36 GB."""

MOST_NAMED = 10
"""Values that a message names."""

LARGEST_INT = 2**53
"""TensorBoard keeps numbers as float64: beyond this, two different ints would be shown as one."""


class Domain(ABC):
    """The values that a hyperparameter may take, all of one Python type."""

    dtype: type[Value]

    @property
    @abstractmethod
    def values(self) -> tuple[Value, ...]:
        """What the domain contributes to a grid: distinct values of type ``dtype``, in the author's order."""

    @abstractmethod
    def __contains__(self, value: object) -> bool:
        """Return whether ``value``, of exactly the domain's type, may be taken."""

    def cast(self, value: object) -> Value:
        """Return ``value`` as the domain's Python type.

        Numpy scalars become Python's; an int becomes a float in a float domain; nothing else is converted, and a
        bool is never a number.

        Raises:
            TypeError: the value is of another type.
            ValueError: it is NaN or infinite, an int that float64 cannot hold, or text that is not Unicode.
        """
        return _cast(value, self.dtype)


def _builtin(value: object) -> object:
    """Return a numpy scalar as Python's; anything else unchanged."""
    return value.item() if type(value) not in DTYPES and hasattr(value, "item") else value


def _cast(value: object, dtype: type[Value]) -> Value:
    value = _builtin(value)
    if dtype is float and type(value) is int:
        if abs(value) > LARGEST_INT:
            raise ValueError(f"{value!r} is beyond 2**53, where floats can no longer tell ints apart")
        value = float(value)
    if isinstance(value, dtype) and (dtype is bool or not isinstance(value, bool)):
        # a StrEnum is a str, but not only that; str() of other enums would be their name
        plain: Value = str.__str__(value) if isinstance(value, str) else dtype(value)
        if isinstance(plain, float) and not math.isfinite(plain):
            raise ValueError(f"{value!r} is not a finite number")
        if type(plain) is int and abs(plain) > LARGEST_INT:
            raise ValueError(f"{value!r} is beyond 2**53, where TensorBoard can no longer tell ints apart")
        if isinstance(plain, str) and any("\ud800" <= character <= "\udfff" for character in plain):
            raise ValueError(f"{value!r} is not text: half of a surrogate pair stands alone")
        return 0.0 if plain == 0.0 and type(plain) is float else plain  # -0.0 is 0.0
    raise TypeError(f"{value!r} is {_a(type(value))}, not {_a(dtype)}")


def _a(kind: type) -> str:
    return f"{'an' if kind.__name__[0] in 'aeiou' else 'a'} {kind.__name__}"


@dataclass(frozen=True)
class Discrete(Domain):
    """A list of values of one type.

    Args:
        values: bools, ints, floats or strings, in the order in which a grid should try them.
        dtype: their Python type; taken from the first value when not given. With ``dtype=float`` ints are welcome.

    Raises:
        ValueError: no value at all, one named twice, NaN or infinity.
        TypeError: values of several types, or of none of the four.
    """

    _values: tuple[Value, ...] = field(init=False)
    dtype: type[Value]

    def __init__(self, values: Iterable[object], dtype: type[Value] | None = None) -> None:
        listed = [_builtin(value) for value in itertools.islice(values, MOST_VALUES + 1)]
        if len(listed) > MOST_VALUES:
            raise ValueError(
                f"more than {MOST_VALUES:,} values: declare an interval, as in int_interval = [1, 1000000]"
            )
        if not listed:
            raise ValueError("a discrete domain needs at least one value")
        if dtype is None:
            kinds = {type(value) for value in listed}
            if kinds == {int, float}:
                raise TypeError(f"ints and floats are mixed in {listed!r}: write every value as a float, as in 1.0")
            dtype = next((kind for kind in DTYPES if kind in kinds and type(listed[0]) is kind), None)
        if dtype not in DTYPES:
            kind = dtype or type(listed[0])
            raise TypeError(f"{listed[0]!r} is {_a(kind)}: only bools, ints, floats and strings can be shown")
        cast = tuple(_cast(value, dtype) for value in listed)
        twice = sorted(repr(value) for value, times in Counter(cast).items() if times > 1)
        if twice:
            more = f" and {len(twice) - MOST_NAMED} more" if len(twice) > MOST_NAMED else ""
            raise ValueError(f"named twice: {', '.join(twice[:MOST_NAMED])}{more}")
        object.__setattr__(self, "_values", cast)
        object.__setattr__(self, "dtype", dtype)

    @property
    def values(self) -> tuple[Value, ...]:
        """The values, cast, in the author's order."""
        return self._values

    def __contains__(self, value: object) -> bool:
        return type(value) is self.dtype and value in self._values

    def __repr__(self) -> str:
        return f"Discrete({list(self._values)!r})"


@dataclass(frozen=True)
class _Interval(Domain):
    """What both intervals share: endpoints, how many points a grid takes, and on which scale."""

    min_value: Any
    max_value: Any
    points: int | None = field(default=None, kw_only=True)
    log: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("min_value", "max_value"):
            object.__setattr__(self, name, self.cast(getattr(self, name)))
        if self.min_value > self.max_value:
            raise ValueError(f"the minimum {self.min_value!r} is above the maximum {self.max_value!r}")
        if self.points is not None and (type(self.points) is not int or self.points < 2):
            raise ValueError(f"points={self.points!r}: an int of at least 2, since both endpoints count")
        if self.points is not None and self.points > MOST_VALUES:
            raise ValueError(
                f"points={self.points!r}: {MOST_VALUES:,} at most; leave points out and search the interval instead, "
                "with sweep.strategy = 'random'"
            )
        if type(self.log) is not bool:
            raise ValueError(f"log={self.log!r}: true or false")
        if not math.isfinite(float(self.max_value) - float(self.min_value)):
            raise ValueError(f"from {self.min_value!r} to {self.max_value!r} is wider than a float can be")
        if self.log and self.min_value <= 0:
            raise ValueError(f"a log scale cannot start at {self.min_value!r}: the minimum must be above 0")

    def __contains__(self, value: object) -> bool:
        return type(value) is self.dtype and self.min_value <= value <= self.max_value

    def _space_points(self) -> list[float]:
        """Return where the points of the grid lie, ascending, both ends exact."""
        low, high, last = float(self.min_value), float(self.max_value), (self.points or 2) - 1
        if self.log:
            inner = [math.exp(math.log(low) + (math.log(high) - math.log(low)) * i / last) for i in range(1, last)]
        else:
            inner = [low + (high - low) * (i / last) for i in range(1, last)]
        return [low, *(min(max(x, low), high) for x in inner), high]

    def __repr__(self) -> str:
        extra = f", points={self.points}" * (self.points is not None) + ", log=True" * self.log
        return f"{type(self).__name__}({self.min_value!r}, {self.max_value!r}{extra})"


@dataclass(frozen=True, repr=False)
class RealInterval(_Interval):
    """The floats from ``min_value`` to ``max_value``, both included.

    A grid takes the two endpoints, or ``points`` of them: evenly spaced, or evenly in the logarithm with ``log``.

    Raises:
        ValueError: minimum above maximum, NaN, ``points`` below 2, ``log`` with a minimum of 0 or less.
        TypeError: an endpoint is not a number.
    """

    dtype = float

    @property
    def values(self) -> tuple[Value, ...]:
        """The points, ascending; 12 digits, so that 0.15 is not 0.15000000000000002, or more where that is too few."""
        low, *inner, high = exact = self._space_points()
        if self.log:
            short = [float(f"{x:.12g}") for x in inner]
        else:  # digits of the larger end, so that what should be 0 is 0
            digits = 12 - math.ceil(math.log10(max(abs(low), abs(high)) or 1.0))
            short = [round(x, digits) + 0.0 for x in inner]  # adding 0.0 turns -0.0 into 0.0
        rounded = [low, *(min(max(x, low), high) for x in short), high]
        return tuple(dict.fromkeys(rounded if len(set(rounded)) == len(rounded) else exact))


@dataclass(frozen=True, repr=False)
class IntInterval(_Interval):
    """The ints from ``min_value`` to ``max_value``, both included; ``points`` and ``log`` as in RealInterval.

    Points are rounded to the nearest int; those that coincide count once.
    """

    dtype = int

    @property
    def values(self) -> tuple[Value, ...]:
        """The points, ascending."""
        return tuple(dict.fromkeys([self.min_value, *(round(x) for x in self._space_points()[1:-1]), self.max_value]))


def as_domain(domain: object) -> Domain:
    """Return our domain unchanged; a TensorBoard domain as ours, recognised by its attributes without an import.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(domain, Domain):
        return domain
    dtype = getattr(domain, "dtype", None)
    if hasattr(domain, "values"):
        return Discrete(domain.values, dtype)
    if hasattr(domain, "min_value") and hasattr(domain, "max_value") and dtype in (int, float):
        kind = IntInterval if dtype is int else RealInterval
        return kind(domain.min_value, domain.max_value)
    raise TypeError(f"{domain!r} is not a domain: give Discrete, IntInterval or RealInterval")


@dataclass(frozen=True)
class HParam:
    """A named hyperparameter.

    Args:
        name: what the model asks for, the dashboard's column and part of a combination's identity.
        domain: a ``Discrete``, ``IntInterval`` or ``RealInterval``, ours or TensorBoard's.
        display_name: the column's title, where it should differ from the name.
        description: a sentence for the dashboard.
        default: the value that trials had which were trained before this HParam was declared; None if there is none.

    Raises:
        TypeError, ValueError: as the domain does; an empty name or one longer than 255 characters.
    """

    name: str
    domain: Domain
    display_name: str | None = None
    description: str | None = None
    default: Value | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"{self.name!r} is {_a(type(self.name))}, not a name")
        if not self.name.strip():
            raise ValueError("an HParam needs a name")
        if len(self.name) > LONGEST_NAME:
            raise ValueError(f"the name {self.name[:20]!r}... has {len(self.name)} characters, {LONGEST_NAME} at most")
        for words in ("name", "display_name", "description"):
            if (text := getattr(self, words)) is not None:
                if not isinstance(text, str):
                    raise TypeError(f"{words} = {text!r}: {_a(type(text))}, not text")
                object.__setattr__(self, words, _cast(text, str))
        object.__setattr__(self, "domain", as_domain(self.domain))
        if self.default is not None:
            object.__setattr__(self, "default", self.domain.cast(self.default))

    @classmethod
    def accept(cls, hparam: object) -> HParam:
        """Return our HParam unchanged; TensorBoard's ``hp.HParam`` as ours.

        Raises:
            TypeError: it is neither, or has no domain.
        """
        if isinstance(hparam, cls):
            return hparam
        if not (hasattr(hparam, "name") and hasattr(hparam, "domain")):
            raise TypeError(f"{hparam!r} is not an HParam")
        display_name, description = getattr(hparam, "display_name", None), getattr(hparam, "description", None)
        return cls(hparam.name, as_domain(hparam.domain), display_name, description)

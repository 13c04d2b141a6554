"""The search spaces that Hypothesis draws, and the laws that every one of them keeps, each stated once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from math import inf, nan
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from gridsearch.hparams.combination import Combination
from gridsearch.hparams.combination import combination_id as id_of
from gridsearch.hparams.domain import LARGEST_INT, Discrete, Domain, HParam, IntInterval, RealInterval, Value
from gridsearch.hparams.grid import Space

settings.register_profile("unhurried", deadline=None)  # processors are shared: a slow example is no failure
settings.load_profile("unhurried")

# What is drawn

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
"""Any text that UTF-8 can write: empty, with line ends, quotes, NUL."""

names = texts.filter(lambda text: text.strip() != "")
ints = st.integers(-LARGEST_INT, LARGEST_INT)
floats = st.floats(-1e300, 1e300)
values_of_one_type: dict[type[Value], st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: ints,
    float: floats,
    str: texts,
}


def discretes(most: int = 5) -> st.SearchStrategy[Discrete]:
    """Distinct values of one of the four types."""
    lists = [st.lists(values, min_size=1, max_size=most, unique=True) for values in values_of_one_type.values()]
    return st.one_of(lists).map(Discrete)


@st.composite
def intervals(draw: st.DrawFn, most: int = 5) -> IntInterval | RealInterval:
    """Either kind, with its endpoints only or with points, on either scale."""
    kind, bounds = draw(st.sampled_from([(IntInterval, ints), (RealInterval, floats)]))
    low, high = sorted([draw(bounds), draw(bounds)])
    points = draw(st.none() | st.integers(2, most))
    return kind(low, high, points=points, log=low > 0 and draw(st.booleans()))


def domains(most: int = 5) -> st.SearchStrategy[Domain]:
    """Any domain, with at most so many values in a grid."""
    return discretes(most) | intervals(most)


@st.composite
def hparam_lists(draw: st.DrawFn, names: st.SearchStrategy[str] = names, most: int = 3) -> list[HParam]:
    """What a grid is made of: at least one HParam, no two of one name, with whatever a sweep file can say of them."""
    declared = []
    for name in draw(st.lists(names, min_size=1, max_size=most, unique=True)):
        domain = draw(domains())
        default = draw(st.none() | st.sampled_from(domain.values))
        declared.append(HParam(name, domain, draw(st.none() | texts), draw(st.none() | texts), default))
    return declared


@st.composite
def rules(draw: st.DrawFn, hparams: Sequence[HParam]) -> dict[str, Any]:
    """An exclude rule that can match: some of the HParams, each with a value or several."""
    chosen = draw(st.lists(st.sampled_from(hparams), min_size=1, unique_by=lambda hparam: hparam.name))
    return {
        hparam.name: draw(
            st.sampled_from(hparam.domain.values)
            | st.lists(st.sampled_from(hparam.domain.values), min_size=1, max_size=3)
        )
        for hparam in chosen
    }


small_hparam_lists = st.lists(
    st.builds(
        HParam,
        st.sampled_from("abcd"),
        st.lists(st.integers(0, 4), min_size=1, max_size=4, unique=True).map(Discrete)
        | st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=1, unique=True).map(Discrete)
        | st.lists(st.booleans(), min_size=1, unique=True).map(Discrete),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda hparam: hparam.name,
)
"""Few names, few values, several types: united, such grids overlap, and 1, 1.0 and True meet under one name."""


@st.composite
def declarations(draw: st.DrawFn) -> tuple[list[HParam], list[dict[str, Any]]]:
    """The HParams of a small grid and its exclude rules."""
    hparams = draw(small_hparam_lists)
    return hparams, draw(st.lists(rules(hparams), max_size=4))


reported_metrics = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, nan, inf, -inf]), min_size=1, max_size=6)
"""One metric, epoch by epoch: with ties, and with what is not a number."""

cells = st.text(st.characters(categories=["L", "N", "P"]), max_size=8)
tables_of_cells = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1)
)
"""A header and rows, all of one width."""

# What must hold


def one_type_each(grids: Iterable[Sequence[HParam]]) -> bool:
    """Whether no name has values of one type in one grid and of another in another, which cannot be united."""
    kinds: dict[str, type] = {}
    return all(kinds.setdefault(h.name, h.domain.dtype) is h.domain.dtype for grid in grids for h in grid)


def combinations(hparams: Sequence[HParam], exclude: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, Value]]:
    """The reference: the product filtered one by one, which only a small grid can afford."""
    exclude = list(exclude)
    found = (
        {hparam.name: value for hparam, value in zip(hparams, values, strict=True)}
        for values in product(*(hparam.domain.values for hparam in hparams))
    )
    return [combination for combination in found if not any(_matches(combination, rule) for rule in exclude)]


def _matches(combination: Combination, rule: Mapping[str, Any]) -> bool:
    return all(combination[name] in (wanted if isinstance(wanted, list) else [wanted]) for name, wanted in rule.items())


def typed(combination: Combination) -> dict[str, tuple[type, Value]]:
    """A combination in which 1, 1.0 and True differ; its HParams in their order."""
    return {name: (type(value), value) for name, value in combination.items()}


def assert_space_laws(space: Space, expected: Sequence[Combination]) -> None:
    """A grid or a union is this sequence, by every way of looking at it."""
    listed = list(space)
    assert [list(typed(found).items()) for found in listed] == [list(typed(each).items()) for each in expected]
    assert len(space) == len(listed)
    assert [space[i] for i in range(len(space))] == listed
    assert [space[i - len(space)] for i in range(len(space))] == listed
    assert all(combination in space for combination in listed)
    assert len({id_of(combination) for combination in listed}) == len(listed)
    for part in (slice(None), slice(1, None, 2), slice(None, None, -1), slice(-2, None), slice(3, 1)):
        assert space[part] == listed[part]
    for past in (len(space), -len(space) - 1):
        with pytest.raises(IndexError, match=f"combination {past} of {len(space)}"):
            space[past]


def assert_refused(make: Callable[[], object], error: type[Exception], *words: str) -> None:
    """It is refused in words that say why."""
    with pytest.raises(error) as refusal:
        make()
    for word in words:
        assert word in str(refusal.value)

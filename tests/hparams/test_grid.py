"""Grids and unions: one sequence whichever way it is looked at, also with holes, also with 10^12 points."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from laws import assert_refused, assert_space_laws, combinations, declarations, hparam_lists, one_type_each, typed
from tensorboard.plugins.hparams import summary_v2 as tb

from gridsearch.hparams.combination import Combination, combination_id
from gridsearch.hparams.domain import Discrete, HParam, IntInterval, RealInterval
from gridsearch.hparams.grid import Grid, GridUnion, Space, space_of

TRILLION = 10**12
DIGITS = [HParam(f"d{n}", Discrete(list(range(10)))) for n in range(12)]
"""Their combinations are the numbers below 10^12, the index of each its digits."""


def digits(number: int) -> dict[str, int]:
    return {f"d{n}": int(digit) for n, digit in enumerate(f"{number:012d}")}


def units(*values: int) -> HParam:
    return HParam("units", Discrete(values))


def optimizers(*values: str) -> HParam:
    return HParam("optimizer", Discrete(values))


RATE = HParam("rate", RealInterval(0.1, 0.2))

# Small grids, against the product filtered one by one


def test_the_last_hparam_varies_fastest_and_authors_order_is_kept() -> None:
    grid = Grid([units(512, 256), RATE])
    assert list(grid) == [
        {"units": 512, "rate": 0.1},
        {"units": 512, "rate": 0.2},
        {"units": 256, "rate": 0.1},
        {"units": 256, "rate": 0.2},
    ]


@given(hparam_lists())
def test_a_grid_is_the_product_of_its_domains(hparams: list[HParam]) -> None:
    assert_space_laws(Grid(hparams), combinations(hparams))


@given(declarations())
def test_a_grid_with_exclude_rules_is_the_product_less_what_matches_one(
    declared: tuple[list[HParam], list[dict[str, Any]]],
) -> None:
    assert_space_laws(Grid(*declared), combinations(*declared))


@given(declarations())
def test_what_a_rule_excludes_is_not_in_the_grid(declared: tuple[list[HParam], list[dict[str, Any]]]) -> None:
    hparams, rules = declared
    grid, kept = Grid(hparams, rules), combinations(hparams, rules)
    assert all((values in grid) == (values in kept) for values in combinations(hparams))


@given(st.lists(declarations(), min_size=1, max_size=4))
def test_a_union_is_its_grids_in_order_less_what_came_before(
    declared: list[tuple[list[HParam], list[dict[str, Any]]]],
) -> None:
    assume(one_type_each(hparams for hparams, _ in declared))
    expected: dict[str, Combination] = {}
    for hparams, rules in declared:
        for values in combinations(hparams, rules):
            expected.setdefault(combination_id(values), values)
    # the law's check of types tells 1, 1.0 and True apart; so does the identity, by which the reference goes
    assert_space_laws(GridUnion(Grid(*each) for each in declared), list(expected.values()))


@given(st.lists(declarations(), min_size=2, max_size=3))
def test_unions_may_be_nested(declared: list[tuple[list[HParam], list[dict[str, Any]]]]) -> None:
    assume(one_type_each(hparams for hparams, _ in declared))
    grids: list[Space] = [Grid(*each) for each in declared]
    flat = list(GridUnion(grids))
    assert list(grids[0] | GridUnion(grids[1:])) == flat
    assert list(GridUnion(grids[:-1]) | grids[-1]) == flat


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ([], 12),
        ([{"units": 1}], 8),
        ([{"units": [1, 2]}], 4),
        ([{"units": (1, 2)}, {"units": {2, 3}}], 0),
        ([{"units": 1, "optimizer": "sgd"}], 10),
        ([{"units": 1}, {"optimizer": "sgd"}], 4),
        ([{"units": 1}, {"units": 1}], 8),
        ([{"rate": 0.1}], 6),
        ([{"units": 1, "optimizer": "sgd", "rate": 0.2}], 11),
    ],
)
def test_so_much_is_left_by_exclude_rules(rules: list[dict[str, Any]], left: int) -> None:
    grid = Grid([units(1, 2, 3), optimizers("adam", "sgd"), RATE], rules)
    assert len(grid) == len(list(grid)) == left


def test_a_rule_may_write_an_int_for_a_float() -> None:
    grid = Grid([HParam("rate", Discrete([1.0, 2.0]))], [{"rate": 1}])
    assert list(grid) == [{"rate": 2.0}]


def test_what_is_not_a_combination_of_the_grid_is_not_in_it() -> None:
    grid = Grid([units(1, 2), RATE])
    good = {"units": 1, "rate": 0.1}
    assert good in grid
    assert dict(reversed(good.items())) in grid
    for change in ({"units": 3}, {"units": True}, {"units": 1.0}, {"units": "1"}, {"units": [1]}, {"more": 1}):
        assert {**good, **change} not in grid
    for other in ({"units": 1}, {}, None, 1, "units", [good]):
        assert other not in grid


def test_tensorboards_hparams_make_a_grid() -> None:
    grid = Grid([tb.HParam("units", tb.Discrete([16, 32])), tb.HParam("rate", tb.RealInterval(0.1, 0.2))])
    assert_space_laws(grid, combinations([units(16, 32), RATE]))


def test_grids_say_what_they_hold() -> None:
    grid = Grid([units(1, 2), RATE])
    assert repr(grid) == "Grid(4 combinations of units, rate)"
    assert repr(grid | Grid([units(3)])) == "GridUnion(5 combinations of 2 grids)"


# Unions of different HParams


def test_grids_over_different_hparams_may_be_united() -> None:
    momentum = HParam("momentum", Discrete([0.0, 0.9]))
    union = Grid([optimizers("adam"), RATE]) | Grid([optimizers("sgd"), RATE, momentum])
    assert [typed(values) for values in union] == [
        typed({"optimizer": "adam", "rate": 0.1}),
        typed({"optimizer": "adam", "rate": 0.2}),
        typed({"optimizer": "sgd", "rate": 0.1, "momentum": 0.0}),
        typed({"optimizer": "sgd", "rate": 0.1, "momentum": 0.9}),
        typed({"optimizer": "sgd", "rate": 0.2, "momentum": 0.0}),
        typed({"optimizer": "sgd", "rate": 0.2, "momentum": 0.9}),
    ]
    assert [hparam.name for hparam in union.hparams] == ["optimizer", "rate", "momentum"]
    assert {"optimizer": "adam", "rate": 0.1, "momentum": 0.9} not in union


def test_a_combination_in_two_grids_counts_once_at_its_first_place_whatever_the_order_of_its_names() -> None:
    union = Grid([units(1, 2), RATE]) | Grid([RATE, units(2, 3)])
    assert_space_laws(union, [*combinations([units(1, 2), RATE]), *combinations([RATE, units(3)])])


def test_what_an_earlier_grid_excludes_a_later_one_may_add() -> None:
    union = Grid([units(1, 2), RATE], [{"units": 1}]) | Grid([units(1), RATE])
    assert_space_laws(union, [*combinations([units(2), RATE]), *combinations([units(1), RATE])])


MOMENTUM = HParam("momentum", Discrete([0.5, 0.9]))
ADAM, SGD = [optimizers("adam"), units(1, 2)], [optimizers("sgd"), units(2, 3), MOMENTUM]


@pytest.mark.parametrize(
    "rule",
    [
        {"optimizer": "sgd"},
        {"momentum": 0.9},
        {"units": 1},
        {"units": 2},
        {"units": [1, 3]},
        {"optimizer": ["adam", "sgd"], "units": [2, 3]},
        {"optimizer": "sgd", "momentum": [0.5, 0.9]},
    ],
)
def test_among_several_grids_a_rule_applies_wherever_it_can_match(rule: dict[str, Any]) -> None:
    def spared(values: dict[str, Any]) -> bool:
        return not all(values.get(name) in (v if isinstance(v, list) else [v]) for name, v in rule.items())

    everything = [*combinations(ADAM), *combinations(SGD)]
    expected = [values for values in everything if spared(values)]
    assert len(expected) < len(everything)
    assert_space_laws(space_of([ADAM, SGD], [rule]), expected)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"optimiser": "sgd"}, "names 'optimiser', which is not an HParam here"),
        ({"units": 4}, "names units = 4, which the grid never takes"),
        ({"units": [1, 4]}, "names units = 4, which no grid takes"),
        ({"units": 1, "momentum": 0.9}, "names units = 1, which the grid never takes"),
        ({"units": []}, "gives units no value"),
        ({}, "an empty exclude rule"),
    ],
)
def test_among_several_grids_a_rule_that_matches_nowhere_is_refused(rule: dict[str, Any], words: str) -> None:
    assert_refused(lambda: space_of([ADAM, SGD], [rule]), ValueError, words)


def test_one_declared_grid_is_a_grid() -> None:
    assert isinstance(space_of([ADAM]), Grid)
    assert list(space_of([ADAM], [{"units": 1}])) == [{"optimizer": "adam", "units": 2}]


# What is refused


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Grid([]), ValueError, "at least one HParam"),
        (lambda: Grid([units(1), RATE, units(2)]), ValueError, "HParam 'units' is declared twice"),
        (lambda: Grid(["units"]), TypeError, "'units' is not an HParam"),
        (lambda: Grid([units(1)], [{"unit": 1}]), ValueError, "names 'unit', which is not an HParam here"),
        (lambda: Grid([units(1)], [{"units": 1, "rate": 0.1}]), ValueError, "names 'rate'"),
        (lambda: Grid([units(1)], [{"units": 2}]), ValueError, "names units = 2, which the grid never takes"),
        (lambda: Grid([units(1)], [{"units": [1, 2]}]), ValueError, "names units = 2"),
        (lambda: Grid([RATE], [{"rate": 0.15}]), ValueError, "names rate = 0.15, which the grid never takes"),
        (lambda: Grid([units(1)], [{"units": "1"}]), TypeError, "'1' is a str, not an int"),
        (lambda: Grid([units(1)], [{"units": True}]), TypeError, "True is a bool, not an int"),
        (lambda: Grid([units(1)], [{"units": [[1]]}]), TypeError, "[1] is a list, not an int"),
        (lambda: Grid([units(1)], [{}]), ValueError, "an empty exclude rule would exclude everything"),
        (lambda: Grid([units(1)], [{"units": []}]), ValueError, "gives units no value"),
        (lambda: Grid([*DIGITS, *(HParam(f"e{n}", d.domain) for n, d in enumerate(DIGITS))]), ValueError, "2**63"),
        (lambda: GridUnion([]), ValueError, "at least one grid"),
        (lambda: GridUnion([RATE]), TypeError, "is not a grid"),
    ],
)
def test_a_grid_refuses(make: Callable[[], object], error: type[Exception], words: str) -> None:
    assert_refused(make, error, words)


def test_a_union_of_more_than_can_be_counted_is_refused() -> None:
    half = Grid([HParam(name, IntInterval(1, 128, points=128)) for name in "abcdefgh"] + [units(*range(100))])
    other = Grid([HParam(hparam.name.upper(), hparam.domain) for hparam in half.hparams])
    assert len(half) < 2**63 < 2 * len(half)
    assert_refused(lambda: half | other, ValueError, "more than 2**63 combinations")


# Large grids


def test_a_trillion_points_are_counted_found_and_begun_without_being_materialised() -> None:
    tracemalloc.start()
    try:
        grid = Grid(DIGITS)
        assert len(grid) == TRILLION
        for number in (0, 1, 123_456_789_012, TRILLION - 1):
            assert grid[number] == digits(number)
            assert digits(number) in grid
        assert grid[-1] == digits(TRILLION - 1)
        assert grid[TRILLION - 2 :] == [digits(TRILLION - 2), digits(TRILLION - 1)]
        assert list(itertools.islice(grid, 1000)) == [digits(number) for number in range(1000)]
        assert {**digits(0), "d0": 10} not in grid
        with pytest.raises(IndexError):
            grid[TRILLION]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000, "a thousand combinations of twelve values, and no more"


def test_exclude_rules_on_a_trillion_points_are_counted_too() -> None:
    tracemalloc.start()
    try:
        rules = [{"d0": 0}, {"d0": 1, "d11": [0, 1]}, {"d5": 5, "d6": 6}, {"d3": 3, "d8": 8, "d10": 1}]
        grid = Grid(DIGITS, rules)
        not_first = 9 * 10**11 - 2 * 10**10  # the first two rules exclude different points
        spared = (1 - 0.01) * (1 - 0.001)  # the others look at other digits
        assert len(grid) == round(not_first * spared)
        first = [n for n in range(10**11, 10**11 + 1000) if n % 10 > 1]
        assert list(itertools.islice(grid, len(first))) == [digits(number) for number in first]
        assert grid[len(first) - 1] == digits(first[-1])
        for number in (0, 10**11, 10**11 + 1, 200_005_600_000, 200_300_008_010):
            assert digits(number) not in grid
        assert grid[-1] == digits(TRILLION - 1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000


@given(st.integers(0, TRILLION - 1))
def test_any_of_a_trillion_points_is_where_its_digits_say(number: int) -> None:
    assert Grid(DIGITS)[number] == digits(number)


LARGE = Grid(DIGITS, [{"d0": [0, 9], "d11": 0}, {"d1": 1, "d5": 5, "d9": 9}])


@given(st.integers(0, len(LARGE) - 2))
def test_points_of_a_large_grid_with_holes_ascend(index: int) -> None:
    def number(values: Combination) -> int:
        return int("".join(str(values[f"d{n}"]) for n in range(12)))

    here, after = LARGE[index], LARGE[index + 1]
    assert here in LARGE
    assert number(here) < number(after)
    assert all(digits(between) not in LARGE for between in range(number(here) + 1, number(after)))
    # the holes before a point, counted by inclusion and exclusion over whole numbers, give its index back
    assert index == number(here) - excluded_below(number(here))


def excluded_below(limit: int) -> int:
    """How many numbers below the limit LARGE excludes, counted digit by digit from the left."""
    text, total = f"{limit:012d}", 0
    for place in range(12):
        for digit in range(int(text[place])):
            total += _excluded_with(text[:place] + str(digit))
    return total


def _excluded_with(prefix: str) -> int:
    """How many twelve-digit numbers that begin like this LARGE excludes: |A| + |B| - |A and B|."""

    def count(rule: dict[int, str]) -> int:
        ways = 1
        for place in range(12):
            allowed = rule.get(place, "0123456789")
            ways *= (prefix[place] in allowed) if place < len(prefix) else len(allowed)
        return ways

    a, b = {0: "09", 11: "0"}, {1: "1", 5: "5", 9: "9"}
    return count(a) + count(b) - count(a | b)


def test_large_unions_count_what_they_share_once() -> None:
    tracemalloc.start()
    try:
        low = Grid([*DIGITS[:-1], HParam("d11", Discrete(list(range(6))))])
        high = Grid([*DIGITS[:-1], HParam("d11", Discrete(list(range(4, 10))))])
        union = low | high
        assert len(union) == TRILLION
        assert union[6 * 10**11] == digits(6)
        assert union[-1] == digits(TRILLION - 1)
        assert list(itertools.islice(union, 7)) == [digits(number) for number in (0, 1, 2, 3, 4, 5, 10)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_a_combination_from_before_an_hparam_was_declared_is_completed_by_the_grid_it_belongs_to() -> None:
    sgd = Grid([HParam("optimizer", Discrete(["sgd"])), HParam("momentum", Discrete([0.0, 0.9]), default=0.0)])
    adam = Grid([HParam("optimizer", Discrete(["adam"])), HParam("beta", Discrete([0.8, 0.9]), default=0.9)])
    both = sgd | adam
    assert both.with_defaults({"optimizer": "sgd"}) == {"optimizer": "sgd", "momentum": 0.0}
    assert both.with_defaults({"optimizer": "adam"}) == {"optimizer": "adam", "beta": 0.9}
    assert both.with_defaults({"optimizer": "sgd", "momentum": 0.9}) == {"optimizer": "sgd", "momentum": 0.9}
    assert both.with_defaults({"optimizer": "lion"}) == {"optimizer": "lion"}

"""HParams: domains that keep their author's values, endpoints that are exact, identities that never mix types up."""

from __future__ import annotations

import enum
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from laws import assert_refused, domains, floats, hparam_lists, ints, names, values_of_one_type
from tensorboard.plugins.hparams import summary_v2 as tb

from gridsearch.hparams.combination import combination_id
from gridsearch.hparams.domain import LARGEST_INT, Discrete, Domain, HParam, IntInterval, RealInterval, Value, as_domain

# Discrete


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([512, 256], int), ([0.3, 0.1, 0.2], float), (["sgd", "adam"], str), ([True, False], bool), ([""], str)],
)
def test_a_discrete_keeps_its_authors_order_and_takes_the_type_of_its_values(
    values: list[Value], dtype: type[Value]
) -> None:
    domain = Discrete(values)
    assert list(domain.values) == values
    assert domain.dtype is dtype
    assert all(type(value) is dtype for value in domain.values)


@given(st.sampled_from(list(values_of_one_type)).flatmap(lambda kind: st.lists(values_of_one_type[kind], min_size=1)))
def test_a_discrete_is_what_it_was_given_and_refuses_what_is_named_twice(values: list[Value]) -> None:
    if len(set(values)) < len(values):
        assert_refused(lambda: Discrete(values), ValueError, "named twice")
    else:
        assert list(Discrete(values).values) == values
        assert all(value in Discrete(values) for value in values)


def test_ints_are_welcome_in_a_float_domain_and_become_floats() -> None:
    values = Discrete([16, 0.5], dtype=float).values
    assert [(type(value), value) for value in values] == [(float, 16.0), (float, 0.5)]


@pytest.mark.parametrize(
    ("numpy", "plain"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.int8(7), 7),
        (np.bool_(True), True),
        (np.str_("adam"), "adam"),
        (np.array(3), 3),
    ],
)
def test_numpy_scalars_become_pythons_own(numpy: Any, plain: Value) -> None:
    (value,) = Discrete([numpy]).values
    assert (type(value), value) == (type(plain), plain)
    cast = Discrete([plain]).cast(numpy)
    assert (type(cast), cast) == (type(plain), plain)


def test_text_enums_become_their_text() -> None:
    class Optimizer(str, enum.Enum):  # noqa: UP042 - StrEnum's str() would hide the difference
        ADAM = "adam"

    (value,) = Discrete([Optimizer.ADAM], dtype=str).values
    assert (type(value), value) == (str, "adam")


@pytest.mark.parametrize(
    ("values", "dtype", "error", "words"),
    [
        ([], None, ValueError, "at least one value"),
        ([], int, ValueError, "at least one value"),
        ([1, 2, 1], None, ValueError, "named twice: 1"),
        ([16, 16.0], float, ValueError, "named twice: 16.0"),
        ([0.0, -0.0], None, ValueError, "named twice: 0.0"),
        ([1, 2.5], None, TypeError, "ints and floats are mixed"),
        ([1, "1"], None, TypeError, "'1' is a str, not an int"),
        (["1", 1], None, TypeError, "1 is an int, not a str"),
        ([True, 1], None, TypeError, "1 is an int, not a bool"),
        ([1, True], None, TypeError, "True is a bool, not an int"),
        ([1.0, True], None, TypeError, "True is a bool, not a float"),
        ([True], int, TypeError, "True is a bool, not an int"),
        ([True], float, TypeError, "True is a bool, not a float"),
        ([0], bool, TypeError, "0 is an int, not a bool"),
        ([1.0], int, TypeError, "1.0 is a float, not an int"),
        ([None], None, TypeError, "only bools, ints, floats and strings"),
        ([[1]], None, TypeError, "[1] is a list"),
        ([b"adam"], None, TypeError, "is a bytes"),
        ([1j], complex, TypeError, "is a complex"),
        ([math.nan], None, ValueError, "nan is not a finite number"),
        ([1.0, math.inf], None, ValueError, "inf is not a finite number"),
        ([np.float32("-inf")], None, ValueError, "-inf is not a finite number"),
        ([2**53 + 1], None, ValueError, "beyond 2**53"),
        ([-(2**53) - 1], None, ValueError, "beyond 2**53"),
        ([2**53 + 1], float, ValueError, "beyond 2**53"),
        ([10**400], float, ValueError, "beyond 2**53"),
        (["half \ud83d of a cat"], None, ValueError, "half of a surrogate pair"),
    ],
)
def test_a_discrete_refuses(values: list[Any], dtype: Any, error: type[Exception], words: str) -> None:
    assert_refused(lambda: Discrete(values, dtype), error, words)


def test_the_largest_ints_that_float64_tells_apart_are_kept() -> None:
    assert Discrete([LARGEST_INT, -LARGEST_INT, LARGEST_INT - 1]).values == (2**53, -(2**53), 2**53 - 1)


def test_zero_has_no_sign() -> None:
    (value,) = Discrete([-0.0]).values
    assert math.copysign(1.0, float(value)) == 1.0
    assert math.copysign(1.0, float(RealInterval(-0.0, 1.0).values[0])) == 1.0


# Intervals


def test_an_interval_contributes_its_endpoints_to_a_grid() -> None:
    assert RealInterval(0.1, 0.2).values == (0.1, 0.2)
    assert IntInterval(2, 9).values == (2, 9)


@pytest.mark.parametrize(
    ("domain", "values"),
    [
        (RealInterval(0.1, 0.2, points=3), (0.1, 0.15, 0.2)),
        (RealInterval(0.0, 0.3, points=4), (0.0, 0.1, 0.2, 0.3)),
        (RealInterval(-0.1, 0.2, points=4), (-0.1, 0.0, 0.1, 0.2)),
        (RealInterval(1e-4, 1e-2, points=3, log=True), (0.0001, 0.001, 0.01)),
        (RealInterval(1, 2), (1.0, 2.0)),
        (RealInterval(0.5, 0.5, points=3), (0.5,)),
        (RealInterval(-5e-324, 5e-324, points=3), (-5e-324, 0.0, 5e-324)),
        (IntInterval(16, 64, points=4), (16, 32, 48, 64)),
        (IntInterval(1, 1024, points=11, log=True), tuple(2**n for n in range(11))),
        (IntInterval(1, 3, points=10), (1, 2, 3)),
        (IntInterval(1, 8, points=6, log=True), (1, 2, 3, 5, 8)),
        (IntInterval(5, 5), (5,)),
        (IntInterval(0, 2**53, points=3), (0, 2**52, 2**53)),
    ],
)
def test_points_lie_where_a_person_would_put_them(domain: Domain, values: tuple[Value, ...]) -> None:
    assert domain.values == values
    assert all(type(value) is domain.dtype for value in domain.values)


@given(floats, floats, st.integers(2, 50), st.data())
def test_points_of_a_real_interval(one: float, other: float, points: int, data: st.DataObject) -> None:
    low, high = sorted([one, other])
    assume(all(end == 0 or abs(end) > 1e-290 for end in (low, high)))  # below, floats have ever fewer digits
    log = low > 0 and data.draw(st.booleans())
    values = [float(value) for value in RealInterval(low, high, points=points, log=log).values]
    assert (values[0], values[-1]) == (low, high)
    assert values == sorted(set(values))
    assert all(low <= value <= high for value in values)
    wide = high > low * (1 + 1e-9) if log else high - low > 1e-9 * max(abs(low), abs(high))
    if wide:  # an interval of a few floats cannot hold more points than that
        assert len(values) == points
    for i, value in enumerate(values if wide else []):
        share = i / (points - 1)
        if log:
            assert math.log(value) == pytest.approx(math.log(low) * (1 - share) + math.log(high) * share, abs=1e-9)
        else:
            even = low * (1 - share) + high * share
            assert value == pytest.approx(even, abs=6e-12 * max(abs(low), abs(high), 1e-300))


@given(st.floats(1e-300, 1e300), st.integers(2, 8))
def test_a_narrow_interval_still_gives_every_point_there_is_a_float_for(low: float, points: int) -> None:
    high = low
    for _ in range(points - 1):
        high = math.nextafter(high, math.inf)
    assert len(RealInterval(low, high, points=points).values) == points


@given(ints, ints, st.integers(2, 50), st.booleans())
def test_points_of_an_int_interval(one: int, other: int, points: int, log: bool) -> None:
    low, high = sorted([one, other])
    log = log and low > 0
    values = [int(value) for value in IntInterval(low, high, points=points, log=log).values]
    assert (values[0], values[-1]) == (low, high)
    assert values == sorted(set(values))
    assert len(values) <= points
    if not log:
        exact = [low + (high - low) * i / (points - 1) for i in range(points)]
        assert all(min(abs(value - x) for value in values) <= 0.5 + 4e-16 * (abs(low) + abs(high)) for x in exact)


@given(st.integers(-50, 50), st.integers(0, 20), st.integers(2, 60))
def test_a_small_int_interval_with_points_to_spare_gives_every_int(low: int, width: int, extra: int) -> None:
    assert list(IntInterval(low, low + width, points=width + extra).values) == list(range(low, low + width + 1))


@given(domains())
def test_a_domain_holds_its_values_casts_them_to_themselves_and_refuses_other_types(domain: Domain) -> None:
    for value in domain.values:
        assert value in domain
        assert domain.cast(value) == value
        assert type(domain.cast(value)) is domain.dtype
    for other in (True, 1, 1.0, "1", None, [1], b"1"):
        if type(other) is not domain.dtype:
            assert other not in domain
            if not (domain.dtype is float and type(other) is int):
                assert_refused(lambda other=other: domain.cast(other), TypeError, "not a")  # type: ignore[misc]


def test_an_interval_holds_what_lies_between_its_ends_and_nothing_else() -> None:
    real, whole = RealInterval(0.1, 0.2), IntInterval(1, 3)
    assert [value in real for value in (0.1, 0.17, 0.2, 0.21, math.nan)] == [True, True, True, False, False]
    assert [value in whole for value in (1, 2, 3, 4, 2.0, True)] == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: RealInterval(0.2, 0.1), ValueError, "the minimum 0.2 is above the maximum 0.1"),
        (lambda: IntInterval(2, 1), ValueError, "the minimum 2 is above the maximum 1"),
        (lambda: RealInterval(math.nan, 1.0), ValueError, "nan is not a finite number"),
        (lambda: RealInterval(0.0, math.inf), ValueError, "inf is not a finite number"),
        (lambda: RealInterval(-1.7e308, 1.7e308), ValueError, "wider than a float can be"),
        (lambda: RealInterval("a", 1.0), TypeError, "'a' is a str, not a float"),
        (lambda: RealInterval(False, 1.0), TypeError, "False is a bool, not a float"),
        (lambda: IntInterval(False, 1), TypeError, "False is a bool, not an int"),
        (lambda: IntInterval(1.0, 2), TypeError, "1.0 is a float, not an int"),
        (lambda: IntInterval(0, 2**53 + 1), ValueError, "beyond 2**53"),
        (lambda: RealInterval(0.0, 1.0, points=1), ValueError, "points=1"),
        (lambda: RealInterval(0.0, 1.0, points=2.0), ValueError, "points=2.0"),
        (lambda: RealInterval(0.0, 1.0, points=True), ValueError, "points=True"),
        (lambda: RealInterval(0.0, 1.0, log=True), ValueError, "a log scale cannot start at 0.0"),
        (lambda: IntInterval(-1, 1, log=True), ValueError, "a log scale cannot start at -1"),
        (lambda: RealInterval(0.1, 1.0, log="no"), ValueError, "log='no'"),
    ],
)
def test_an_interval_refuses(make: Any, error: type[Exception], words: str) -> None:
    assert_refused(make, error, words)


def test_domains_are_shown_as_they_are_written() -> None:
    for domain in (Discrete(["a"]), RealInterval(0.1, 0.2), IntInterval(1, 9, points=3, log=True)):
        assert eval(repr(domain)) == domain


# TensorBoard's own objects


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (tb.Discrete([256, 512]), Discrete([256, 512])),
        (tb.Discrete(["adam", "sgd"]), Discrete(["adam", "sgd"])),
        (tb.Discrete([False, True]), Discrete([False, True])),
        (tb.Discrete([0.5, 1.5], dtype=float), Discrete([0.5, 1.5])),
        (tb.IntInterval(1, 9), IntInterval(1, 9)),
        (tb.RealInterval(0.1, 0.2), RealInterval(0.1, 0.2)),
    ],
)
def test_tensorboards_own_objects_mean_the_same(theirs: tb.Domain, ours: Domain) -> None:
    accepted = HParam.accept(tb.HParam("units", theirs, "Units", "how many"))
    assert accepted == HParam("units", ours, "Units", "how many")
    assert accepted.domain.values == ours.values
    assert HParam("units", theirs) == HParam("units", ours)  # type: ignore[arg-type]


def test_an_hparam_of_ours_is_accepted_as_it_is() -> None:
    hparam = HParam("units", Discrete([1]))
    assert HParam.accept(hparam) is hparam


@pytest.mark.parametrize(
    "thing", [tb.HParam("units"), tb.HParam("units", tb.Discrete([], dtype=int)), "units", None, 3]
)
def test_what_has_no_values_is_no_hparam(thing: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"is not an HParam|is not a domain|at least one value"):
        HParam.accept(thing)


def test_what_is_no_domain_is_refused() -> None:
    assert_refused(lambda: as_domain([1, 2]), TypeError, "[1, 2] is not a domain")


# Names and words


@pytest.mark.parametrize("name", ["x", "n" * 255, "two\nlines", " spaced ", "Größe", "a.b/c:d", "\x00"])
def test_a_name_may_be_any_text(name: str) -> None:
    assert HParam(name, Discrete([1])).name == name


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("", ValueError, "needs a name"),
        (" \n", ValueError, "needs a name"),
        ("n" * 256, ValueError, "has 256 characters, 255 at most"),
        ("n" * 1000, ValueError, "has 1000 characters, 255 at most"),
        (5, TypeError, "5 is an int, not a name"),
        (None, TypeError, "not a name"),
        ("\udcff", ValueError, "half of a surrogate pair"),
    ],
)
def test_a_name_is_refused(name: Any, error: type[Exception], words: str) -> None:
    assert_refused(lambda: HParam(name, Discrete([1])), error, words)


def test_a_thousand_characters_are_not_repeated_in_the_refusal() -> None:
    with pytest.raises(ValueError, match="the name") as refusal:
        HParam("n" * 1000, Discrete([1]))
    assert len(str(refusal.value)) < 100


@pytest.mark.parametrize("words", ["display_name", "description"])
def test_the_words_for_the_dashboard_are_text(words: str) -> None:
    assert_refused(lambda: HParam("x", Discrete([1]), **{words: 5}), TypeError, f"{words} = 5")  # type: ignore[arg-type]


def test_a_default_is_cast_by_its_domain() -> None:
    default = HParam("rate", RealInterval(0.1, 0.2), default=1).default
    assert (type(default), default) == (float, 1.0)
    assert_refused(lambda: HParam("rate", RealInterval(0.1, 0.2), default="high"), TypeError, "'high' is a str")


# Identity


@given(hparam_lists(), st.data())
def test_the_order_in_which_hparams_are_declared_does_not_change_an_identity(
    hparams: list[HParam], data: st.DataObject
) -> None:
    values = {hparam.name: data.draw(st.sampled_from(hparam.domain.values)) for hparam in hparams}
    reordered = {name: values[name] for name in data.draw(st.permutations(list(values)))}
    assert combination_id(reordered) == combination_id(values)


@given(names, st.lists(ints, min_size=1, unique=True), st.lists(ints, unique=True), st.data())
def test_neither_the_order_of_values_nor_the_size_of_the_domain_changes_an_identity(
    name: str, values: list[int], more: list[int], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations([*values, *(value for value in more if value not in values)]))
    before, after = Discrete(values), Discrete(shuffled)
    for value in values:
        assert combination_id({name: before.cast(value)}) == combination_id({name: after.cast(value)})


@given(st.integers(-(2**53), 2**53))
def test_an_int_and_its_float_are_one_point_of_a_float_domain(number: int) -> None:
    domain = Discrete([0.5], dtype=float)
    assert combination_id({"x": domain.cast(number)}) == combination_id({"x": domain.cast(float(number))})


def test_values_of_four_types_are_never_one_point() -> None:
    assert len({combination_id({"x": value}) for value in (True, 1, 1.0, "1", "True", "1.0", "true")}) == 7


one_value = st.booleans() | ints | floats.map(lambda number: number + 0.0) | st.text(max_size=3)
combos = st.dictionaries(st.text(max_size=3), one_value, max_size=3)


@given(combos, combos)
def test_different_combinations_have_different_identities(one: dict[str, Value], other: dict[str, Value]) -> None:
    def typed(values: dict[str, Value]) -> dict[str, tuple[type, Value]]:
        return {name: (type(value), value) for name, value in values.items()}

    assume(typed(one) != typed(other))
    assert combination_id(one) != combination_id(other)


def test_an_identity_is_the_same_for_ever() -> None:
    values = {"num_units": 256, "dropout": 0.1, "optimizer": "adam", "flip": True, "Größe": "ä"}
    assert combination_id(values) == "8759dcc8a7a1929e3d55"
    assert combination_id({}) == "44136fa355b3678a1146"

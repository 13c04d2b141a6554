"""Analysis of variance against statsmodels and its own laws; separation of winner and runner-up; effects; the front."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import made, record_of, recorded

from gridsearch.errors import UserError
from gridsearch.hparams.domain import Discrete, HParam, RealInterval
from gridsearch.record.reader import Record
from gridsearch.report.analysis.effects import effects, fastest_best
from gridsearch.report.analysis.table import tabulate
from gridsearch.report.analysis.variance import Variance, separation, variance
from gridsearch.trials import Objective, SessionRecord

LETTERS = "abcd"


def grid(*levels: int) -> list[HParam]:
    return [HParam(name, Discrete([f"{name}{i}" for i in range(n)])) for name, n in zip(LETTERS, levels, strict=False)]


def analysed(record: Record) -> Variance:
    return variance(tabulate(record, "accuracy"))


def noisy(levels: tuple[int, ...], repeats: int, seed: int = 0, mean: float = 0.9) -> Record:
    """Effects, interactions of two and three, and noise, all of them drawn."""
    chance = random.Random(seed)
    drawn: dict[tuple[str, ...], float] = {}

    def response(values: object, repeat: int) -> float:
        names = list(values.values())  # type: ignore[attr-defined]
        parts = [key for k in (1, 2, 3) for key in combinations(names, k)]
        return mean + sum(drawn.setdefault(key, chance.gauss(0, 0.1)) for key in parts) + chance.gauss(0, 0.05)

    return recorded(grid(*levels), response, repeats)


@pytest.mark.parametrize(("levels", "repeats"), [((3, 2), 3), ((2, 3, 4), 2), ((3, 3, 2, 2), 4), ((5,), 6)])
@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_it_is_that_of_statsmodels(levels: tuple[int, ...], repeats: int, mean: float) -> None:
    import pandas
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    record = noisy(levels, repeats, mean=mean)
    rows = [
        {**trial.trial.values, "y": value - mean} for trial in record.trials for value in trial.values_of("accuracy")
    ]
    names = LETTERS[: len(levels)]
    model = ols("y ~ " + " * ".join(f"C({name}, Sum)" for name in names), pandas.DataFrame(rows)).fit()
    theirs = anova_lm(model, typ=2)
    ours = analysed(record)
    accuracy = {"rel": 1e-9, "abs": 1e-9}
    for source in ours.effects:
        row = theirs.loc[":".join(f"C({name}, Sum)" for name in source.names)]
        assert (source.sum_of_squares, source.degrees) == (pytest.approx(row["sum_sq"], **accuracy), row["df"])
        assert source.f == pytest.approx(row["F"], rel=1e-8 if mean else 1e-9)
        assert source.p == pytest.approx(row["PR(>F)"], rel=1e-7, abs=1e-9)
    assert ours.error.sum_of_squares == pytest.approx(theirs.loc["Residual", "sum_sq"], **accuracy)
    assert ours.error.degrees == theirs.loc["Residual", "df"]
    higher = [index for index in theirs.index if index.count(":") > 1]
    assert ours.higher.sum_of_squares == pytest.approx(theirs.loc[higher, "sum_sq"].sum(), **accuracy)


@given(
    levels=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    repeats=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_the_shares_are_all_there_is(levels: list[int], repeats: int, seed: int) -> None:
    record = noisy(tuple(levels), repeats, seed)
    try:
        found = analysed(record)
    except UserError:
        assert len(record.trials) < 4 or max(levels) == 1
        return
    sources = [*found.effects, found.higher, found.error]
    assert sum(source.share for source in sources) == pytest.approx(1.0)
    assert all(source.share >= 0 for source in sources)
    assert sum(source.degrees for source in sources) == found.n - 1


def test_an_additive_response_has_no_interactions() -> None:
    weight = {"a0": 0.1, "a1": 0.5, "b0": 0.0, "b1": 0.1, "b2": 0.7}
    found = analysed(recorded(grid(2, 3), lambda v, r: weight[v["a"]] + weight[v["b"]]))
    assert [source.names for source in found.effects] == [("a",), ("b",), ("a", "b")]
    assert found.effects[2].share == pytest.approx(0.0, abs=1e-12)
    assert (found.error.degrees, found.effects[0].p) == (0, None)


def test_exclusive_or_is_nothing_but_interaction() -> None:
    found = analysed(recorded(grid(2, 2), lambda v, r: float((v["a"] == "a1") != (v["b"] == "b1")), repeats=2))
    assert [round(source.share, 12) for source in found.effects] == [0.0, 0.0, 1.0]
    assert (found.effects[2].f, found.effects[2].p) == (float("inf"), 0.0)
    assert "Infinity" not in json.dumps(found.as_facts())


def test_a_grid_with_holes_is_refused() -> None:
    full = noisy((3, 3), 2)
    with pytest.raises(UserError, match="8 of 9 combinations have a result"):
        analysed(record_of(full.hparams, full.trials[1:]))


def test_unequal_repeats_are_refused() -> None:
    full = noisy((3, 3), 2)
    cut = made(1, full.trials[0].trial.values, [{"accuracy": 0.5}])
    with pytest.raises(UserError, match="some have 1 repeats, others 2"):
        analysed(record_of(full.hparams, [cut, *full.trials[1:]]))


# Winner and runner-up


def rivals(*scores: list[float], own_seeds: bool = False) -> Record:
    """Return a record of these trials; repeat r has the seed r in each of them, or one of its own."""
    trials = [made(n, {"a": f"a{n}"}, [{"accuracy": s} for s in each]) for n, each in enumerate(scores, 1)]
    if own_seeds:
        trials = [replace(t, sessions=tuple(_reseed(s, 10 * t.trial.number) for s in t.sessions)) for t in trials]
    return record_of(grid(len(scores)), trials)


def _reseed(session: SessionRecord, by: int) -> SessionRecord:
    return replace(session, session=replace(session.session, seed=session.session.seed + by))


def test_the_test_pairs_by_seed() -> None:
    """Seeds that are good for both trials are no noise: of two trials it is scipy's paired t test."""
    from scipy.stats import ttest_ind, ttest_rel

    scores = [0.90, 0.81, 0.72], [0.88, 0.80, 0.69]
    found = separation(rivals(*scores))
    assert found is not None
    assert found.p == pytest.approx(ttest_rel(*scores).pvalue, rel=1e-6)
    assert found.p < 0.1 < ttest_ind(*scores).pvalue
    assert "(t test, paired by seed, 2 degrees of freedom)" in found.sentence


def test_the_error_of_the_paired_test_is_that_of_randomised_blocks() -> None:
    import pandas
    from statsmodels.formula.api import ols

    chance = random.Random(3)
    seeds = [chance.gauss(0, 1) for _ in range(4)]
    scores = [[0.3 * trial + seed + chance.gauss(0, 0.1) for seed in seeds] for trial in range(5)]
    rows = [{"y": y, "trial": f"t{t}", "seed": f"s{s}"} for t, each in enumerate(scores) for s, y in enumerate(each)]
    model = ols("y ~ C(trial, Treatment('t4')) + C(seed)", pandas.DataFrame(rows)).fit()
    found = separation(rivals(*scores))
    assert found is not None
    assert (found.winner, found.runner_up) == ("run-0005", "run-0004")
    assert found.p == pytest.approx(model.pvalues["C(trial, Treatment('t4'))[T.t3]"], rel=1e-6)


def test_a_winner_beyond_chance() -> None:
    from scipy.stats import ttest_ind

    scores = [0.90, 0.91, 0.92], [0.70, 0.71, 0.72]
    found = separation(rivals(*scores, own_seeds=True))
    assert found is not None
    assert found.p == pytest.approx(ttest_ind(*scores).pvalue, rel=1e-6)
    assert found.sentence.startswith("run-0001 and run-0002 can be told apart: they differ by 0.2 in accuracy")


def test_a_winner_by_chance() -> None:
    found = separation(rivals([0.90, 0.80], [0.89, 0.80], [0.5, 0.7], own_seeds=True))
    assert found is not None
    assert found.sentence.startswith("run-0001 and run-0002 cannot be told apart")
    assert "(t test, seeds not shared, 3 degrees of freedom)" in found.sentence


def test_equals_are_called_equal() -> None:
    found = separation(rivals([0.9, 0.8], [0.8, 0.9]))
    assert found is not None
    assert found.sentence.startswith("run-0001 and run-0002 come to the same accuracy, 0.85;")


def test_equals_are_counted() -> None:
    found = separation(rivals([0.9], [0.9], [0.9], [0.8]))
    assert found is not None
    assert found.sentence.startswith("run-0001, run-0002 and 1 other come to the same accuracy, 0.9;")
    found = separation(rivals([0.8], [0.9], [0.9], [0.9], [0.9]))
    assert found is not None
    assert found.sentence.startswith("run-0002, run-0003 and 2 others come to the same accuracy, 0.9;")


def test_without_repeats_nobody_can_tell() -> None:
    found = separation(rivals([0.9], [0.8]))
    assert found is not None
    assert found.p is None
    assert "cannot be said" in found.sentence
    assert separation(rivals([0.9])) is None


@pytest.mark.parametrize("own_seeds", [False, True])
@pytest.mark.parametrize("common", [0.0, 3.0])
def test_the_winner_of_equals_is_rarely_taken_for_more(common: float, own_seeds: bool) -> None:
    """Twenty trials without any difference, many times over: at most one sweep in twenty may claim one.

    ``common`` is the deviation of what a seed does to all trials alike.
    """
    chance = random.Random(7)
    claims = 0
    for _ in range(300):
        seeds = [chance.gauss(0, common) for _ in range(3)]
        scores = [[seed + chance.gauss(0, 1) for seed in seeds] for _ in range(20)]
        found = separation(rivals(*scores, own_seeds=own_seeds))
        assert found is not None
        assert found.p is not None
        claims += found.p < 0.05
    assert claims <= 300 * 0.05


# Effects and time


def test_the_effect_of_a_value_is_the_mean_over_the_rest() -> None:
    score = {"a0": 0.0, "a1": 1.0, "b0": 0.0, "b1": 0.2, "b2": 0.4}
    a, b = effects(tabulate(recorded(grid(2, 3), lambda v, r: score[v["a"]] + score[v["b"]]), "accuracy"))
    assert [(level.label, level.n, round(level.mean, 9)) for level in a.levels] == [("a0", 3, 0.2), ("a1", 3, 1.2)]
    assert [round(level.mean, 9) for level in b.levels] == [0.5, 0.7, 0.9]
    assert (a.span, round(a.levels[0].deviation or 0, 9)) == (pytest.approx(1.0), 0.2)


@pytest.mark.parametrize(("maximize", "wanted"), [(True, [1, 2, 4]), (False, [1, 3])])
def test_nothing_on_the_front_is_beaten(maximize: bool, wanted: list[int]) -> None:
    accuracy = {1: 0.5, 2: 0.6, 3: 0.4, 4: 0.9, 5: 0.8}
    trials = [made(n, {"x": n / 10}, [{"accuracy": accuracy[n], "seconds": n}]) for n in accuracy]
    record = record_of([HParam("x", RealInterval(0.0, 1.0))], trials, objective=Objective(maximize=maximize))
    assert [trial.trial.number for trial in fastest_best(record)] == wanted

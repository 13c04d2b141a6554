"""What every strategy promises, run against each of them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from itertools import islice

import pytest

from gridsearch.hparams.combination import Combination, combination_id
from gridsearch.hparams.domain import Discrete, HParam, IntInterval, RealInterval
from gridsearch.hparams.grid import Grid
from gridsearch.hparams.search_space import SearchSpace
from gridsearch.strategies import Strategy, SupportsExplanation
from gridsearch.strategies.grid import GridStrategy
from gridsearch.strategies.median_stopping import MedianStopping
from gridsearch.strategies.random import RandomStrategy
from gridsearch.strategies.replay import ReplayedStep, ReplayedSweep
from gridsearch.strategies.successive_halving import SuccessiveHalving
from gridsearch.strategies.trial_limit import TrialLimit
from gridsearch.trials import Objective, Status, Trial, TrialRecord

EPOCHS = 5
ACCURACY = Objective("accuracy")
HPARAMS = (HParam("units", Discrete([64, 32, 128])), HParam("dropout", Discrete([0.1, 0.2, 0.3, 0.5])))
WIDE = (HParam("rate", RealInterval(1e-4, 1e-1, log=True)), HParam("depth", IntInterval(1, 8)), *HPARAMS)
HUGE = tuple(HParam(f"h{n}", Discrete(list(range(10)))) for n in range(12))

Make = Callable[[Sequence[HParam]], Strategy]


def searching(hparams: Sequence[HParam]) -> SearchSpace:
    return SearchSpace([hparams])


def bayesian(hparams: Sequence[HParam]) -> Strategy:
    pytest.importorskip("sklearn")
    from gridsearch.strategies.kerastuner import BayesianStrategy

    return BayesianStrategy(searching(hparams), ACCURACY, 7, num_initial_points=9)


def hyperband(hparams: Sequence[HParam]) -> Strategy:
    pytest.importorskip("keras_tuner")
    from gridsearch.strategies.kerastuner import HyperbandStrategy

    return HyperbandStrategy(searching(hparams), ACCURACY, 7, EPOCHS, hyperband_iterations=2)


def searched_by(sampler: str) -> Make:
    def make(hparams: Sequence[HParam]) -> Strategy:
        pytest.importorskip("optuna")
        from gridsearch.strategies.optuna import OptunaStrategy

        return OptunaStrategy(searching(hparams), ACCURACY, 7, sampler, {})

    return make


def pruned(hparams: Sequence[HParam]) -> Strategy:
    pytest.importorskip("optuna")
    from gridsearch.strategies.optuna import OptunaPruner

    return OptunaPruner(GridStrategy(Grid(hparams)), ACCURACY, "SuccessiveHalvingPruner", {"min_resource": 1})


GRIDS: dict[str, Make] = {
    "grid": lambda hparams: GridStrategy(Grid(hparams)),
    "grid, median": lambda hparams: MedianStopping(GridStrategy(Grid(hparams)), ACCURACY, trials=2),
    "grid, halving": lambda hparams: SuccessiveHalving(GridStrategy(Grid(hparams)), ACCURACY, EPOCHS),
    "grid, optuna's halving": pruned,
}
SEARCHES: dict[str, Make] = {
    "random": lambda hparams: RandomStrategy(searching(hparams), 7),
    "random, halving": lambda hparams: SuccessiveHalving(
        TrialLimit(RandomStrategy(searching(hparams), 7), searching(hparams), 30), ACCURACY, EPOCHS
    ),
    "bayesian": bayesian,
    "tpe": searched_by("TPESampler"),
    "cmaes": searched_by("CmaEsSampler"),
    "qmc": searched_by("QMCSampler"),
}
ALL = {**GRIDS, **SEARCHES, "hyperband": hyperband}
QUICK = ("grid", "grid, median", "random")

every = pytest.mark.parametrize("make", ALL.values(), ids=ALL)
every_that_tries_all = pytest.mark.parametrize("make", {**GRIDS, **SEARCHES}.values(), ids={**GRIDS, **SEARCHES})
every_search = pytest.mark.parametrize(
    "make", [*list(SEARCHES.values()), hyperband], ids=[*list(SEARCHES), "hyperband"]
)


def curve(values: Combination) -> list[float]:
    """Some accuracy that depends on every value, and rises from epoch to epoch."""
    final = int(combination_id(values)[:6], 16) / 16**6
    return [final * (epoch + 1) / EPOCHS for epoch in range(EPOCHS)]


def steps(rehearsal: ReplayedSweep, strategy: Strategy, most: int = 100) -> list[ReplayedStep]:
    """Trainings until there is nothing more; the rehearsal refuses one of a trial that has ended."""
    found: list[ReplayedStep] = []
    while len(found) < most and (step := rehearsal.step(strategy)):
        found.append(step)
    return found


@every
def test_no_trial_is_proposed_twice_and_all_are_of_the_space(make: Make) -> None:
    rehearsal = ReplayedSweep(curve, ACCURACY)
    found = steps(rehearsal, make(HPARAMS))
    assert found
    assert all(step.values in searching(HPARAMS) for step in found)
    assert len({trial.trial.id for trial in rehearsal.trials}) == len(rehearsal.trials)


@every_that_tries_all
def test_exhaustion_is_an_answer_and_stays_one(make: Make) -> None:
    rehearsal, strategy = ReplayedSweep(curve, ACCURACY), make(HPARAMS)
    steps(rehearsal, strategy)
    assert len(rehearsal.trials) == 12
    assert [strategy.ask() for _ in range(3)] == [None, None, None]
    if isinstance(strategy, SupportsExplanation) and strategy.over:
        assert strategy.over == "space exhausted: 12 of 12"


@every
@pytest.mark.parametrize("done", [0, 1, 5, 11, 13])
def test_a_fresh_strategy_that_is_told_the_facts_goes_on_as_the_old_one_would(make: Make, done: int) -> None:
    whole = steps(ReplayedSweep(curve, ACCURACY), make(HPARAMS))
    interrupted = ReplayedSweep(curve, ACCURACY)
    begun = steps(interrupted, make(HPARAMS), done)
    fresh = make(HPARAMS)
    interrupted.brief(fresh)
    assert begun + steps(interrupted, fresh) == whole


@every
def test_a_trial_that_an_earlier_run_owes_something_is_not_proposed_and_its_end_is_heard(make: Make) -> None:
    interrupted = ReplayedSweep(curve, ACCURACY)
    steps(interrupted, make(HPARAMS), 2)
    first, second = interrupted.trials
    fresh = make(HPARAMS)
    fresh.tell(first)
    fresh.tell(TrialRecord(second.trial, ()))
    after = fresh.ask()
    assert after != second.trial.values
    assert first.paused or after != first.trial.values
    fresh.tell(second)


@every
def test_trials_that_fail_are_survived(make: Make) -> None:
    rehearsal = ReplayedSweep(lambda values: curve(values) if values["units"] == 32 else [], ACCURACY)
    found = steps(rehearsal, make(HPARAMS))
    assert any(step.value is None for step in found)
    statuses = {trial.status for trial in rehearsal.trials}
    assert Status.FAILED in statuses
    assert len(found) >= len(rehearsal.trials)


@every
def test_trials_that_all_fail_come_to_an_end(make: Make) -> None:
    assert all(step.value is None for step in steps(ReplayedSweep(lambda values: [], ACCURACY), make(HPARAMS)))


@every
def test_trials_of_another_sweep_are_survived(make: Make) -> None:
    strategy, values = make(HPARAMS), {"units": 4096, "dropout": 0.7}
    rehearsal = ReplayedSweep(curve, ACCURACY)
    outside = Trial(1, values)
    strategy.tell(TrialRecord(outside, ()))
    assert steps(rehearsal, strategy, 3)


@every_search
def test_intervals_are_searched_between_their_ends(make: Make) -> None:
    found = steps(ReplayedSweep(curve, ACCURACY), make(WIDE), 12)
    assert len(found) == 12
    assert all(step.values in searching(WIDE) for step in found)
    assert len({step.values["rate"] for step in found}) > 6


@pytest.mark.parametrize("make", [ALL[name] for name in QUICK], ids=QUICK)
def test_a_thousand_asks_of_a_space_of_a_million_million_without_growth(make: Make) -> None:
    strategy, rehearsal = make(HUGE), ReplayedSweep(curve, ACCURACY)
    steps(rehearsal, strategy, 10)
    tracemalloc.start()
    steps(rehearsal, strategy, 490)
    half, _ = tracemalloc.get_traced_memory()
    steps(rehearsal, strategy, 500)
    whole, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rehearsal.trials) == 1000
    assert whole - half < 1.3 * half, "what it keeps is in proportion to what it was told"
    assert whole < 5 * 2**20


@every_search
def test_several_grids_are_searched_as_one(make: Make) -> None:
    sgd = (HParam("optimizer", Discrete(["sgd"])), HParam("momentum", RealInterval(0.0, 0.9)))
    adam = (HParam("optimizer", Discrete(["adam"])), HParam("amsgrad", Discrete([True, False])))
    space = SearchSpace([sgd, adam])
    found = steps(ReplayedSweep(curve, ACCURACY), _of_space(make, space), 12)
    assert all(step.values in space for step in found)
    assert {step.values["optimizer"] for step in found} == {"sgd", "adam"}
    assert all(type(step.values.get("amsgrad", True)) is bool for step in found)


def _of_space(make: Make, space: SearchSpace) -> Strategy:
    """The same strategy for a space of several grids."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(globals(), "searching", lambda hparams: space)
        return make(())


def test_the_grid_is_proposed_in_its_declared_order() -> None:
    found = [step.values for step in steps(ReplayedSweep(curve, ACCURACY), GRIDS["grid"](HPARAMS))]
    assert found == list(Grid(HPARAMS))


def test_another_seed_is_another_order() -> None:
    orders = [list(islice(searching(HPARAMS).sample(seed), 12)) for seed in (1, 2)]
    assert orders[0] != orders[1]
    assert sorted(map(combination_id, orders[0])) == sorted(map(combination_id, orders[1]))


def test_halving_trains_few_to_the_end_and_each_from_where_it_stood() -> None:
    found = steps(ReplayedSweep(curve, ACCURACY), GRIDS["grid, halving"](HPARAMS))
    assert [(step.first, step.epochs) for step in found] == [(0, 1)] * 12 + [(1, 1)] * 4 + [(2, 3)] * 2
    best = max(Grid(HPARAMS), key=lambda values: curve(values)[-1])
    assert best in [step.values for step in found[12:]]


def test_hyperband_goes_on_with_its_best_from_where_they_stood() -> None:
    found = steps(ReplayedSweep(curve, ACCURACY), hyperband(WIDE))
    begun = {combination_id(step.values): step for step in found if not step.first}
    promoted = [step for step in found if step.first]
    assert promoted
    for step in promoted:
        first = begun[combination_id(step.values)]
        rivals = [other for other in begun.values() if other.epochs == first.epochs]
        assert sorted(rivals, key=lambda other: other.value or 0.0)[-len(rivals) // 2 :].count(first)
    assert max(step.first + step.epochs for step in found) == EPOCHS

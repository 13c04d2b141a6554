"""What every strategy promises, run against each of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gridsearch.grid import Grid, Space
from gridsearch.hparams import Combination, Discrete, HParam, RealInterval, combination_id
from gridsearch.record import SessionRecord, TrialRecord
from gridsearch.strategies import Strategy, Wait
from gridsearch.strategies.grid import GridStrategy
from gridsearch.trials import FailureKind, Outcome, Session, Status, Trial

SPACE = Grid([HParam("units", Discrete([64, 32, 128])), HParam("dropout", RealInterval(0.1, 0.5, points=4))])

Make = Callable[[Space], Strategy]


@pytest.fixture(params=[GridStrategy])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


def fact(values: Combination, number: int, outcome: Outcome) -> TrialRecord:
    trial = Trial(number, combination_id(values), values)
    return TrialRecord(trial, (SessionRecord(Session(trial, 0, 1, 0), outcome, 0.0, 1.0, told=True),))


def asked(strategy: Strategy, most: int, outcome: Outcome | None = None) -> list[Combination]:
    """Ask and tell until there is nothing more."""
    found: list[Combination] = []
    while len(found) < most:
        values = strategy.ask()
        if values is None:
            break
        assert not isinstance(values, Wait), "nothing is running that could be waited for"
        found.append(values)
        strategy.tell(fact(values, len(found), outcome or Outcome(Status.COMPLETED, metrics={"accuracy": 0.5})))
    return found


def test_no_combination_is_proposed_twice_and_all_are_of_the_space(make: Make) -> None:
    found = asked(make(SPACE), 100)
    assert len({combination_id(values) for values in found}) == len(found)
    assert all(values in SPACE for values in found)


def test_exhaustion_is_an_answer_and_stays_one(make: Make) -> None:
    strategy = make(SPACE)
    assert len(asked(strategy, 100)) == len(SPACE)
    assert [strategy.ask() for _ in range(3)] == [None, None, None]


@pytest.mark.parametrize("ended", [0, 1, 5, 11, 12])
def test_a_fresh_strategy_that_is_told_the_facts_goes_on_as_the_old_one_would(make: Make, ended: int) -> None:
    whole = asked(make(SPACE), 100)
    resumed = make(SPACE)
    for number, values in enumerate(whole[:ended], 1):
        resumed.tell(fact(values, number, Outcome(Status.COMPLETED, metrics={"accuracy": 0.5})))
    assert asked(resumed, 100) == whole[ended:]


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.failed(FailureKind.EXCEPTION, "no"),
        Outcome.failed(FailureKind.DIVERGED, "nan"),
        Outcome(Status.STOPPED, metrics={"accuracy": 0.1}),
    ],
    ids=lambda outcome: str(outcome.kind or outcome.status),
)
def test_failed_and_stopped_trials_are_survived(make: Make, outcome: Outcome) -> None:
    assert len(asked(make(SPACE), 100, outcome)) == len(SPACE)


def test_a_thousand_asks_of_a_space_of_a_million_million(make: Make) -> None:
    huge = Grid([HParam(f"h{n}", Discrete(list(range(10)))) for n in range(12)])
    found = asked(make(huge), 1000)
    assert len({combination_id(values) for values in found}) == 1000


def test_the_grid_is_proposed_in_its_declared_order() -> None:
    assert asked(GridStrategy(SPACE), 100) == list(SPACE)

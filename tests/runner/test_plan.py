"""What is left to do: a function of the declared space and the record, and of nothing else."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gridsearch.config.sections import DEFAULT_RETRIES, Training
from gridsearch.config.sweep_config import SweepConfig
from gridsearch.hparams.combination import Combination
from gridsearch.record.reader import Record
from gridsearch.runner.plan import Plan, make_plan, remaining_sessions
from gridsearch.trials import FailureKind, Outcome, Session, SessionRecord, Status, Trial, TrialRecord

DONE = Outcome(Status.COMPLETED, metrics={"accuracy": 0.5})
STOPPED = Outcome(Status.STOPPED, metrics={"accuracy": 0.1})
RUNNING = Outcome(Status.RUNNING)
X = {"x": {"discrete": [0.25, 0.5, 0.75]}}


def failed(kind: FailureKind, *, charged: bool = True) -> Outcome:
    return Outcome.failed(kind, "it failed", charged=charged)


EXCEPTION, KILLED, STALLED = map(failed, (FailureKind.EXCEPTION, FailureKind.KILLED, FailureKind.STALLED))
CRASHED, ORDERLY = (failed(FailureKind.INTERRUPTED, charged=charged) for charged in (True, False))


def trial(*repeats: list[Outcome], values: Combination | None = None, number: int = 1) -> TrialRecord:
    """A trial of whose repeats each has had these attempts."""
    values = {"x": 0.5} if values is None else values
    planned = Trial(number, values)
    return TrialRecord(
        planned,
        tuple(
            SessionRecord(Session(planned, repeat, attempt, repeat), outcome, 0.0, 1.0, delivered=True)
            for repeat, outcomes in enumerate(repeats)
            for attempt, outcome in enumerate(outcomes, 1)
        ),
    )


def owing(recorded: TrialRecord, *, retry: bool = False, **training: Any) -> list[str]:
    return [session.name for session in remaining_sessions(recorded, Training(**training), retry=retry)]


def configured(hparams: dict[str, Any], **tables: Any) -> SweepConfig:
    """A sweep of an objective that nobody will call."""
    tables = {"hparams": hparams, "model": {"objective": "module:train"}, **tables}
    return SweepConfig.validate_tables(tables, where="test", folder=Path())


# What a trial is owed


@pytest.mark.parametrize(
    ("attempts", "names"),
    [
        ([], ["run-0001"]),
        ([DONE], []),
        ([STOPPED], []),
        ([RUNNING], []),
        ([EXCEPTION], []),
        ([failed(FailureKind.DIVERGED)], []),
        ([failed(FailureKind.TIMEOUT)], []),
        ([KILLED], ["run-0001-a2"]),
        ([STALLED], ["run-0001-a2"]),
        ([failed(FailureKind.LOST)], ["run-0001-a2"]),
        ([KILLED, KILLED], []),
        ([KILLED, DONE], []),
        ([KILLED, RUNNING], []),
        ([KILLED, EXCEPTION], []),
        ([KILLED, STALLED], ["run-0001-a3"]),
        ([KILLED, STALLED, KILLED], []),
        ([CRASHED] * 10, ["run-0001-a11"]),
        ([CRASHED] * 11, []),
        ([ORDERLY] * 50, ["run-0001-a51"]),
        ([*[CRASHED] * 10, ORDERLY], ["run-0001-a12"]),
        ([KILLED, ORDERLY], ["run-0001-a3"]),
        ([KILLED, ORDERLY, KILLED], []),
        ([Outcome(Status.FAILED)], []),
    ],
)
def test_a_trial_is_owed_another_attempt_while_its_kind_of_failure_has_retries_left(
    attempts: list[Outcome], names: list[str]
) -> None:
    assert owing(trial(attempts)) == names


@pytest.mark.parametrize("kind", FailureKind)
@pytest.mark.parametrize("retries", [0, 1, 3])
def test_every_kind_gets_as_many_retries_as_the_sweep_file_says(kind: FailureKind, retries: int) -> None:
    for past in range(1, 6):
        names = owing(trial([failed(kind)] * past), retries={kind: retries})
        assert names == ([f"run-0001-a{past + 1}"] if past <= retries else [])


def test_what_the_sweep_file_does_not_say_keeps_its_default() -> None:
    training = Training(retries={FailureKind.EXCEPTION: 2})
    assert training.retries_after(FailureKind.EXCEPTION) == 2
    assert training.retries_after(FailureKind.KILLED) == DEFAULT_RETRIES[FailureKind.KILLED] == 1
    assert training.retries_after(FailureKind.TIMEOUT) == 0


def test_a_machine_that_dies_with_its_trial_every_time_is_let_off_in_the_end() -> None:
    attempts: list[Outcome] = []
    while remaining_sessions(trial(attempts), Training()):
        attempts.append(CRASHED)
        assert len(attempts) < 100
    assert len(attempts) == 11


def test_repeats_are_owed_each_with_a_seed_of_its_own() -> None:
    sessions = remaining_sessions(trial(), Training(repeats=3, seed=40))
    assert [(s.name, s.repeat, s.attempt, s.seed) for s in sessions] == [
        ("run-0001", 0, 1, 40),
        ("run-0001-r1", 1, 1, 41),
        ("run-0001-r2", 2, 1, 42),
    ]


def test_an_attempt_has_the_seed_of_its_repeat() -> None:
    (again,) = remaining_sessions(trial([DONE], [KILLED]), Training(repeats=2, seed=40))
    assert (again.name, again.seed) == ("run-0001-r1-a2", 41)


def test_repeats_raised_later_are_owed_to_finished_trials_and_lowered_ones_are_not() -> None:
    recorded = trial([DONE], [EXCEPTION], [KILLED])
    assert owing(recorded, repeats=1) == []
    assert owing(recorded, repeats=2) == []
    assert owing(recorded, repeats=3) == ["run-0001-r2-a2"]
    assert owing(recorded, repeats=5) == ["run-0001-r2-a2", "run-0001-r3", "run-0001-r4"]


def test_a_failed_repeat_is_tried_again_when_asked_for_and_nothing_else_is() -> None:
    recorded = trial([EXCEPTION, EXCEPTION], [DONE], [RUNNING], [KILLED, KILLED])
    assert owing(recorded, repeats=4) == []
    assert owing(recorded, repeats=4, retry=True) == ["run-0001-a3", "run-0001-r3-a3"]


# The plan of a sweep


def recorded(config: SweepConfig, *trials: TrialRecord) -> Record:
    return Record(
        Path("logdir"),
        config.space.hparams,
        config.objective,
        config.recipe(),
        config.tables(),
        Path(),
        False,
        tuple(trials),
    )


def test_without_a_record_everything_is_new() -> None:
    plan = make_plan(configured(X), None)
    assert plan == Plan(combinations=3, completed=0, failed=0, unfinished=0, outside=0)
    assert (plan.new, plan.left) == (3, 3)


@pytest.mark.parametrize(
    ("attempts", "standing"),
    [
        ([DONE], "completed"),
        ([STOPPED], "completed"),
        ([KILLED, DONE], "completed"),
        ([EXCEPTION], "failed"),
        ([KILLED, KILLED], "failed"),
        ([KILLED], "unfinished"),
        ([ORDERLY], "unfinished"),
        ([RUNNING], "unfinished"),
        ([], "new"),
    ],
)
def test_a_trial_stands_in_one_place(attempts: list[Outcome], standing: str) -> None:
    config = configured(X)
    plan = make_plan(config, recorded(config, trial(attempts)))
    places = {name: getattr(plan, name) for name in ("completed", "failed", "unfinished", "outside")}
    assert places == {name: int(name == standing) for name in places}
    assert plan.new == (3 if standing == "new" else 2)
    assert plan.left == (2 if standing in ("completed", "failed") else 3)


def test_what_is_recorded_but_no_longer_declared_is_outside() -> None:
    config = configured(X)
    others: list[Combination] = [{"x": 0.3}, {"x": 0.5, "y": 1}, {"y": 1}, {"x": 1}, {"x": "0.5"}]
    trials = [trial([DONE], values=values, number=n) for n, values in enumerate([{"x": 0.5}, *others], 1)]
    plan = make_plan(config, recorded(config, *trials))
    assert plan == Plan(combinations=3, completed=1, failed=0, unfinished=0, outside=len(others))
    assert plan.new == 2


def test_a_trial_from_before_an_hparam_was_declared_had_its_default() -> None:
    old = trial([DONE], values={"x": 0.5})
    for default, completed in ((16, 1), (64, 0), (None, 0)):
        units = {"discrete": [16, 32]} | ({"default": default} if default else {})
        config = configured({**X, "units": units})
        plan = make_plan(config, recorded(config, old))
        assert (plan.combinations, plan.completed, plan.outside) == (6, completed, 1 - completed)


def test_raising_repeats_makes_finished_trials_unfinished() -> None:
    done = trial([DONE])
    for repeats, expected in ((1, (1, 0)), (2, (0, 1))):
        config = configured(X, training={"repeats": repeats})
        plan = make_plan(config, recorded(config, done))
        assert (plan.completed, plan.unfinished) == expected


def test_a_repeat_that_failed_for_good_makes_its_trial_a_failed_one() -> None:
    config = configured(X, training={"repeats": 2})
    assert make_plan(config, recorded(config, trial([DONE], [EXCEPTION]))).failed == 1
    assert make_plan(config, recorded(config, trial([EXCEPTION], [DONE]))).failed == 1


def test_failed_trials_count_as_unfinished_when_they_are_to_be_tried_again() -> None:
    config = configured(X)
    record = recorded(config, trial([EXCEPTION]), trial([DONE], values={"x": 0.25}, number=2))
    assert (make_plan(config, record).failed, make_plan(config, record).left) == (1, 1)
    again = make_plan(config, record, retry=True)
    assert (again.failed, again.unfinished, again.completed, again.left) == (0, 1, 1, 2)


def test_a_plan_of_more_than_a_trillion_combinations_takes_no_longer_than_its_record() -> None:
    config = configured({f"x{n}": {"int_interval": [0, 9], "points": 10} for n in range(12)})
    plan = make_plan(config, recorded(config, trial([DONE], values={f"x{n}": n % 10 for n in range(12)})))
    assert (plan.combinations, plan.completed, plan.new) == (10**12, 1, 10**12 - 1)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(1, 0, 0, 0, 0), "1 combination: 0 completed, 0 failed, 1 new"),
        (Plan(36, 12, 1, 2, 0), "36 combinations: 12 completed, 1 failed, 2 unfinished, 21 new"),
        (
            Plan(36, 36, 0, 0, 4),
            "36 combinations: 36 completed, 0 failed, 0 new (4 recorded outside the declared space)",
        ),
        (Plan(10**6, 0, 0, 0, 0), "1,000,000 combinations: 0 completed, 0 failed, 1,000,000 new"),
    ],
)
def test_a_plan_in_words(plan: Plan, words: str) -> None:
    assert str(plan) == words


def test_a_sweep_goes_from_new_to_completed() -> None:
    config = configured(X)
    done: list[TrialRecord] = []
    plans = [make_plan(config, recorded(config))]
    for number, values in enumerate(config.space, 1):
        done.append(trial([DONE], values=values, number=number))
        plans.append(make_plan(config, recorded(config, *done)))
    assert [plan.new for plan in plans] == [3, 2, 1, 0]
    assert all(after.completed == before.completed + 1 for before, after in pairwise(plans))

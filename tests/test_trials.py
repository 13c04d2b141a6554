"""Trials, sessions and outcomes: names that never clash, summaries that leave out what is not a number, messages."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import reported_metrics

from gridsearch.record.summary import summarise
from gridsearch.trials import (
    Ended,
    Epoch,
    FailureKind,
    Heartbeat,
    Objective,
    Outcome,
    Session,
    Status,
    Trial,
    is_finite,
)

TRIAL = Trial(7, {"units": 16, "rate": 0.1})
ACCURACY, LOSS = Objective(), Objective("loss", maximize=False)
NAN, INF = math.nan, math.inf

# Names and statuses


@pytest.mark.parametrize(
    ("number", "repeat", "attempt", "name"),
    [
        (1, 0, 1, "run-0001"),
        (7, 0, 2, "run-0007-a2"),
        (7, 1, 1, "run-0007-r1"),
        (7, 12, 10, "run-0007-r12-a10"),
        (9999, 0, 1, "run-9999"),
        (10_000, 0, 1, "run-10000"),
    ],
)
def test_a_session_is_named_after_its_trial_repeat_and_attempt(
    number: int, repeat: int, attempt: int, name: str
) -> None:
    trial = Trial(number, {})
    assert Session(trial, repeat, attempt, seed=0).name == name
    assert name.startswith(trial.name)


def test_no_two_sessions_have_one_name() -> None:
    trials = [Trial(number, {}) for number in (1, 11, 111, 10_001)]
    sessions = [Session(trial, r, a, 0) for trial, r, a in product(trials, range(12), range(1, 12))]
    assert len({session.name for session in sessions}) == len(sessions)


def test_the_statuses_with_a_result_are_completed_and_stopped() -> None:
    assert [status for status in Status if status.has_result] == [Status.COMPLETED, Status.STOPPED]


def test_statuses_and_kinds_read_as_the_record_and_the_dashboard_write_them() -> None:
    assert list(map(str, Status)) == ["planned", "running", "completed", "stopped", "failed"]
    kinds = ["exception", "diverged", "killed", "timeout", "stalled", "lost", "interrupted"]
    assert list(map(str, FailureKind)) == kinds
    assert FailureKind("killed") is FailureKind.KILLED


def test_a_failure_says_its_kind_and_counts_unless_told_otherwise() -> None:
    failure = Outcome.failed(FailureKind.KILLED, "out of memory", provenance={"pid": 3})
    assert (failure.status, failure.kind, failure.message) == (Status.FAILED, FailureKind.KILLED, "out of memory")
    assert (failure.charged, failure.metrics, failure.provenance) == (True, {}, {"pid": 3})
    assert not Outcome.failed(FailureKind.INTERRUPTED, "Ctrl-C", charged=False).charged


# Messages


@pytest.mark.parametrize(
    "message",
    [
        TRIAL,
        Session(TRIAL, 1, 2, 42),
        Objective("auc", maximize=False, with_loss=False),
        Epoch("run-0007", 3, {"val_accuracy": 0.5}, 1e9),
        Heartbeat("run-0007", 1, 2, 3),
        Heartbeat("run-0007"),
        Ended("run-0007", Outcome(Status.COMPLETED, metrics={"accuracy": 0.5}, provenance={"host": "here"})),
        Ended("run-0007", Outcome.failed(FailureKind.DIVERGED, "NaN")),
    ],
)
def test_what_travels_between_processes_arrives_as_it_was_and_cannot_be_changed(message: Any) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(message, protocol)) == message
    field = next(iter(message.__dataclass_fields__))
    with pytest.raises(FrozenInstanceError):
        setattr(message, field, None)


# The objective


@pytest.mark.parametrize(
    ("metrics", "value"),
    [
        ({"accuracy": 0.9, "val_accuracy": 0.5}, 0.5),
        ({"accuracy": 0.9}, 0.9),
        ({"accuracy": 1}, 1.0),
        ({"val_accuracy": 0.0, "accuracy": 0.9}, 0.0),
        ({"loss": 0.1}, None),
        ({}, None),
    ],
)
def test_the_objective_is_the_validations_where_there_is_one(metrics: Mapping[str, float], value: float | None) -> None:
    found = ACCURACY.of(metrics)
    assert found == value
    assert found is None or type(found) is float


def test_better_is_strictly_more_or_less() -> None:
    assert [ACCURACY.better(*pair) for pair in ((0.6, 0.5), (0.5, 0.6), (0.5, 0.5))] == [True, False, False]
    assert [LOSS.better(*pair) for pair in ((0.6, 0.5), (0.5, 0.6), (0.5, 0.5))] == [False, True, False]


@pytest.mark.parametrize(
    ("objective", "columns"),
    [
        (ACCURACY, ("accuracy", "best_accuracy", "loss", "best_epoch", "seconds")),
        (LOSS, ("loss", "best_loss", "best_epoch", "seconds")),
        (Objective("auc", with_loss=False), ("auc", "best_auc", "best_epoch", "seconds")),
    ],
)
def test_the_dashboards_columns_begin_with_the_objective(objective: Objective, columns: tuple[str, ...]) -> None:
    assert objective.columns == columns


# Summaries


def epochs(metric: str, *values: float) -> dict[int, dict[str, float]]:
    return {epoch: {metric: value} for epoch, value in enumerate(values)}


@pytest.mark.parametrize(
    ("objective", "reported", "final", "expected"),
    [
        (
            ACCURACY,
            {0: {"val_accuracy": 0.5, "val_loss": 0.9, "loss": 0.1}, 1: {"val_accuracy": 0.4, "val_loss": 0.8}},
            {},
            {"accuracy": 0.4, "best_accuracy": 0.5, "loss": 0.8, "best_epoch": 1},
        ),
        (
            ACCURACY,
            epochs("accuracy", 0.5, 0.7, 0.7, 0.6),
            {},
            {"accuracy": 0.6, "best_accuracy": 0.7, "best_epoch": 2},
        ),
        (ACCURACY, epochs("accuracy", 0.5, 0.5, 0.5), {}, {"accuracy": 0.5, "best_accuracy": 0.5, "best_epoch": 1}),
        (LOSS, epochs("loss", 0.5, 0.3, 0.3, 0.4), {}, {"loss": 0.4, "best_loss": 0.3, "best_epoch": 2}),
        (
            ACCURACY,
            epochs("accuracy", 0.5),
            {"accuracy": 0.9},
            {"accuracy": 0.9, "best_accuracy": 0.9, "best_epoch": 1},
        ),
        (
            ACCURACY,
            epochs("accuracy", 0.5, 0.8),
            {"accuracy": 0.7, "loss": 0.2},
            {"accuracy": 0.7, "best_accuracy": 0.8, "best_epoch": 2, "loss": 0.2},
        ),
        (
            ACCURACY,
            {0: {"accuracy": 0.9, "val_accuracy": 0.7, "loss": 0.1, "val_loss": 0.3}},
            {"accuracy": 0.8, "loss": 0.2},
            {"accuracy": 0.8, "best_accuracy": 0.8, "best_epoch": 1, "loss": 0.2},
        ),
        (ACCURACY, {}, {"accuracy": 0.7}, {"accuracy": 0.7, "best_accuracy": 0.7, "best_epoch": 0}),
        (ACCURACY, {}, {}, {"best_epoch": 0}),
        (ACCURACY, epochs("accuracy", NAN, 0.4, NAN), {}, {"best_accuracy": 0.4, "best_epoch": 2}),
        (ACCURACY, epochs("accuracy", 0.4, INF), {}, {"best_accuracy": 0.4, "best_epoch": 1}),
        (LOSS, epochs("loss", 3e38, 1e40), {}, {"best_loss": 3e38, "best_epoch": 1}),
        (LOSS, epochs("loss", -INF, 0.4), {}, {"loss": 0.4, "best_loss": 0.4, "best_epoch": 2}),
        (ACCURACY, {0: {"accuracy": 0.4, "loss": NAN}}, {}, {"accuracy": 0.4, "best_accuracy": 0.4, "best_epoch": 1}),
        (ACCURACY, {0: {"accuracy": 0.4}, 1: {"auc": 0.9}}, {}, {"best_accuracy": 0.4, "best_epoch": 1, "auc": 0.9}),
        (
            ACCURACY,
            {0: {"accuracy": 0.4, "learning_rate": 0.1}},
            {"mae": 1, "best_accuracy": 0.9, "f1": 0.8, "val_f1": 0.7},
            {"accuracy": 0.4, "best_accuracy": 0.4, "best_epoch": 1, "mae": 1.0, "f1": 0.7, "train_f1": 0.8}
            | {"returned_best_accuracy": 0.9},
        ),
        (
            ACCURACY,
            {3: {"accuracy": 0.4}, 1: {"accuracy": 0.5}},
            {},
            {"accuracy": 0.4, "best_accuracy": 0.5, "best_epoch": 2},
        ),
    ],
)
def test_a_session_is_summed_up(
    objective: Objective, reported: dict[int, dict[str, float]], final: dict[str, float], expected: dict[str, float]
) -> None:
    found = summarise(objective, reported, final, 1.23456)
    assert found == {**expected, "seconds": 1.235}
    assert all(type(value) is float for value in found.values())


@given(reported_metrics, st.sampled_from([ACCURACY, LOSS]))
def test_the_best_epoch_is_the_earliest_of_the_best_that_are_numbers(found: list[float], objective: Objective) -> None:
    summary = summarise(objective, epochs(objective.metric, *found), {}, 0.0)
    finite = [value for value in found if is_finite(value)]
    assert all(is_finite(value) for value in summary.values())
    assert summary.get(objective.metric) == (found[-1] if is_finite(found[-1]) else None)
    if finite:
        best = max(finite) if objective.maximize else min(finite)
        assert summary[f"best_{objective.metric}"] == best
        assert summary["best_epoch"] == found.index(best) + 1
    else:
        assert f"best_{objective.metric}" not in summary

"""What a sweep cost, also where it was cut off, and whatever its metrics came to."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from records import made, record_of

from gridsearch.hparams.domain import Discrete, HParam
from gridsearch.record.reader import Record
from gridsearch.report.facts import collect_facts
from gridsearch.trials import FailureKind, Outcome, Session, SessionRecord, Status, TrialRecord

HOUR = 3600.0


def sessions(*, held: bool) -> Record:
    """Ended, failed, in training, and going on from a rung: a sweep that began three hours ago."""
    now = time.time()
    outcomes = [
        (Outcome(Status.COMPLETED, metrics={"accuracy": 0.5, "seconds": 60.0}), now - 3 * HOUR, now - HOUR),
        (Outcome.failed(FailureKind.KILLED, "gone"), now - 2 * HOUR, now - HOUR),
        (Outcome(Status.RUNNING), now - HOUR / 2, None),
        (Outcome(Status.RUNNING), now - 3 * HOUR, None),
    ]
    trials = []
    for number, (outcome, began, ended) in enumerate(outcomes, 1):
        trial = made(number, {"x": number}, []).trial
        record = SessionRecord(Session(trial, 0, 1, 0), outcome, began, ended, delivered=False)
        if number == len(outcomes):
            record = replace(record, resumed=now - 100, trained_before=30.0)
        trials.append(TrialRecord(trial, (record,)))
    return record_of([HParam("x", Discrete([1, 2, 3, 4]))], trials, held=held)


def test_metrics_keep_all_digits_and_what_was_a_name_once_is_a_category() -> None:
    metrics = [{"accuracy": 12345678.0}, {"accuracy": 234.56789012}]
    trials = [made(n, {"x": x}, [each]) for n, (x, each) in enumerate(zip(("none", 0.01), metrics, strict=True), 1)]
    facts = collect_facts(record_of([HParam("x", Discrete([0.0, 0.01]))], trials), {})
    assert facts["trials"]["mean"]["accuracy"] == [12345678.0, 234.56789012]
    assert facts["hparams"][0]["category"]
    assert facts["hparams"][0]["levels"] == ("0.01", "none")


def test_time_is_what_was_trained_and_not_what_lay_aside() -> None:
    cost = collect_facts(sessions(held=True), {})["cost"]
    assert cost["training"] == pytest.approx(60 + HOUR + HOUR / 2 + 130, abs=5)
    assert cost["wasted"] == pytest.approx(HOUR, abs=5)
    assert cost["ended"] - cost["began"] == pytest.approx(3 * HOUR, abs=5)


def test_a_sweep_that_was_cut_off_costs_nothing_while_nobody_goes_on_with_it() -> None:
    cost = collect_facts(sessions(held=False), {})["cost"]
    assert cost["training"] == pytest.approx(60 + HOUR + 30, abs=5)
    assert cost["ended"] - cost["began"] == pytest.approx(3 * HOUR - 100, abs=5)

"""Time that a trial has to answer for, and ends that it has not."""

from __future__ import annotations

import pytest

from gridsearch.runner.deadlines import INTERRUPTED, WakingClock, reclassify_during_shutdown
from gridsearch.trials import Ended, FailureKind, Heartbeat, Outcome, Status


def test_a_clock_stands_still_while_the_runner_does(monkeypatch: pytest.MonkeyPatch) -> None:
    time = [100.0]
    monkeypatch.setattr("gridsearch.runner.deadlines.time.monotonic", lambda: time[0])
    clock = WakingClock()
    began = clock.now()
    for _ in range(100):
        time[0] += 0.3
        clock.tick()
    assert clock.now() - began == pytest.approx(30.0)
    time[0] += 3600.0  # suspended
    clock.tick()
    assert clock.now() - began == pytest.approx(30.0)
    time[0] += 1.0
    assert clock.now() - began == pytest.approx(31.0)


@pytest.mark.parametrize("kind", FailureKind)
def test_of_a_stop_neither_workers_nor_what_they_had_started_are_to_blame(kind: FailureKind) -> None:
    ended = Ended("run-0001", Outcome.failed(kind, "it ended"))
    theirs = kind in (FailureKind.KILLED, FailureKind.EXCEPTION)
    assert reclassify_during_shutdown(ended) == (Ended("run-0001", INTERRUPTED) if theirs else ended)


def test_a_result_stays_a_result() -> None:
    for message in (Ended("run-0001", Outcome(Status.COMPLETED, metrics={"accuracy": 1.0})), Heartbeat("run-0001")):
        assert reclassify_during_shutdown(message) is message

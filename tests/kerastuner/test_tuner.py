"""The tuner that records: KerasTuner's own flow, killed and gone on with, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from faults.harness import kill_all, none_left

from gridsearch.check import check
from gridsearch.errors import NothingRecorded
from gridsearch.record import Record
from gridsearch.trials import FailureKind, Status

pytest.importorskip("keras_tuner")
pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "searching.py"


def started(oracle: str, home: Path, pause: float = 0.0) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), oracle, str(home), str(pause)]
    return subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate(timeout=500)
    assert process.returncode == 0
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result


def sessions(home: Path) -> int:
    try:
        return len(Record.read(home).sessions)
    except NothingRecorded:
        return 0


def test_a_grid_killed_in_its_third_trial_trains_only_the_rest(home: Path) -> None:
    process = started("grid", home, pause=0.3)
    while sessions(home) < 3 and process.poll() is None:
        time.sleep(0.05)
    kill_all(process.pid)
    process.communicate()
    assert none_left(process.pid)
    before = {trial.trial.name: trial.trial.values for trial in Record.read(home).trials}
    result = finished(started("grid", home))
    record = Record.read(home)
    assert result["epochs"] == 10, "the third, from its beginning, and the fourth"
    assert result["accuracy"] == record.ranked()[0].mean("best_accuracy"), "the best model has been reloaded"
    assert [trial.status for trial in record.trials] == [Status.COMPLETED] * 4
    assert {trial.trial.name: trial.trial.values for trial in record.trials[:3]} == before
    kinds = [session.outcome.kind for session in record.sessions]
    assert kinds == [None, None, FailureKind.INTERRUPTED, None, None]
    verdict = check(home)
    assert verdict.ok, verdict.differences


def test_hyperband_goes_on_with_weights_of_the_rung_below(home: Path) -> None:
    result = finished(started("hyperband", home))
    record = Record.read(home)
    epochs = [int(session.outcome.facts["epochs"]) for session in record.sessions]
    assert sum(epochs) == result["epochs"], "no epoch is trained twice, and one combination is one row"
    assert len(record.trials) == len(record.sessions) == 8
    assert [trial.status for trial in record.trials].count(Status.COMPLETED) == 5
    assert not any(trial.paused for trial in record.trials)
    assert check(home).ok

"""The tuner that records: KerasTuner's own flow, killed in its third trial and gone on with, as a user runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gridsearch.record.reader import Record, read_epochs
from gridsearch.trials import FailureKind, Status
from gridsearch.writers.tensorboard.check import check

pytest.importorskip("keras_tuner")
pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "searching.py"
ORACLES = ("grid", "random", "bayesian", "hyperband")


@dataclass(frozen=True)
class Search:
    """A search that was killed and then came to its end."""

    logdir: Path
    killed: Record
    """As the killed search left it."""
    epochs: int
    """How many were trained after that."""
    accuracy: float
    """Of the best model, reloaded."""


def said(folder: Path, *arguments: str) -> Any:
    command = [sys.executable, str(SCRIPT), str(folder), *arguments]
    done = subprocess.run(command, text=True, capture_output=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert "UserWarning" not in done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Search]:
    """With each oracle: killed, and started again."""
    folder = tmp_path_factory.mktemp("searches")
    assert said(folder, *ORACLES, "--killed") == dict.fromkeys(ORACLES, -signal.SIGKILL)
    killed = {oracle: Record.read(folder / oracle) for oracle in ORACLES}
    return {name: Search(folder / name, killed[name], **found) for name, found in said(folder, *ORACLES).items()}


@pytest.mark.parametrize("oracle", ["grid", "random", "bayesian"])
def test_only_the_rest_is_trained(searches: dict[str, Search], oracle: str) -> None:
    search = searches[oracle]
    record = Record.read(search.logdir)
    assert search.epochs == 10, "the third, from its beginning, and the fourth"
    assert [trial.status for trial in record.trials] == [Status.COMPLETED] * 4
    assert [len(session) for session in read_epochs(search.logdir).values()] == [5, 5, 1, 5, 5]
    kinds = [session.outcome.kind for session in record.sessions]
    assert kinds == [None, None, FailureKind.INTERRUPTED, None, None]


@pytest.mark.parametrize("oracle", ORACLES)
def test_what_was_asked_before_stands_and_the_best_model_predicts(searches: dict[str, Search], oracle: str) -> None:
    search = searches[oracle]
    record = Record.read(search.logdir)
    before = [(trial.trial.name, trial.trial.values) for trial in search.killed.trials]
    assert [(trial.trial.name, trial.trial.values) for trial in record.trials[:3]] == before
    assert search.accuracy == max(trial.mean("best_accuracy") or 0.0 for trial in record.trials)
    if oracle != "grid":  # the tutorial's three; a check takes seconds
        verdict = check(search.logdir)
        assert (verdict.differences, verdict.agreeing) == ((), len(record.trials))


def test_hyperband_goes_on_with_weights_of_the_rung_below(searches: dict[str, Search]) -> None:
    search = searches["hyperband"]
    record = Record.read(search.logdir)
    ended = [session for session in record.sessions if session.outcome.kind is None]
    trained = sum(int(session.outcome.epochs) for session in ended)
    assert search.epochs == trained - 2 * 2, "no epoch is trained twice but what the killed trial had"
    assert len(record.trials) == len(ended) == 8, "one combination is one row"
    assert [trial.status for trial in record.trials].count(Status.COMPLETED) == 5
    assert not any(trial.paused for trial in record.trials)


def test_the_best_of_a_trial_that_went_on_may_be_of_the_rung_below(searches: dict[str, Search]) -> None:
    epochs = read_epochs(searches["hyperband"].logdir)
    for session in Record.read(searches["hyperband"].logdir).sessions:
        best = max(metrics["val_accuracy"] for metrics in epochs[session.name].values())
        assert session.outcome.metrics.get("best_accuracy") in {None if session.outcome.kind else best}


def test_a_writer_that_is_named_has_a_run_for_each_trial(searches: dict[str, Search]) -> None:
    pytest.importorskip("wandb")
    from writers.wandb_files import summaries, to_be_synced

    logdir = searches["random"].logdir
    record, runs = Record.read(logdir), summaries(logdir)
    assert [(run["name"], run["state"]) for run in runs][-1] == ("run-0004", "finished")
    values = [{**trial.trial.values, "recipe": record.recipe} for trial in record.trials]
    assert [run["config"] for run in runs if run["state"] == "finished"] == values
    assert len(to_be_synced(logdir)) == 4

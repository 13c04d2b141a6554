"""What users get wrong with the tuner is told in a line, and what was finished is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

keras_tuner = pytest.importorskip("keras_tuner")

import keras  # noqa: E402

from gridsearch.config import SweepConfig  # noqa: E402
from gridsearch.errors import HomeError, StrategyError, UserError  # noqa: E402
from gridsearch.kerastuner import Tuner  # noqa: E402
from gridsearch.record import Record, read_epochs  # noqa: E402
from gridsearch.trials import FailureKind, Status  # noqa: E402


class Told(Tuner):
    """A tuner that trains nothing: its trials come to what they are told to."""

    scores = (0.5, 0.75, 0.25)

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        score = self.scores[int(trial.trial_id) % len(self.scores)]
        history = keras.callbacks.History()
        history.history = {"accuracy": [0.1, 0.9], "val_accuracy": [0.1, score], "val_loss": [1.0, 0.5]}
        return history


def searching(home: Path, objective: str = "val_accuracy", most: int | None = 3) -> Told:
    hp = keras_tuner.HyperParameters()
    hp.Choice("units", [1, 2, 3, 4])
    objective = keras_tuner.Objective(objective, "max")
    oracle = keras_tuner.oracles.GridSearchOracle(objective=objective, max_trials=most, hyperparameters=hp)
    tuner = Told(oracle=oracle, logdir=home)
    tuner.oracle.verbose = 0
    return tuner


def test_a_history_that_is_returned_is_the_record_of_its_epochs(home: Path) -> None:
    searching(home).search(verbose=0)
    record = Record.read(home)
    assert [trial.mean("accuracy") for trial in record.trials] == [0.5, 0.75, 0.25]
    assert [trial.trial.values for trial in record.trials] == [{"units": n} for n in (1, 2, 3)]
    assert len(read_epochs(home)["run-0002"]) == 2
    searching(home, most=4).search(verbose=0)
    assert len(Record.read(home).sessions) == 4, "one more trial is one more trial"
    with pytest.raises(HomeError, match=r"search\.epochs: recorded None, now 7"):
        searching(home).search(verbose=0, epochs=7)


def test_an_objective_that_is_not_among_the_logs_is_told_with_those_that_are(home: Path) -> None:
    with pytest.raises(UserError, match=r"'val_acc' is not among .* reports: accuracy, val_accuracy, val_loss"):
        searching(home, "val_acc").search(verbose=0)
    assert [trial.status for trial in Record.read(home).trials] == [Status.FAILED]


def test_an_objective_that_is_not_a_number_is_a_trial_that_diverged(home: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Told, "scores", (0.5, float("nan"), 0.25))
    searching(home).search(verbose=0)
    record = Record.read(home)
    assert [trial.status for trial in record.trials] == [Status.COMPLETED, Status.FAILED, Status.COMPLETED]
    assert record.sessions[1].outcome.kind is FailureKind.DIVERGED


def test_an_oracle_that_raises_loses_nothing(home: Path) -> None:
    tuner = searching(home)
    populate, asked = tuner.oracle.populate_space, []

    def raising(trial_id: str) -> Any:
        asked.append(trial_id)
        if len(asked) == 3:
            raise ZeroDivisionError("no more ideas")
        return populate(trial_id)

    tuner.oracle.populate_space = raising
    with pytest.raises(StrategyError, match=r"has every trial: ZeroDivisionError: no more ideas"):
        tuner.search(verbose=0)
    assert Record.read(home).count(Status.COMPLETED) == 2
    searching(home).search(verbose=0)
    assert len(Record.read(home).sessions) == 3


def test_a_tuner_without_hyperparameters_says_what_it_needs(home: Path) -> None:
    tuner = Told(oracle=keras_tuner.oracles.RandomSearchOracle(objective="val_accuracy", max_trials=2), logdir=home)
    with pytest.raises(UserError, match=r"no hyperparameter has been declared"):
        tuner.search()


@pytest.mark.parametrize("epochs", [5, 100])
def test_how_many_trials_there_will_be_is_known_where_the_oracle_knows(home: Path, epochs: int) -> None:
    def most(tuner: Tuner) -> int | None:
        return SweepConfig.validate_tables(tuner._tables(), where="Tuner", folder=home).most_trials

    assert most(searching(home, most=None)) == 4
    oracle = keras_tuner.oracles.HyperbandOracle(
        objective="val_accuracy", max_epochs=epochs, factor=4, hyperband_iterations=2
    )
    oracle.hyperparameters.Float("x", 0.0, 1.0)
    first = sum(oracle._get_size(bracket, 0) for bracket in range(oracle._get_num_brackets()))
    assert most(Told(oracle=oracle, logdir=home)) == 2 * first
    unlimited = keras_tuner.oracles.RandomSearchOracle(objective="val_accuracy", max_trials=None)
    unlimited.hyperparameters.Float("x", 0.0, 1.0)
    assert most(Told(oracle=unlimited, logdir=home)) == 1, "those that are known"

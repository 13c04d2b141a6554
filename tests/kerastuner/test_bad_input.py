"""What users get wrong with the tuner is told in a line, and what was finished is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

keras_tuner = pytest.importorskip("keras_tuner")

import keras  # noqa: E402
import numpy as np  # noqa: E402

from gridsearch.config.sweep_config import SweepConfig  # noqa: E402
from gridsearch.errors import LogdirError, StrategyError, UserError  # noqa: E402
from gridsearch.kerastuner import Tuner  # noqa: E402
from gridsearch.kerastuner.recording import Recording  # noqa: E402
from gridsearch.kerastuner.tuner import digest  # noqa: E402
from gridsearch.record.reader import Record, read_epochs  # noqa: E402
from gridsearch.runner.plan import load_config, make_plan  # noqa: E402
from gridsearch.trials import Epoch, FailureKind, Outcome, SessionRecord, Status  # noqa: E402
from gridsearch.writers.tensorboard.check import check  # noqa: E402


class Told(Tuner):
    """A tuner that trains nothing: its trials come to what they are told to."""

    scores = (0.5, 0.75, 0.25)
    accuracies = (0.9, 0.9, 0.9)

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        number = int(trial.trial_id) % len(self.scores)
        score = self.scores[number]
        history = keras.callbacks.History()
        accuracy = {"accuracy": [0.1, self.accuracies[number]], "val_accuracy": [0.1, score]}
        history.history = {**accuracy, "val_loss": [1.0, 0.5]}
        return history


def searching(logdir: Path, objective: str = "val_accuracy", most: int | None = 3, **kwargs: Any) -> Told:
    hp = keras_tuner.HyperParameters()
    hp.Choice("units", [1, 2, 3, 4])
    objective = keras_tuner.Objective(objective, "max")
    oracle = keras_tuner.oracles.GridSearchOracle(objective=objective, max_trials=most, hyperparameters=hp)
    tuner = Told(oracle=oracle, logdir=logdir, **kwargs)
    tuner.oracle.verbose = 0
    return tuner


def test_a_history_that_is_returned_is_the_record_of_its_epochs(logdir: Path) -> None:
    searching(logdir).search(verbose=0)
    record = Record.read(logdir)
    assert [trial.mean("accuracy") for trial in record.trials] == [0.5, 0.75, 0.25]
    assert [trial.trial.values for trial in record.trials] == [{"units": n} for n in (1, 2, 3)]
    assert len(read_epochs(logdir)["run-0002"]) == 2
    searching(logdir, most=4).search(verbose=0)
    assert len(Record.read(logdir).sessions) == 4, "one more trial is one more trial"
    with pytest.raises(LogdirError, match=r"search\.epochs: recorded None, now 7"):
        searching(logdir).search(verbose=0, epochs=7)


def test_an_objective_that_is_not_among_the_logs_is_told_with_those_that_are(logdir: Path) -> None:
    with pytest.raises(UserError, match=r"'val_acc' is not among .* reports: accuracy, val_accuracy, val_loss"):
        searching(logdir, "val_acc").search(verbose=0)
    assert [trial.status for trial in Record.read(logdir).trials] == [Status.FAILED]


def test_an_objective_that_is_not_a_number_is_a_trial_that_diverged(logdir: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Told, "scores", (0.5, float("nan"), 0.25))
    searching(logdir).search(verbose=0)
    record = Record.read(logdir)
    assert [trial.status for trial in record.trials] == [Status.COMPLETED, Status.FAILED, Status.COMPLETED]
    assert record.sessions[1].outcome.kind is FailureKind.DIVERGED


def test_an_oracle_that_raises_loses_nothing(logdir: Path) -> None:
    tuner = searching(logdir)
    populate, asked = tuner.oracle.populate_space, []

    def raising(trial_id: str) -> Any:
        asked.append(trial_id)
        if len(asked) == 3:
            raise ZeroDivisionError("no more ideas")
        return populate(trial_id)

    tuner.oracle.populate_space = raising
    with pytest.raises(StrategyError, match=r"has every trial: ZeroDivisionError: no more ideas"):
        tuner.search(verbose=0)
    assert Record.read(logdir).count(Status.COMPLETED) == 2
    searching(logdir).search(verbose=0)
    assert len(Record.read(logdir).sessions) == 3


def test_a_tuner_without_hyperparameters_says_what_it_needs(logdir: Path) -> None:
    tuner = Told(oracle=keras_tuner.oracles.RandomSearchOracle(objective="val_accuracy", max_trials=2), logdir=logdir)
    with pytest.raises(UserError, match=r"no hyperparameter has been declared"):
        tuner.search()


@pytest.mark.parametrize("epochs", [5, 100])
def test_how_many_trials_there_will_be_is_known_where_the_oracle_knows(logdir: Path, epochs: int) -> None:
    def most(tuner: Tuner) -> int | None:
        return SweepConfig.validate_tables(tuner.sweep_tables(), where="Tuner", folder=logdir).most_trials

    assert most(searching(logdir, most=None)) == 4
    oracle = keras_tuner.oracles.HyperbandOracle(
        objective="val_accuracy", max_epochs=epochs, factor=4, hyperband_iterations=2
    )
    oracle.hyperparameters.Float("x", 0.0, 1.0)
    first = sum(oracle._get_size(bracket, 0) for bracket in range(oracle._get_num_brackets()))
    assert most(Told(oracle=oracle, logdir=logdir)) == 2 * first
    unlimited = keras_tuner.oracles.RandomSearchOracle(objective="val_accuracy", max_trials=None)
    unlimited.hyperparameters.Float("x", 0.0, 1.0)
    assert most(Told(oracle=unlimited, logdir=logdir)) == 1, "those that are known"


class Failing:
    """A writer whose server is gone."""

    def begin(self, session: SessionRecord) -> None:
        """It comes to that later."""

    def epoch(self, epoch: Epoch) -> None:
        raise ConnectionError("server gone")

    def end(self, session: SessionRecord) -> None:
        raise ConnectionError("server gone")


class Noting(Failing):
    """A writer that notes which sessions have ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def epoch(self, epoch: Epoch) -> None:
        pass

    def end(self, session: SessionRecord) -> None:
        self.ended.append(session.name)


def test_a_writer_that_fails_costs_no_trial_and_the_next_search_tells_what_it_missed(logdir: Path) -> None:
    for _ in range(2):
        with pytest.warns(
            UserWarning, match="Failing is switched off, the record goes on without it: ConnectionError: server gone"
        ):
            searching(logdir, writers=[Failing()]).search(verbose=0)
    record = Record.read(logdir)
    assert [trial.status for trial in record.trials] == [Status.COMPLETED] * 3
    noting = Noting()
    searching(logdir, writers=[noting]).search(verbose=0)
    assert noting.ended == [session.name for session in record.sessions]
    assert check(logdir).ok


def test_steps_are_the_values_of_their_list(logdir: Path) -> None:
    """KerasTuner's third step of 0.1 is 0.30000000000000004."""
    hp = keras_tuner.HyperParameters()
    hp.Float("rate", 0.0, 0.5, step=0.1)
    oracle = keras_tuner.oracles.GridSearchOracle(objective="val_accuracy", max_trials=None, hyperparameters=hp)
    oracle.verbose = 0
    Told(oracle=oracle, logdir=logdir).search(verbose=0)
    record = Record.read(logdir)
    assert [trial.trial.values["rate"] for trial in record.trials] == [0.0, 0.1, 0.2, 0.3, 0.4]
    plan = make_plan(load_config(record), record)
    assert (plan.combinations, plan.new, plan.outside) == (5, 0, 0)
    verdict = check(logdir)
    assert verdict.ok, verdict.differences


def test_an_objective_of_the_trainings_is_the_trainings(logdir: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Told, "accuracies", (0.25, 0.5, 0.75))
    tuner = searching(logdir, "accuracy")
    tuner.search(verbose=0)
    record = Record.read(logdir)
    assert record.ranked()[0].trial.values == tuner.get_best_hyperparameters()[0].values == {"units": 3}
    assert [trial.mean("accuracy") for trial in record.trials] == [0.25, 0.5, 0.75]
    assert set(read_epochs(logdir)["run-0001"][1]) == {"accuracy", "val_accuracy", "val_loss"}


def test_an_execution_that_was_cut_off_is_tried_again_and_the_next_is_another(logdir: Path) -> None:
    config = SweepConfig.validate_tables(searching(logdir).sweep_tables(), where="Tuner", folder=logdir)

    def execute(*scores: float, cut_off: bool) -> None:
        recording = Recording(config, {})
        recording.begin({"units": 1})
        for number, score in enumerate(scores):
            recording.begin_next_execution()
            recording.epoch(0, {"val_accuracy": score})
            assert recording.reported, number
        if not cut_off:
            recording.end(Outcome(Status.COMPLETED, metrics=recording.summary({})))
        recording.close()

    execute(0.5, 0.6, cut_off=True)
    execute(0.7, 0.8, cut_off=False)
    (trial,) = Record.read(logdir).trials
    assert [session.name for session in trial.sessions] == ["run-0001", "run-0001-r1", "run-0001-r1-a2", "run-0001-r2"]
    assert trial.status is Status.COMPLETED
    assert trial.values_of("accuracy") == [0.5, 0.7, 0.8]


def test_arrays_of_objects_are_told_by_what_they_hold() -> None:
    one, other = (np.array([" ".join(["a", "b"]), 3, None], dtype=object) for _ in range(2))
    assert digest(one) == digest(other)
    assert digest(one) != digest(one[::-1])

"""The record says what was trained, scores it as KerasTuner does, and answers in the next script."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

keras_tuner = pytest.importorskip("keras_tuner")

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras_tuner import oracles  # noqa: E402

from gridsearch.errors import LogdirError, NothingRecorded, UserError  # noqa: E402
from gridsearch.kerastuner import Tuner  # noqa: E402
from gridsearch.record.reader import Record  # noqa: E402
from gridsearch.runner.rerun import rerun  # noqa: E402
from gridsearch.trials import Status  # noqa: E402
from gridsearch.writers.tensorboard.check import check  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # h5py's, of NumPy


class Killed(BaseException):
    """What no ``except Exception`` survives."""


class Asking(Tuner):
    """Trains nothing: asks for ``x``, and for ``bonus`` where x is above 0."""

    trained: ClassVar[list[dict[str, Any]]] = []
    die_at = -1

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        hp = trial.hyperparameters
        x = hp.Choice("x", [-1, 0, 1])
        score = float(x * x + (hp.Choice("bonus", [0.5, 2.0]) if x > 0 else 0))
        if len(self.trained) == self.die_at:
            raise Killed
        self.trained.append(dict(hp.values))
        return score


def asking(logdir: Path, oracle: Any = None, kind: type[Asking] = Asking, **kwargs: Any) -> Asking:
    kind.trained, kind.die_at = [], kwargs.pop("die_at", -1)
    return kind(oracle=oracle or oracles.GridSearchOracle(), logdir=logdir, **kwargs)


def values(logdir: Path) -> list[dict[str, Any]]:
    return [dict(trial.trial.values) for trial in Record.read(logdir).trials]


def agrees(logdir: Path) -> None:
    verdict = check(logdir)
    assert verdict.ok, verdict.differences


# What was trained.


def test_what_a_trial_asks_for_is_recorded_as_it_stood_when_training_ended(logdir: Path) -> None:
    asking(logdir).search(verbose=0)
    assert values(logdir) == Asking.trained
    assert {"x": 1, "bonus": 2.0} in values(logdir)
    assert [hparam.name for hparam in Record.read(logdir).hparams] == ["x", "bonus"]
    agrees(logdir)


class Reporting(Asking):
    """Reports an epoch before it may be killed, when all is asked for."""

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        hp = trial.hyperparameters
        x = hp.Choice("x", [-1, 0, 1])
        score = float(x * x + (hp.Choice("bonus", [0.5, 2.0]) if x > 0 else 0))
        self.on_epoch_end(trial, None, 0, {"default_objective": score})
        return super().run_trial(trial, *args, **kwargs)


@pytest.mark.parametrize("die_at", range(4))
@pytest.mark.parametrize("kind", [Asking, Reporting])
def test_a_grid_that_grows_trains_exactly_the_rest_after_a_kill(
    logdir: Path, tmp_path: Path, die_at: int, kind: type[Asking]
) -> None:
    asking(tmp_path / "whole", kind=kind).search(verbose=0)
    whole = list(kind.trained)
    with pytest.raises(Killed):
        asking(logdir, kind=kind, die_at=die_at).search(verbose=0)
    before = list(kind.trained)
    asking(logdir, kind=kind).search(verbose=0)
    assert before + kind.trained == whole
    first, resumed = (Record.read(folder) for folder in (tmp_path / "whole", logdir))
    assert [t.trial.values for t in resumed.ranked()] == [t.trial.values for t in first.ranked()]
    assert len(resumed.trials) == len(first.trials)
    agrees(logdir)


class Net(keras_tuner.HyperModel):
    """Asks for its batches when it is trained."""

    def build(self, hp: Any) -> keras.Model:
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(hp.Choice("width", [2, 4]))])
        model.compile("sgd", "mse", run_eagerly=True)
        return model

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, batch_size=hp.Choice("batch", [2, 4]), **kwargs)


X, Y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")


def test_what_fit_asks_for_is_recorded_with_its_curves(logdir: Path) -> None:
    oracle = oracles.RandomSearchOracle(objective=keras_tuner.Objective("loss", "min"), max_trials=2, seed=1)
    Tuner(oracle=oracle, hypermodel=Net(), logdir=logdir).search(X, Y, epochs=2, verbose=0)
    assert [set(found) for found in values(logdir)] == [{"width", "batch"}] * 2
    agrees(logdir)


def test_an_oracle_that_does_not_tune_new_entries_still_has_them_recorded(logdir: Path) -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("x", [-1, 0, 1])
    asking(logdir, oracles.GridSearchOracle(hyperparameters=hp, tune_new_entries=False)).search(verbose=0)
    assert values(logdir) == [{"x": -1}, {"x": 0}, {"x": 1, "bonus": 0.5}]
    agrees(logdir)


# The result.


def history(**columns: list[float]) -> keras.callbacks.History:
    made = keras.callbacks.History()
    made.history = columns
    return made


RESULTS: dict[str, tuple[Any, list[float]]] = {
    "number": (lambda x: float(x), [3.0]),
    "dictionary": (lambda x: {"cost": x, "other": 7.0}, [3.0]),
    "list of numbers": (lambda x: [x, x + 1.0], [3.0, 4.0]),
    "list of dictionaries": (lambda x: [{"cost": x}, {"cost": x + 3}], [3.0, 6.0]),
    "history": (lambda x: history(cost=[x + 2.0, x, x + 4.0]), [3.0]),
    "list of histories": (lambda x: [history(cost=[x, x + 9.0]), history(cost=[x + 5.0, x + 1.0])], [3.0, 4.0]),
}


@pytest.mark.parametrize("kind", RESULTS)
@pytest.mark.parametrize("where", ["run_trial", "fit"])
def test_a_result_is_scored_as_kerastuner_scores_it(logdir: Path, tmp_path: Path, kind: str, where: str) -> None:
    make, best = RESULTS[kind]

    class Model(keras_tuner.HyperModel):
        def build(self, hp: Any) -> keras.Model:
            hp.Choice("x", [8, 3, 5])
            return keras.Sequential([keras.layers.Input((1,))])

        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            return make(hp.get("x"))

    def search(base: type, **kwargs: Any) -> Any:
        class Searching(base):  # type: ignore[misc]  # KerasTuner's, or the one here
            def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
                if where == "fit":
                    return super().run_trial(trial, *args, **kwargs)
                return make(trial.hyperparameters.Choice("x", [8, 3, 5]))

        oracle = oracles.GridSearchOracle(objective=keras_tuner.Objective("cost", "min"))
        tuner = Searching(oracle=oracle, hypermodel=Model() if where == "fit" else None, **kwargs)
        tuner.search(verbose=0)
        return tuner

    theirs = search(keras_tuner.Tuner, directory=tmp_path, project_name="theirs")
    ours = search(Tuner, logdir=logdir)
    assert [t.score for t in ours.oracle.trials.values()] == [t.score for t in theirs.oracle.trials.values()]
    record = Record.read(logdir)
    assert record.ranked()[0].trial.values == theirs.get_best_hyperparameters()[0].values == {"x": 3}
    winner = next(trial for trial in record.trials if trial.trial.values == {"x": 3})
    assert winner.values_of("best_cost") == best
    assert winner.mean(record.objective.ranking) == theirs.oracle.get_best_trials()[0].score
    agrees(logdir)


def test_the_best_epoch_ranks_as_kerastuner_has_it(logdir: Path, tmp_path: Path) -> None:
    """The last epoch would choose the other one."""

    class Peaks(Tuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            early = trial.hyperparameters.Boolean("early")
            return history(val_accuracy=[0.9, 0.5] if early else [0.6, 0.7])

    tuner = Peaks(oracle=oracles.GridSearchOracle(objective="val_accuracy"), logdir=logdir)
    tuner.search(verbose=0)
    assert tuner.get_best_hyperparameters()[0].values == {"early": True}
    assert Record.read(logdir).ranked()[0].trial.values == {"early": True}


# The next script.


class Mendable(Asking):
    broken = False

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        if self.broken:
            raise ValueError("a mistake in the model")
        return super().run_trial(trial, *args, **kwargs)


def test_three_failures_in_a_row_and_mended_the_search_goes_on(logdir: Path, monkeypatch: Any) -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("x", [-1, 0, 1])
    hp.Choice("bonus", [0.5, 2.0])
    monkeypatch.setattr(Mendable, "broken", True)
    with pytest.raises(RuntimeError, match="consecutive failures exceeded the limit of 3"):
        asking(logdir, oracles.GridSearchOracle(hyperparameters=hp), Mendable).search(verbose=0)
    monkeypatch.setattr(Mendable, "broken", False)
    asking(logdir, oracles.GridSearchOracle(hyperparameters=hp), Mendable).search(verbose=0)
    statuses = [trial.status for trial in Record.read(logdir).trials]
    assert statuses == [Status.FAILED] * 3 + [Status.COMPLETED] * 3


class Once(Asking):
    """Fails until it has failed ``failures`` times in a row of trainings."""

    failures = 1

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        x = trial.hyperparameters.get("x")
        self.trained.append({"x": x})
        if len(self.trained) == self.die_at:
            raise Killed
        if len(self.trained) <= self.failures:
            raise ValueError("not yet")
        return float(x)


def test_a_trial_that_may_be_retried_is_retried_after_a_kill_too(logdir: Path, monkeypatch: Any) -> None:
    def oracle() -> Any:
        hp = keras_tuner.HyperParameters()
        hp.Choice("x", [-1, 0, 1])
        return oracles.GridSearchOracle(hyperparameters=hp, max_retries_per_trial=2)

    with pytest.raises(Killed):
        asking(logdir, oracle(), Once, die_at=2).search(verbose=0)
    monkeypatch.setattr(Once, "failures", 0)
    asking(logdir, oracle(), Once).search(verbose=0)
    assert Once.trained == [{"x": -1}, {"x": 0}, {"x": 1}]
    first = Record.read(logdir).trials[0]
    assert [s.status for s in first.sessions] == [Status.FAILED, Status.FAILED, Status.COMPLETED]


def test_a_trial_that_was_killed_while_it_was_retried_is_retried(logdir: Path, monkeypatch: Any) -> None:
    """The failure before it is heard of once, though the record is read at the start and again by the search."""

    def oracle() -> Any:
        hp = keras_tuner.HyperParameters()
        hp.Choice("x", [-1, 0, 1])
        return oracles.GridSearchOracle(hyperparameters=hp, max_retries_per_trial=1)

    with pytest.raises(Killed):
        asking(logdir, oracle(), Once, die_at=2).search(verbose=0)
    monkeypatch.setattr(Once, "failures", 0)
    asking(logdir, oracle(), Once).search(verbose=0)
    assert Once.trained == [{"x": -1}, {"x": 0}, {"x": 1}]
    assert [trial.status for trial in Record.read(logdir).trials] == [Status.COMPLETED] * 3


def test_another_script_answers_from_the_record(logdir: Path, capsys: Any) -> None:
    oracle = oracles.RandomSearchOracle(objective=keras_tuner.Objective("loss", "min"), max_trials=2, seed=1)
    tuner = Tuner(oracle=oracle, hypermodel=Net(), logdir=logdir)
    tuner.search(X, Y, epochs=1, verbose=0)
    best, weights = tuner.get_best_hyperparameters()[0].values, tuner.get_best_models()[0].get_weights()

    other = oracles.RandomSearchOracle(objective=keras_tuner.Objective("loss", "min"), max_trials=2, seed=5)
    later = Tuner(oracle=other, hypermodel=Net(), logdir=logdir)
    later.reload()
    assert later.remaining_trials == 0
    assert later.get_best_hyperparameters()[0].values == best
    assert all(map(np.array_equal, later.get_best_models()[0].get_weights(), weights))
    capsys.readouterr()
    later.results_summary()
    said = capsys.readouterr().out
    assert said.count("Score:") == 2
    assert "batch:" in said


def test_reload_without_a_record_says_so(logdir: Path) -> None:
    with pytest.raises(NothingRecorded):
        asking(logdir).reload()


def test_another_oracle_is_refused_as_kerastuner_refuses_it(logdir: Path) -> None:
    asking(logdir).search(verbose=0)
    for kind in (UserError, RuntimeError):
        with pytest.raises(kind, match=r"GridSearchOracle, not with a RandomSearchOracle\n.*`overwrite=True`"):
            asking(logdir, oracles.RandomSearchOracle(max_trials=2))
    asking(logdir, oracles.RandomSearchOracle(max_trials=2), overwrite=True).search(verbose=0)
    assert len(values(logdir)) == 2


def test_a_callback_of_tensorboards_adds_no_rows_and_no_curves(logdir: Path) -> None:
    oracle = oracles.RandomSearchOracle(objective=keras_tuner.Objective("loss", "min"), max_trials=2, seed=1)
    tuner = Tuner(oracle=oracle, hypermodel=Net(), logdir=logdir)
    tuner.search(X, Y, epochs=1, verbose=0, callbacks=[keras.callbacks.TensorBoard(logdir)])
    agrees(logdir)
    assert sorted(path.name for path in logdir.iterdir() if path.is_dir()) == ["keras_tuner", "run-0001", "run-0002"]
    assert list(logdir.parent.glob("*-callbacks/*/execution0")), "its graph and histograms lie beside"


def test_a_data_set_of_another_length_or_shape_is_refused(logdir: Path) -> None:
    tf = pytest.importorskip("tensorflow")

    def search(x: Any, y: Any, batch: int = 4) -> None:
        oracle = oracles.RandomSearchOracle(objective=keras_tuner.Objective("loss", "min"), max_trials=1, seed=1)
        rows = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch)
        Tuner(oracle=oracle, hypermodel=Ready(), logdir=logdir).search(rows, verbose=0)

    class Ready(Net):
        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            return 1.0 if hp.Boolean("b") else {"loss": 2.0}

    search(X, Y)
    search(X, Y)
    for other in ((X[:4], Y[:4]), (X[:, :1], Y)):
        with pytest.raises(LogdirError, match=r"search\.0: recorded '_BatchDataset of 2 .* now '_BatchDataset of"):
            search(*other)


def test_a_chief_and_workers_are_said_to_be_unsupported(logdir: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    with pytest.raises(UserError, match="KERASTUNER_TUNER_ID: KerasTuner's chief and workers are not supported"):
        asking(logdir)


def test_rerun_of_a_scripts_trial_names_the_script(logdir: Path) -> None:
    asking(logdir).search(verbose=0)
    with pytest.raises(UserError, match=r"trained by a script.*\n  Run that script"):
        rerun(logdir, "run-0001")


def test_kerastuners_own_errors_are_raised_too(logdir: Path) -> None:
    class Nothing(Asking):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            trial.hyperparameters.Choice("x", [1, 2])

    for kind in (UserError, TypeError, keras_tuner.errors.FatalTypeError):
        with pytest.raises(kind, match="Did you forget to return the metrics"):
            asking(logdir, kind=Nothing).search(verbose=0)


# Side by side.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each search is a fork")
def test_scripts_come_to_what_kerastuner_comes_to(tmp_path: Path) -> None:
    """All thirteen, trained and killed: ``python tests/kerastuner/side_by_side.py FOLDER --killed``."""
    script = Path(__file__).with_name("side_by_side.py")
    names = ["conditional", "dictionaries", "failures", "black box", "histories"]
    command = [sys.executable, str(script), str(tmp_path), "--killed", "--only", *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout.count(" equal") == len(names)

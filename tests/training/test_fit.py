"""Trials on real (small) pictures, trained in worker processes as users' are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sweeps import TESTS

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.record.reader import Record, read_epochs
from gridsearch.runner.sweep import sweep
from gridsearch.trials import FailureKind, Status

pytestmark = pytest.mark.slow

RATES = {"width": {"discrete": [16]}, "learning_rate": {"discrete": [0.03, 0.01]}}


def trained(data: Path, logdir: Path, hparams: dict[str, Any], build: str = "tiny", **tables: Any) -> Record:
    all_tables = {
        "hparams": hparams,
        "data": {
            "train": str(data / "train"),
            "validation": str(data / "validation"),
            "image_size": 8,
            "batch_size": 5,
        },
        "augmentation": {"rescale": "1/255", "rotation_range": 20},
        "training": {"epochs": 2, **tables.pop("training", {})},
        "sweep": {"logdir": str(logdir), "workers": 1, **tables.pop("sweep", {})},
        "model": {"build": f"networks:{build}" if ":" not in build else build},
    }
    return sweep(SweepConfig.validate_tables(all_tables | tables, where="test", folder=TESTS)).record


def test_a_trial_learns_and_its_record_is_what_its_epochs_say(pictures: Path, logdir: Path) -> None:
    record = trained(pictures, logdir, RATES, training={"epochs": 12})
    assert [trial.status for trial in record.trials] == [Status.COMPLETED] * 2
    assert record.ranked()[0].mean("best_accuracy") == 1.0, "red and blue can be told apart"
    for session in record.sessions:
        epochs = read_epochs(logdir)[session.name]
        assert len(epochs) == 12
        assert set(epochs[0]) == {"accuracy", "loss", "val_accuracy", "val_loss", "learning_rate"}
        metrics = session.outcome.metrics
        assert metrics["accuracy"] == epochs[11]["val_accuracy"]
        assert metrics["loss"] == epochs[11]["val_loss"]
        assert metrics["best_accuracy"] == max(metrics["val_accuracy"] for metrics in epochs.values())
        assert session.outcome.provenance["tensorflow"]


def test_the_same_seed_gives_the_same_numbers_and_repeats_others(pictures: Path, tmp_path: Path) -> None:
    records = [
        trained(pictures, tmp_path / f"logs{n}", {"width": {"discrete": [3]}}, training={"repeats": 2}) for n in (1, 2)
    ]
    losses = [[session.outcome.metrics["loss"] for session in record.sessions] for record in records]
    assert losses[0] == losses[1]
    assert losses[0][0] != losses[0][1]


def test_an_hparam_named_like_a_setting_sweeps_it(pictures: Path, logdir: Path) -> None:
    hparams = {"epochs": {"discrete": [1, 3]}, "batch_size": {"discrete": [5, 15]}, "image_size": {"discrete": [6]}}
    record = trained(pictures, logdir, hparams, sweep={"workers": 2})
    assert {trial.status for trial in record.trials} == {Status.COMPLETED}
    assert [len(read_epochs(logdir)[session.name]) for session in record.sessions] == [1, 1, 3, 3]


def test_an_hparam_without_effect_is_not_swept_in_silence(pictures: Path, logdir: Path) -> None:
    record = trained(pictures, logdir, {"width": {"discrete": [3]}}, build="deaf")
    (session,) = record.sessions
    assert session.outcome.kind is FailureKind.EXCEPTION
    assert "HParam 'width' has no effect" in session.outcome.message


def test_a_build_function_that_cannot_be_used_is_told(pictures: Path, logdir: Path) -> None:
    (session,) = trained(pictures, logdir, {"width": {"discrete": [3]}}, build="nothing").sessions
    assert "returned None, not a Keras model" in session.outcome.message


@pytest.mark.parametrize("build", ["inputless", "headed", "Own"])
def test_a_model_that_is_not_built_before_it_sees_pictures_is_trained(pictures: Path, logdir: Path, build: str) -> None:
    hparams = {"width": {"discrete": [16]}, "learning_rate": {"discrete": [0.05]}}
    (session,) = trained(pictures, logdir, hparams, build=build, training={"epochs": 8}).sessions
    assert session.status is Status.COMPLETED, session.outcome.message
    assert session.outcome.metrics["best_accuracy"] == 1.0


def test_classes_are_given_as_the_loss_takes_them(pictures: Path, logdir: Path) -> None:
    (session,) = trained(
        pictures, logdir, {"learning_rate": {"discrete": [0.05]}}, build="numbered", training={"epochs": 8}
    ).sessions
    assert session.status is Status.COMPLETED, session.outcome.message
    assert session.outcome.metrics["best_accuracy"] == 1.0


def test_a_metric_of_several_numbers_is_several_metrics(pictures: Path, logdir: Path) -> None:
    (session,) = trained(pictures, logdir, {"width": {"discrete": [8]}}, build="scored").sessions
    assert session.status is Status.COMPLETED, session.outcome.message
    assert {"f1_score_0", "f1_score_1", "val_f1_score_0", "val_f1_score_1"} < set(read_epochs(logdir)["run-0001"][1])


def test_several_optimizers_in_one_train(pictures: Path, logdir: Path) -> None:
    (session,) = trained(pictures, logdir, {"width": {"discrete": [8]}}, build="divided").sessions
    assert session.status is Status.COMPLETED, session.outcome.message
    assert "learning_rate" not in read_epochs(logdir)["run-0001"][0]


def test_an_average_of_weights_takes_their_place_at_the_end(pictures: Path, tmp_path: Path) -> None:
    from gridsearch.training.models import load_model

    def weights(epochs: int) -> list[np.ndarray]:
        training = {"epochs": epochs, "steps_per_epoch": 1, "keep_models": 1}
        trained(pictures, tmp_path / str(epochs), {"width": {"discrete": [8]}}, build="averaged", training=training)
        return list(load_model(tmp_path / str(epochs) / "models" / "run-0001.keras").get_weights())

    assert all(np.array_equal(one, other) for one, other in zip(weights(1), weights(4), strict=True))


@pytest.mark.parametrize(("epochs", "status"), [(1, Status.COMPLETED), (2, Status.STOPPED)])
def test_what_is_trained_to_its_end_is_not_stopped_there(
    pictures: Path, logdir: Path, epochs: int, status: Status
) -> None:
    pytest.importorskip("optuna")
    pruner = {"pruner": "optuna:ThresholdPruner", "pruner_options": {"lower": 2.0}}
    record = trained(pictures, logdir, {"width": {"discrete": [8]}}, training={"epochs": epochs}, sweep=pruner)
    assert [trial.status for trial in record.trials] == [status]
    assert len(read_epochs(logdir)["run-0001"]) == 1


def test_a_loss_that_is_not_a_number_ends_the_trial_as_diverged(pictures: Path, logdir: Path) -> None:
    (session,) = trained(pictures, logdir, {"width": {"discrete": [3]}}, build="exploding").sessions
    assert session.outcome.kind is FailureKind.DIVERGED
    assert len(read_epochs(logdir)["run-0001"]) == 1


def test_a_metric_that_training_does_not_report_is_known_after_the_first_epoch(pictures: Path, logdir: Path) -> None:
    hparams = {"width": {"discrete": [3]}}
    (session,) = trained(pictures, logdir, hparams, training={"epochs": 3}, sweep={"metric": "auc"}).sessions
    assert session.outcome.kind is FailureKind.EXCEPTION
    hold = "which hold: accuracy, learning_rate, loss, val_accuracy, val_loss"
    assert session.outcome.message == f"the metric 'auc', which sweep.metric names, was not among the results, {hold}"
    assert list(read_epochs(logdir)["run-0001"]) == [0], "the other two epochs are not trained for nothing"
    assert "Traceback" not in (logdir / "run-0001" / "log.txt").read_text()


def test_only_the_best_models_stay_and_predict_what_was_measured(pictures: Path, logdir: Path) -> None:
    hparams = {"learning_rate": {"discrete": [0.00001, 0.05, 0.00002, 0.1]}}
    record = trained(pictures, logdir, hparams, training={"epochs": 4, "keep_models": 2})
    files = sorted(file.name for file in (logdir / "models").iterdir())
    assert files == sorted(f"{trial.trial.name}.keras" for trial in record.ranked()[:2])
    from gridsearch.training.images import Pipelines
    from gridsearch.training.models import load_model

    best = record.ranked()[0]
    file = logdir / "models" / f"{best.trial.name}.keras"
    model = load_model(file)
    assert file.stat().st_size < 8 * model.count_params() + 100_000, "weights, and not the optimizer's copies of them"
    assert model.optimizer.iterations == 0

    config = SweepConfig.validate_tables(record.tables, where="record", folder=TESTS)
    pipelines = Pipelines(config.settings_for(best.trial.values), 0)
    validation = list(pipelines.epochs(0, 1))[pipelines.steps :]
    right = [model.predict(x, verbose=0).argmax(axis=1) == y.argmax(axis=1) for x, y in validation]
    assert np.concatenate(right).mean() == pytest.approx(best.mean("accuracy"))


def test_full_detail_has_keras_own_curves_histograms_and_graph(pictures: Path, logdir: Path) -> None:
    record = trained(pictures, logdir, {"width": {"discrete": [3]}}, sweep={"detail": "full"})
    assert record.count(Status.COMPLETED) == 1
    assert list((logdir / "run-0001" / "train").glob("*.v2"))
    assert list((logdir / "run-0001" / "validation").glob("*.v2"))


def test_the_default_network_takes_its_four_hparams(pictures: Path, logdir: Path) -> None:
    hparams = {
        "num_units": {"discrete": [4]},
        "dropout": {"discrete": [0.1]},
        "optimizer": {"discrete": ["sgd", "rmsprop", "adam"]},
        "learning_rate": {"discrete": [0.01]},
    }
    record = trained(pictures, logdir, hparams, build="gridsearch.training.models:cats_vs_dogs", training={"epochs": 1})
    assert [trial.status for trial in record.trials] == [Status.COMPLETED] * 3
    assert sorted(record.trials[0].results[0].outcome.metrics) == [
        "accuracy",
        "best_accuracy",
        "best_epoch",
        "loss",
        "seconds",
    ]


def test_bfloat16_trains_too(pictures: Path, logdir: Path) -> None:
    record = trained(pictures, logdir, {"width": {"discrete": [3]}}, training={"precision": "mixed_bfloat16"})
    assert record.count(Status.COMPLETED) == 1


def test_a_model_that_cannot_be_saved_has_still_been_trained(pictures: Path, logdir: Path) -> None:
    (session,) = trained(pictures, logdir, {"width": {"discrete": [3]}}, build="unsaveable").sessions
    assert session.status is Status.COMPLETED
    assert "not saved" in session.outcome.provenance["model"]
    assert list((logdir / "models").iterdir()) == []


def test_a_swept_seed_makes_a_difference(pictures: Path, logdir: Path) -> None:
    record = trained(pictures, logdir, {"seed": {"discrete": [1, 2]}, "width": {"discrete": [3]}})
    assert len({session.outcome.metrics["loss"] for session in record.sessions}) == 2


def test_what_a_build_function_changes_in_keras_does_not_reach_the_next_trial(pictures: Path, tmp_path: Path) -> None:
    tables: dict[str, Any] = {"build": "meddling", "training": {"epochs": 3}}
    alone = trained(pictures, tmp_path / "alone", {"meddle": {"discrete": [0]}}, **tables)
    after = trained(pictures, tmp_path / "after", {"meddle": {"discrete": [1, 0]}}, **tables)
    before = trained(pictures, tmp_path / "before", {"meddle": {"discrete": [0, 1]}}, **tables)
    assert after.count(Status.COMPLETED) == before.count(Status.COMPLETED) == 2
    assert len({session.outcome.provenance["pid"] for session in after.sessions}) == 1
    losses = {
        name: [trial.mean("loss") for trial in record.trials]
        for name, record in (("alone", alone), ("after", after), ("before", before))
    }
    assert losses["after"][1] == losses["alone"][0]
    assert losses["before"] == losses["after"][::-1], "nor is a step lent that was traced under other settings"
    assert losses["after"][0] != losses["after"][1]
    logs = [(tmp_path / "after" / name / "log.txt").read_text() for name in ("run-0001", "run-0002")]
    assert "settings 1e-07 False warn" in logs[1]
    (line,) = re.findall("^gridsearch: put back what this trial changed: (.*)$", logs[0], re.M)
    assert {"keras epsilon", "tensorflow run_functions_eagerly", "numpy errors"} <= set(line.split(", "))

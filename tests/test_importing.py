"""What was trained elsewhere counts here: KerasTuner projects and Optuna studies become records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sweeps import configured

from gridsearch.check import check
from gridsearch.errors import UserError
from gridsearch.importing.kerastuner import read_project
from gridsearch.importing.records import import_into
from gridsearch.record import Record, read_epochs
from gridsearch.sweeping import preview, sweep
from gridsearch.trials import Status


def hyperparameter(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, "default": None, "conditions": [], **config}}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What KerasTuner 1.4.8 leaves behind: two trials completed, one failed, one cut off."""
    folder = tmp_path / "untitled_project"
    space = [
        hyperparameter("Float", "x", min_value=0.0, max_value=1.0, step=0.25, sampling="linear"),
        hyperparameter("Choice", "kind", values=["a", "b"], ordered=False),
    ]
    folder.mkdir()
    (folder / "oracle.json").write_text(json.dumps({"hyperparameters": {"space": space, "values": {}}}))
    ends = [("COMPLETED", 0.25, 0.6), ("COMPLETED", 0.5, 0.8), ("FAILED", 0.75, None), ("RUNNING", 1.0, None)]
    for number, (status, x, score) in enumerate(ends):
        observed = [{"value": [score], "step": 3}]
        trial = {
            "trial_id": str(number),
            "hyperparameters": {"space": space, "values": {"x": x, "kind": "a", "tuner/epochs": 5}},
            "metrics": {"metrics": {"val_accuracy": {"direction": "max", "observations": observed}} if score else {}},
            "score": score,
            "best_step": 3,
            "status": status,
            "message": "Traceback\nValueError: no" if status == "FAILED" else None,
        }
        (folder / f"trial_{number}").mkdir()
        (folder / f"trial_{number}" / "trial.json").write_text(json.dumps(trial))
    return folder


def test_a_project_of_kerastuners_becomes_a_record(project: Path, home: Path) -> None:
    imported = import_into(read_project(project, None), home, None)
    assert (imported.imported, imported.known, imported.outside) == (3, 0, 0)
    record = Record.read(home)
    assert [trial.status for trial in record.trials] == [Status.COMPLETED, Status.COMPLETED, Status.FAILED]
    assert record.ranked()[0].trial.values == {"x": 0.5, "kind": "a"}
    assert record.ranked()[0].mean("best_epoch") == 4
    assert record.sessions[2].outcome.message == "ValueError: no"
    verdict = check(home)
    assert verdict.ok, verdict.differences
    assert import_into(read_project(project, None), home, None).known == 3, "once is enough"


def test_imported_trials_count_for_the_sweep_that_they_are_imported_into(project: Path, home: Path) -> None:
    hparams = {"x": {"discrete": [0.25, 0.5, 1.0]}, "kind": {"discrete": ["a"]}}
    config = configured(home, hparams)
    imported = import_into(read_project(project, None), None, config)
    assert (imported.imported, imported.outside) == (3, 1)
    plan = preview(config).plan
    assert (plan.combinations, plan.completed, plan.new) == (3, 2, 1)
    record = sweep(config).record
    assert [trial.trial.values["x"] for trial in record.trials] == [0.25, 0.5, 0.75, 1.0]


def test_what_cannot_be_imported_is_told_by_file(project: Path) -> None:
    with pytest.raises(UserError, match=r"no trial reports 'val_acc'\n.*--metric: val_accuracy"):
        read_project(project, "val_acc")
    (project / "trial_1" / "trial.json").write_text('{"trial_id": ')
    with pytest.raises(UserError, match=r"trial_1/trial\.json: not valid JSON"):
        read_project(project, None)
    with pytest.raises(UserError, match=r"oracle\.json: there is no such file"):
        read_project(project / "trial_0", None)


def test_a_study_of_optunas_becomes_a_record(tmp_path: Path, home: Path) -> None:
    optuna = pytest.importorskip("optuna")
    from gridsearch.importing.optuna import read_study

    storage = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(storage=storage, study_name="mine", direction="maximize")

    def objective(trial: Any) -> float:
        rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
        if trial.suggest_categorical("kind", ["deep", "flat"]) == "deep":
            trial.suggest_int("layers", 1, 4)
        for step in range(3):
            trial.report(rate * step, step)
        if trial.number == 2:
            raise optuna.TrialPruned
        return float(rate * 3)

    study.optimize(objective, n_trials=6)
    imported = import_into(read_study(str(tmp_path / "study.db"), None, "accuracy"), home, None)
    assert imported.imported == 6
    record = Record.read(home)
    assert [trial.trial.values for trial in record.trials] == [trial.params for trial in study.trials]
    assert record.count(Status.STOPPED) == 1
    means = [t.mean("accuracy") for t in record.trials if t.status is Status.COMPLETED]
    assert means == pytest.approx([t.value for t in study.trials if t.value is not None and t.number != 2])
    assert len(read_epochs(home)["run-0001"]) == 3
    verdict = check(home)
    assert verdict.ok, verdict.differences
    optuna.create_study(storage=storage, study_name="yours")
    with pytest.raises(UserError, match=r"several studies\n.*mine, yours"):
        read_study(storage, None, None)

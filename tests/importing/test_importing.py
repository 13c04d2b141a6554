"""What was trained elsewhere counts here: KerasTuner projects and Optuna studies become records."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sweeps import configured

from gridsearch.errors import UserError
from gridsearch.hparams.domain import Discrete, HParam
from gridsearch.importing.kerastuner import read_project
from gridsearch.importing.records import ForeignSweep, ForeignTrial, import_into
from gridsearch.record.reader import Record, read_epochs
from gridsearch.runner.sweep import preview, sweep
from gridsearch.trials import Status
from gridsearch.writers.tensorboard.check import check


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


def test_a_project_of_kerastuners_becomes_a_record(project: Path, logdir: Path) -> None:
    imported = import_into(read_project(project, None), logdir, None)
    assert (imported.imported, imported.known, imported.outside) == (3, 0, 0)
    record = Record.read(logdir)
    assert [trial.status for trial in record.trials] == [Status.COMPLETED, Status.COMPLETED, Status.FAILED]
    assert record.ranked()[0].trial.values == {"x": 0.5, "kind": "a"}
    assert record.ranked()[0].mean("best_epoch") == 4
    assert record.sessions[2].outcome.message == "ValueError: no"
    verdict = check(logdir)
    assert verdict.ok, verdict.differences
    assert import_into(read_project(project, None), logdir, None).known == 3, "once is enough"


KILLED = """
import os, sys
from pathlib import Path
from gridsearch.cli import main
from gridsearch.writers.tensorboard import events

write, stage = getattr(events, sys.argv[1]), int(sys.argv[3])
method, calls = getattr(write, sys.argv[2]), []

def die_at_last(self, *arguments):
    calls.append(1)
    if len(calls) == stage:
        os.kill(os.getpid(), 9)
    return method(self, *arguments)

setattr(write, sys.argv[2], die_at_last)
sys.argv[:] = ["gridsearch", "import", sys.argv[4], "--logdir", sys.argv[5]]
main()
"""


@pytest.mark.parametrize(
    ("write", "method", "call"),
    [("EventsWriter", "rewrite", 1), ("EventsWriter", "rewrite", 3), ("EventsWriter", "sync", 1)],
)
def test_what_a_killed_import_has_not_delivered_is_delivered_by_the_next_one(
    project: Path, logdir: Path, write: str, method: str, call: int
) -> None:
    command = [sys.executable, "-c", KILLED, write, method, str(call), str(project), str(logdir)]
    assert subprocess.run(command, timeout=120).returncode == -signal.SIGKILL
    recorded = Record.read(logdir).sessions
    assert len(recorded) == 3
    assert not any(session.delivered for session in recorded)
    again = import_into(read_project(project, None), logdir, None)
    assert (again.imported, again.known) == (0, 3)
    assert all(session.delivered for session in Record.read(logdir).sessions)
    verdict = check(logdir, patience=3)
    assert verdict.ok, verdict.differences
    for session in recorded[:2]:
        assert len(list((logdir / session.name).glob("*.tfevents.*"))) == 1, "nothing is written twice"
        assert len(list((logdir / session.name / "validation").glob("*.tfevents.*"))) == 1


def test_imported_trials_count_for_the_sweep_that_they_are_imported_into(project: Path, logdir: Path) -> None:
    hparams = {"x": {"discrete": [0.25, 0.5, 1.0]}, "kind": {"discrete": ["a"]}}
    config = configured(logdir, hparams)
    imported = import_into(read_project(project, None), None, config)
    assert (imported.imported, imported.outside) == (3, 1)
    plan = preview(config).plan
    assert (plan.combinations, plan.completed, plan.new) == (3, 2, 1)
    record = sweep(config).record
    assert [trial.trial.values["x"] for trial in record.trials] == [0.25, 0.5, 0.75, 1.0]


def test_values_are_taken_as_the_sweep_declares_them_or_refused_in_words(logdir: Path) -> None:
    def source(value: Any) -> ForeignSweep:
        grids = ((HParam("units", Discrete([value])),),)
        found = ForeignTrial({"units": value}, Status.COMPLETED, {0: {"accuracy": 0.5}})
        return ForeignSweep("study", grids, "accuracy", True, (found,))

    config = configured(logdir, {"units": {"discrete": [64, 128]}})
    for value in (64.5, "64", True):
        with pytest.raises(UserError, match=r"study: HParam 'units': .*\n.*import without --sweep"):
            import_into(source(value), None, config)
    assert not logdir.exists()
    assert import_into(source(128.0), None, config).outside == 0
    (trial,) = Record.read(logdir).trials
    assert repr(trial.trial.values) == "{'units': 128}"


def test_trials_outside_of_a_declared_space_are_imported_into_what_the_dashboard_shows(
    project: Path, logdir: Path
) -> None:
    config = configured(logdir, {"x": {"discrete": [1.0]}, "kind": {"discrete": ["a"]}})
    sweep(config)
    assert import_into(read_project(project, None), None, config).outside == 3
    verdict = check(logdir)
    assert verdict.ok, verdict.differences


def test_another_objective_than_the_sweeps_is_refused_before_anything_is_written(project: Path, logdir: Path) -> None:
    hparams = {"x": {"discrete": [0.25, 0.5, 1.0]}, "kind": {"discrete": ["a"]}}
    for keys, problem in [
        ({"metric": "f1"}, r"reports val_accuracy, and not the sweep's 'f1'\n.*--metric f1"),
        ({"goal": "min"}, r"'val_accuracy' has the goal max here, and min in the sweep\n.*sweep.goal = 'max'"),
    ]:
        with pytest.raises(UserError, match=problem):
            import_into(read_project(project, None), None, configured(logdir, hparams, sweep=keys))
    assert not logdir.exists()


def test_what_failed_and_was_tried_again_there_is_two_attempts_here(logdir: Path) -> None:
    def found(status: Status, value: float = 0.0) -> ForeignTrial:
        return ForeignTrial({"x": 0.5}, status, {0: {"accuracy": value}} if value else {})

    grids, done, failed = [[HParam("x", Discrete([0.5]))]], Status.COMPLETED, Status.FAILED
    trials = [found(failed), found(done, 0.6), found(failed), found(done, 0.8)]
    imported = import_into(ForeignSweep("there", grids, "accuracy", True, trials), logdir, None)
    assert (imported.imported, imported.known) == (3, 1)
    record = Record.read(logdir)
    assert [session.name for session in record.sessions] == ["run-0001", "run-0001-a2", "run-0001-r1"]
    assert record.trials[0].status is Status.COMPLETED
    assert record.trials[0].mean("accuracy") == pytest.approx(0.7)
    verdict = check(logdir)
    assert verdict.ok, verdict.differences


def test_what_cannot_be_imported_is_told_by_file(project: Path) -> None:
    with pytest.raises(UserError, match=r"no trial reports 'val_acc'\n.*--metric: val_accuracy"):
        read_project(project, "val_acc")
    (project / "trial_1" / "trial.json").write_text('{"trial_id": ')
    with pytest.raises(UserError, match=r"trial_1/trial\.json: not valid JSON"):
        read_project(project, None)
    with pytest.raises(UserError, match=r"oracle\.json: there is no such file"):
        read_project(project / "trial_0", None)


def test_a_study_of_optunas_becomes_a_record(tmp_path: Path, logdir: Path) -> None:
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
    imported = import_into(read_study(str(tmp_path / "study.db"), None, "accuracy"), logdir, None)
    assert imported.imported == 6
    record = Record.read(logdir)
    assert [trial.trial.values for trial in record.trials] == [trial.params for trial in study.trials]
    assert record.count(Status.STOPPED) == 1
    means = [t.mean("accuracy") for t in record.trials if t.status is Status.COMPLETED]
    assert means == pytest.approx([t.value for t in study.trials if t.value is not None and t.number != 2])
    assert len(read_epochs(logdir)["run-0001"]) == 3
    verdict = check(logdir)
    assert verdict.ok, verdict.differences
    optuna.create_study(storage=storage, study_name="yours")
    with pytest.raises(UserError, match=r"several studies\n.*mine, yours"):
        read_study(storage, None, None)
    with pytest.raises(UserError, match=r"holds no study 'hers'\n.*mine, yours"):
        read_study(storage, "hers", None)
    with pytest.raises(UserError, match="there is no such file"):
        read_study(f"sqlite:///{tmp_path / 'none.db'}", None, None)
    assert not (tmp_path / "none.db").exists(), "to look for a study makes none"


def test_a_trial_that_hyperband_promoted_is_one_trial(project: Path, logdir: Path) -> None:
    state = json.loads((project / "oracle.json").read_text())
    (project / "oracle.json").write_text(json.dumps({**state, "max_epochs": 5}))
    rungs = [{"tuner/epochs": 2}, {"tuner/epochs": 2}, {}, {"tuner/initial_epoch": 2, "tuner/trial_id": "0", "x": 0.25}]
    for number, rung in enumerate(rungs):
        file = project / f"trial_{number}" / "trial.json"
        trial = json.loads(file.read_text())
        trial["hyperparameters"]["values"] |= rung
        if number == 3:
            observed = {"direction": "max", "observations": [{"value": [0.9], "step": 2}]}
            trial |= {"status": "COMPLETED", "metrics": {"metrics": {"val_accuracy": observed}}}
        file.write_text(json.dumps(trial))
    import_into(read_project(project, None), logdir, None)
    record = Record.read(logdir)
    assert {t.trial.values["x"]: t.status for t in record.trials} == {
        0.25: Status.COMPLETED,
        0.5: Status.STOPPED,
        0.75: Status.FAILED,
    }
    assert record.ranked()[0].mean("best_accuracy") == 0.9
    promoted = record.ranked()[0].sessions[0].name
    assert {n: m["val_accuracy"] for n, m in read_epochs(logdir)[promoted].items()} == {3: 0.6, 4: 0.9}


@pytest.mark.slow
def test_the_readmes_commands(project: Path, tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    study = optuna.create_study(storage=f"sqlite:///{tmp_path / 'study.db'}", direction="maximize")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    (tmp_path / "sweep.toml").write_text(
        '[hparams]\nx = { real_interval = [0, 1] }\n[model]\nobjective = "mine:f"\n'
        '[sweep]\nstrategy = "random"\ntrials = 4\n'
    )
    (tmp_path / "mine.py").write_text("def f(values, report):\n    return {'accuracy': values['x']}\n")
    theirs = "import untitled_project --logdir logs/theirs"
    counted = "import sqlite:///study.db --sweep sweep.toml --metric accuracy"
    said = [
        subprocess.run(
            [sys.executable, "-m", "gridsearch", *command.split()], cwd=tmp_path, capture_output=True, text=True
        )
        for command in (theirs, counted, counted, "plan")
    ]
    assert [each.returncode for each in said] == [0] * 4, said
    assert said[0].stdout == "imported 3 trials, into logs/theirs\n"
    assert said[1].stdout == "imported 2 trials, into logs/hparam_tuning\n"
    assert said[2].stdout == "imported 0 trials, 2 were known, into logs/hparam_tuning\n"
    assert "4 combinations: 2 completed" in said[3].stdout


def test_the_projects_own_objective_is_found_by_its_scores(project: Path, logdir: Path) -> None:
    """KerasTuner does not keep the objective's name; what every trial was scored by is it."""
    for number, losses in enumerate(([0.9, 0.2], [0.4, 0.3])):
        file = project / f"trial_{number}" / "trial.json"
        trial = json.loads(file.read_text())
        seen = [{"value": [loss], "step": step} for step, loss in enumerate(losses)]
        trial["metrics"]["metrics"]["val_loss"] = {"direction": "min", "observations": seen}
        trial["score"] = min(losses)
        file.write_text(json.dumps(trial))
    found = read_project(project, None)
    assert (found.metric, found.maximize) == ("val_loss", False)
    import_into(found, logdir, None)
    assert Record.read(logdir).ranked()[0].trial.values["x"] == 0.25, "its best epoch won"


def test_an_epoch_that_is_not_a_number_does_not_hide_the_objective(project: Path) -> None:
    for number, loss in enumerate((0.5, 0.25)):
        file = project / f"trial_{number}" / "trial.json"
        trial = json.loads(file.read_text())
        observed = [{"value": [value], "step": step} for step, value in enumerate((float("nan"), loss))]
        trial["metrics"]["metrics"]["val_loss"] = {"direction": "min", "observations": observed}
        file.write_text(json.dumps({**trial, "score": loss}))
    assert read_project(project, None).metric == "val_loss"

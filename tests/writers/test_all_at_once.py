"""The tutorial's random search, told to TensorBoard, W&B and MLflow at once: all say what the record says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sweeps import TESTS
from writers.wandb_files import directories, history, records, summary, to_be_synced

from gridsearch.record.reader import Record, read_epochs
from gridsearch.report.export import sessions
from gridsearch.writers.tensorboard.check import check

pytestmark = pytest.mark.slow

TRIALS, EPOCHS = 4, 5
TUTORIAL = f"""
[hparams]
filters = {{ discrete = [2, 4, 8] }}
learning_rate = {{ real_interval = [0.0001, 0.1], log = true }}
[data]
image_size = 8
batch_size = 5
[augmentation]
rescale = "1/255"
[model]
build = "networks:convolutional"
[training]
epochs = {EPOCHS}
[sweep]
strategy = "random"
trials = {TRIALS}
workers = 1
writers = ["wandb", "mlflow"]
[writers.wandb]
mode = "offline"
project = "cats"
tags = ["tutorial"]
[writers.mlflow]
experiment = "cats"
"""


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The log directory of the tutorial's sweep, run by its command."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("tutorial")
    for part, name, n in [(p, c, n) for p in ("train", "validation") for c in ("cat", "dog") for n in range(5)]:
        file = folder / "data" / part / name / f"{n}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9), (200, 10 * n, 30) if name == "cat" else (30, 10 * n, 200)).save(file)
    shutil.copy(TESTS / "networks.py", folder)
    (folder / "sweep.toml").write_text(TUTORIAL)
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("WANDB_MODE")  # the sweep file says it
        done = subprocess.run(
            [sys.executable, "-m", "gridsearch", "sweep"], cwd=folder, capture_output=True, text=True, timeout=300
        )
    assert done.returncode == 0, done.stderr
    assert "switched off" not in done.stderr
    return folder / "logs" / "hparam_tuning"


def test_wandb_has_a_finished_run_for_each_trial_with_config_and_summary(logdir: Path) -> None:
    record = Record.read(logdir)
    runs = [summary(each, by_its_users_command=True) for each in directories(logdir)]
    runs.sort(key=lambda run: str(run["name"]))
    assert [run["name"] for run in runs] == [f"run-{n:04d}" for n in range(1, TRIALS + 1)]
    epochs = read_epochs(logdir)
    for run, trial in zip(runs, record.trials, strict=True):
        (session,) = trial.sessions
        assert (run["state"], run["exit_code"], run["project"], run["tags"]) == ("finished", 0, "cats", ["tutorial"])
        assert run["config"] == {**trial.trial.values, "recipe": record.recipe}
        assert {name: run["summary"][name] for name in session.outcome.metrics} == session.outcome.metrics
        last = epochs[session.name][EPOCHS - 1]
        assert run["summary"]["val_accuracy"] == last["val_accuracy"] == session.outcome.metrics["accuracy"]
        assert run["run_id"] == f"{record.identity[:12]}-{session.name}"


@pytest.fixture(scope="module")
def logs(logdir: Path) -> dict[str, list[dict[str, Any]]]:
    """What W&B has written of each session's run."""
    return {directory.name[directory.name.index("run-0") :]: records(directory) for directory in directories(logdir)}


def test_wandb_has_every_epoch_under_plain_names(logdir: Path, logs: dict[str, list[dict[str, Any]]]) -> None:
    epochs = read_epochs(logdir)
    for name, log in logs.items():
        logged = history(log)
        assert logged == [{**metrics, "epoch": n + 1} for n, metrics in epochs[name].items()]
        assert set(logged[0]) == {"accuracy", "val_accuracy", "loss", "val_loss", "learning_rate", "epoch"}


def test_wandb_is_told_what_the_steps_are_before_it_is_told_any(logs: dict[str, list[dict[str, Any]]]) -> None:
    for log in logs.values():
        kinds = [record["type"] for record in log]
        defined = [record["metric"] for record in log if record["type"] == "metric"]
        assert any(metric.get("glob_name") == "*" and metric["step_metric"] == "epoch" for metric in defined)
        assert "metric" not in kinds[kinds.index("history") :]


def test_wandb_groups_the_runs_of_a_sweep(logdir: Path, logs: dict[str, list[dict[str, Any]]]) -> None:
    group = f"hparam_tuning-{Record.read(logdir).identity[:8]}"
    for log in logs.values():
        run = next(record["run"] for record in log if record["type"] == "run")
        assert (run["run_group"], run["job_type"]) == (group, "trial")


def test_wandb_would_upload_each_run_once(logdir: Path) -> None:
    record = Record.read(logdir)
    assert to_be_synced(logdir) == [f"{record.identity[:12]}-{session.name}" for session in record.sessions]


def searched(logdir: Path, experiment: str = "cats") -> tuple[Any, list[dict[str, Any]]]:
    """MLflow's own answer: the sweep's row, and those of its sessions by name."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{logdir / 'mlflow.db'}")
    rows = mlflow.search_runs(experiment_names=[experiment]).to_dict("records")
    (parent,) = [row for row in rows if row["tags.gridsearch.session"] == ""]
    nested = [row for row in rows if row is not parent]
    assert {row["tags.mlflow.parentRunId"] for row in nested} == {parent["run_id"]}
    return parent, sorted(nested, key=lambda row: str(row["tags.gridsearch.session"]))


def test_mlflow_finds_the_table_that_is_exported(logdir: Path) -> None:
    record = Record.read(logdir)
    _, found = searched(logdir)
    for row, exported in zip(found, sessions(record), strict=True):
        values = {name: exported[name] for name in ("filters", "learning_rate")}
        metrics = {name: exported[name] for name in record.objective.columns}
        about = {name: value for name, value in exported.items() if name not in {**values, **metrics}}
        assert {name: row[f"params.{name}"] for name in values} == {name: str(v) for name, v in values.items()}
        assert {name: row[f"metrics.{name}"] for name in metrics} == metrics
        assert {name: row[f"tags.gridsearch.{name}"] for name in about} == {name: str(v) for name, v in about.items()}
        assert (row["status"], row["tags.mlflow.runName"]) == ("FINISHED", exported["session"])


def test_mlflow_has_every_epoch_as_a_step(logdir: Path) -> None:
    from mlflow import MlflowClient

    client, (_, found) = MlflowClient(f"sqlite:///{logdir / 'mlflow.db'}"), searched(logdir)
    epochs = read_epochs(logdir)
    for row in found:
        expected = [(n + 1, m["val_loss"]) for n, m in epochs[row["tags.gridsearch.session"]].items()]
        logged = client.get_metric_history(row["run_id"], "epoch/val_loss")
        assert sorted((metric.step, metric.value) for metric in logged) == expected


def test_mlflow_has_the_recipe_and_the_model_of_the_best(logdir: Path) -> None:
    from mlflow import MlflowClient

    client, (parent, found) = MlflowClient(f"sqlite:///{logdir / 'mlflow.db'}"), searched(logdir)
    assert (parent["status"], parent["params.data.image_size"]) == ("FINISHED", "8")
    best = Record.read(logdir).ranked()[0].trial.name
    assert parent["tags.gridsearch.best"] == best
    models = {row["tags.mlflow.runName"]: client.list_artifacts(row["run_id"], "model") for row in found}
    assert {name: [file.path for file in files] for name, files in models.items() if files} == {
        best: [f"model/{best}.keras"]
    }
    assert models[best][0].file_size == (logdir / "models" / f"{best}.keras").stat().st_size > 0


def test_tensorboard_shows_the_same(logdir: Path) -> None:
    verdict = check(logdir)
    assert (verdict.differences, verdict.agreeing) == ((), TRIALS)

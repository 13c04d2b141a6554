"""Event files, models, picture stores and checkpoints, damaged at random: words, and everything whole again after.

The record is whole in all of it; tests/faults/test_damaged_records.py damages the record itself. ``make faults`` draws
200 damages of each kind, ``make test`` a few.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from faults.file_damages import damage_file, draw_damages
from faults.test_damaged_records import run
from sweeps import TESTS

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.record.reader import Record
from gridsearch.runner.dashboard import repair_dashboard
from gridsearch.runner.sweep import sweep
from gridsearch.training.session import run_session
from gridsearch.training.task import Task
from gridsearch.trials import Ended, Outcome, Session, Status, Trial, Verdict
from gridsearch.writers.tensorboard.check import check

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]

LONG = os.environ.get("FAULTS") == "long"
SEED = int(os.environ.get("FAULTS_SEED", "20"))

SWEEP = """
[hparams]
width = { discrete = [2, 3, 4] }
[data]
image_size = 8
batch_size = 5
[augmentation]
rescale = "1/255"
horizontal_flip = true
[model]
build = "networks:tiny"
[training]
epochs = 2
keep_models = 2
[sweep]
executor = "inline"
"""

LOOKS = [["status"], ["best"], ["export"], ["plan"], ["report"]]

AT_ONCE = 4
"""Damages to a log directory before it is looked at: a look with TensorBoard takes some seconds."""


@pytest.fixture
def folder(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a sweep file, from where commands are run, with a cache of its own."""
    folder = pictures.parent
    monkeypatch.setenv("GRIDSEARCH_CACHE", str(folder / "cache"))
    monkeypatch.chdir(folder)
    (folder / "sweep.toml").write_text(SWEEP)
    shutil.copy(TESTS / "networks.py", folder)
    return folder


def files_below(folder: Path, wanted: Callable[[Path], bool] = lambda file: True) -> list[str]:
    """Return the names of the files below a folder, sorted."""
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file() and wanted(file))


def copy_of(source: Path, name: str) -> Path:
    """Return a fresh copy of a folder, which is free to be damaged."""
    copy = source.parent / name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy)
    return copy


def say(logdir: Path, command: list[str], name: str) -> tuple[int, str]:
    """Return a command's exit status and words; any other exception fails the test and names the damage."""
    try:
        status, said = run(logdir, command)
    except Exception as error:
        raise AssertionError(f"{command} after {name}") from error
    assert status in (0, 1, 2), (name, command)
    assert said, (name, command)
    assert "Traceback" not in said, (name, command, said)
    return status, said


def of_the_dashboard(file: Path) -> bool:
    return ".db" not in file.name and file.parent.name != "models"


@pytest.mark.timeout(3600 if LONG else 300)
def test_a_damaged_dashboard_is_rebuilt_from_the_record(folder: Path) -> None:
    origin = folder / "logs" / "origin"
    assert sweep(SweepConfig.load(logdir=origin)).record.trials
    before = [run(origin, ["best"]), run(origin, ["export", "--history"])]
    drawn = list(draw_damages(files_below(origin, of_the_dashboard), SEED, 200 if LONG else 12))
    for n, damages in enumerate(zip(*[iter(drawn)] * AT_ONCE, strict=False)):
        logdir = copy_of(origin, "damaged")
        for file, kind in damages:
            if (logdir / file).is_file():  # not damaged by the one before
                damage_file(logdir / file, kind)
        for command in LOOKS:
            say(logdir, command, str(damages))
        if n % 2:
            assert say(logdir, ["sweep"], str(damages))[0] == 0
        else:
            assert repair_dashboard(logdir)
        found = check(logdir)
        assert found.ok, (damages, found.differences[:5])
        assert [run(logdir, ["best"]), run(logdir, ["export", "--history"])] == before, damages


@pytest.mark.timeout(3600 if LONG else 300)
def test_a_damaged_model_predicts_as_before_or_says_why_not(folder: Path) -> None:
    origin = folder / "logs" / "origin"
    sweep(SweepConfig.load(logdir=origin))
    models = files_below(origin / "models", lambda file: file.suffix == ".keras")
    assert len(models) == 2
    predict = {file: ["predict", Path(file).stem, "data/validation/cat/cat.0.png"] for file in models}
    before = {file: run(origin, command) for file, command in predict.items()}
    assert [status for status, _ in before.values()] == [0, 0]
    refused = 0
    for file, kind in draw_damages(models, SEED + 1, 200 if LONG else 12):
        name, logdir = f"{kind} of {file}", copy_of(origin, "damaged")
        damage_file(logdir / "models" / file, kind)
        status, said = say(logdir, predict[file], name)
        refused += status == 2
        assert status == 2 or (status, said) == before[file], name
        for command in (["best"], ["status"], ["sweep"]):
            assert say(logdir, command, name)[0] == 0, (name, command)
    assert refused, "no damage was one"


@pytest.mark.timeout(3600 if LONG else 300)
def test_a_damaged_picture_store_is_built_anew(folder: Path) -> None:
    config = SweepConfig.load(logdir=folder / "first")
    expected = numbers(sweep(config).record)
    whole = folder / "whole"
    shutil.copytree(folder / "cache", whole)
    files = files_below(whole, lambda file: file.suffix != ".lock")
    assert any("pictures" in file for file in files)
    for n, (file, kind) in enumerate(draw_damages(files, SEED + 2, 200 if LONG else 6)):
        name = f"{kind} of {file}"
        shutil.rmtree(folder / "cache")
        shutil.copytree(whole, folder / "cache")
        damage_file(folder / "cache" / file, kind)
        config = SweepConfig.load(logdir=folder / f"again{n}")
        assert numbers(sweep(config).record) == expected, name
        shutil.rmtree(folder / f"again{n}")


def numbers(record: Record) -> list[dict[str, float]]:
    """Return what every session came to, but for its time."""
    found = []
    for session in record.sessions:
        assert session.status is Status.COMPLETED, session.outcome.message
        found.append({name: value for name, value in session.outcome.metrics.items() if name != "seconds"})
    return found


@pytest.mark.timeout(3600 if LONG else 300)
def test_a_damaged_checkpoint_costs_time_and_nothing_else(folder: Path) -> None:
    config = SweepConfig.load(overrides=["training.epochs=3"])
    values, session = {"width": 3}, Session(Trial(1, {"width": 3}), 0, 1, 0)
    logdir = folder / "paused"
    task = Task(session, values, config.settings_for(values), config.objective, logdir, "epoch", None, True, True)
    paused = train(task, lambda epoch: Verdict.PAUSE if epoch == 1 else Verdict.GO_ON)
    assert (paused.paused, paused.epochs) == (True, 2)
    task = replace(task, trained_before=1.0)
    again = replace(task, logdir=copy_of(logdir, "damaged"))
    expected = train(again, lambda epoch: Verdict.GO_ON)
    assert expected.epochs == 3
    files = files_below(logdir / "checkpoints")
    for file, kind in draw_damages(files, SEED + 3, 200 if LONG else 8):
        again = replace(task, logdir=copy_of(logdir, "damaged"))
        damage_file(again.logdir / "checkpoints" / file, kind)
        outcome = train(again, lambda epoch: Verdict.GO_ON)
        assert outcome.status is Status.COMPLETED, (kind, file, outcome.message)
        metrics = dict(outcome.metrics) | {"seconds": 0.0}
        assert (outcome.epochs, metrics) == (3, dict(expected.metrics) | {"seconds": 0.0}), (kind, file)


def train(task: Task, hear: Callable[[int], Verdict]) -> Outcome:
    """Return what a session comes to, trained in this process."""
    said: list[object] = []
    run_session(task, said.append, hear)
    (ended,) = [message for message in said if isinstance(message, Ended)]
    return ended.outcome

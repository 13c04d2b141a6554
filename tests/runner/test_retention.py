"""Which models stay: the best k, of equal ones the first, in this run and in the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridsearch.runner.retention import ModelRetention, remove_checkpoints
from gridsearch.trials import Objective, Outcome, Session, SessionRecord, Status, Trial


def session(number: int, value: float, ended: float) -> SessionRecord:
    trial = Trial(number, {"x": number})
    outcome = Outcome(Status.COMPLETED, metrics={"accuracy": value, "loss": value})
    return SessionRecord(Session(trial, 0, 1, 0), outcome, 0.0, ended, delivered=True)


@pytest.fixture
def models(logdir: Path) -> Path:
    (logdir / "models").mkdir(parents=True)
    for name in ("run-0001", "run-0002", "run-0003"):
        (logdir / "models" / f"{name}.keras").touch()
    return logdir


def left(logdir: Path) -> list[str]:
    return sorted(file.name for file in (logdir / "models").iterdir())


@pytest.mark.parametrize(("maximize", "kept"), [(True, "run-0003.keras"), (False, "run-0001.keras")])
def test_the_best_stays(models: Path, maximize: bool, kept: str) -> None:
    objective = Objective("accuracy" if maximize else "loss", maximize)
    best = ModelRetention(models, objective, keep=1)
    best.consider([session(1, 0.1, 1.0), session(2, 0.5, 2.0), session(3, 0.9, 3.0)])
    best.prune(())
    assert left(models) == [kept]
    assert best.bar == (0.9 if maximize else 0.1)


def test_a_result_without_a_model_does_not_push_one_out(models: Path) -> None:
    """A trial that went on and came to less than one that had been put aside without being saved."""
    (models / "models" / "run-0003.keras").unlink()
    best = ModelRetention(models, Objective(), keep=1)
    best.consider([session(1, 0.1, 1.0), session(2, 0.5, 2.0), session(3, 0.9, 3.0)])
    best.prune(())
    assert left(models) == ["run-0002.keras"]


def test_models_of_running_trials_are_left_alone(models: Path) -> None:
    best = ModelRetention(models, Objective(), keep=1)
    best.consider([session(1, 0.1, 1.0)])
    (models / "models" / "run-0002.part.keras").touch()
    best.prune({"run-0002"})
    assert left(models) == ["run-0001.keras", "run-0002.keras", "run-0002.part.keras"]


def test_keeping_none_keeps_none(models: Path) -> None:
    best = ModelRetention(models, Objective(), keep=0)
    best.consider([session(1, 0.1, 1.0)])
    best.prune(())
    assert (left(models), best.bar) == ([], None)


def test_only_checkpoints_of_trials_that_are_owed_something_stay(logdir: Path) -> None:
    for name in ("run-0001", "run-0001-r1", "run-0002-r1", "run-0010"):
        (logdir / "checkpoints" / name).mkdir(parents=True)
    remove_checkpoints(logdir, {"run-0001"})
    assert sorted(folder.name for folder in (logdir / "checkpoints").iterdir()) == ["run-0001", "run-0001-r1"]

"""Which models stay: those of the k trials that `best` names first, in this run and in the next."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records import record_of

from gridsearch.hparams.domain import Discrete, HParam
from gridsearch.runner.retention import ModelRetention, remove_checkpoints
from gridsearch.trials import Objective, Outcome, Session, SessionRecord, Status, Trial, TrialRecord


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
    assert best.bar(Session(Trial(4, {"x": 4}), 0, 1, 0)) == (0.9 if maximize else 0.1)


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


@given(
    values=st.lists(st.lists(st.sampled_from([0.25, 0.5, 0.75]), min_size=1, max_size=3), min_size=1, max_size=5),
    maximize=st.booleans(),
    keep=st.integers(1, 3),
    order=st.randoms(use_true_random=False),
    resumed=st.booleans(),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_models_that_stay_are_those_of_the_trials_that_best_names(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[list[float]],
    maximize: bool,
    keep: int,
    order: random.Random,
    resumed: bool,
) -> None:
    """Whatever the order in which sessions begin and end, ties and repeats among them, and whether a run is resumed."""
    logdir = tmp_path_factory.mktemp("sweep")
    (logdir / "models").mkdir()
    repeats, objective = max(map(len, values)), Objective("accuracy", maximize)
    sessions = [
        (Session(Trial(number, {"x": number}), repeat, 1, repeat), (results * repeats)[repeat])
        for number, results in enumerate(values, 1)
        for repeat in range(repeats)
    ]
    retention = ModelRetention(logdir, objective, keep, repeats)
    waiting, running, ended = list(sessions), [], []
    order.shuffle(waiting)
    while waiting or running:
        if waiting and (not running or order.random() < 0.5):
            session, value = waiting.pop()
            running.append((session, value, retention.bar(session)))
            continue
        session, value, bar = running.pop(order.randrange(len(running)))
        if bar is not None and (math.isinf(bar) or objective.better(value, bar)):
            (logdir / "models" / f"{session.name}.keras").touch()
        ended.append(
            SessionRecord(session, Outcome(Status.COMPLETED, metrics={"accuracy": value}), 0.0, 1.0, delivered=True)
        )
        if resumed:
            retention = ModelRetention(logdir, objective, keep, repeats)
            retention.consider(ended)
        else:
            retention.consider(ended[-1:])
        unfinished = {each[0].trial.name for each in [*waiting, *running]}
        retention.prune({each[0].name for each in running}, unfinished)
    trials = [
        TrialRecord(Trial(n, {"x": n}), tuple(sorted((s for s in ended if s.session.trial.number == n), key=name_of)))
        for n in range(1, len(values) + 1)
    ]
    best = record_of([HParam("x", Discrete(range(1, 6)))], trials, objective=objective).ranked()[:keep]
    assert {file.split(".")[0].partition("-r")[0] for file in left(logdir)} == {name_of_trial(t) for t in best}
    for file in left(logdir):  # of a trial's repeats the best one
        number, _, repeat = file.removesuffix(".keras").removeprefix("run-").partition("-r")
        results = [value for session, value in sessions if session.trial.number == int(number)]
        assert results[int(repeat or 0)] == (max if maximize else min)(results)
    assert len(left(logdir)) == len(best)


def name_of(session: SessionRecord) -> str:
    return session.name


def name_of_trial(trial: TrialRecord) -> str:
    return f"run-{trial.trial.number:04d}"


def test_models_of_a_trial_stay_until_its_last_repeat_has_ended(models: Path) -> None:
    best = ModelRetention(models, Objective(), keep=1, repeats=2)
    best.consider([session(1, 0.1, 1.0), session(2, 0.5, 2.0)])
    best.prune((), unfinished={"run-0001"})
    assert left(models) == ["run-0001.keras", "run-0002.keras"]
    best.prune(())
    assert left(models) == ["run-0002.keras"]


def test_keeping_none_keeps_none(models: Path) -> None:
    best = ModelRetention(models, Objective(), keep=0)
    best.consider([session(1, 0.1, 1.0)])
    best.prune(())
    assert (left(models), best.bar(Session(Trial(4, {"x": 4}), 0, 1, 0))) == ([], None)


def test_only_checkpoints_of_trials_that_are_owed_something_stay(logdir: Path) -> None:
    for name in ("run-0001", "run-0001-r1", "run-0002-r1", "run-0010"):
        (logdir / "checkpoints" / name).mkdir(parents=True)
    remove_checkpoints(logdir, {"run-0001"})
    assert sorted(folder.name for folder in (logdir / "checkpoints").iterdir()) == ["run-0001", "run-0001-r1"]

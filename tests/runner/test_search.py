"""Sweeps that do not try everything: limits, stopped trials, rungs, and what is left of them after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from faults.harness import kill_all, none_left
from sweeps import TESTS, configured

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import StrategyError, SweepFileError, UserError
from gridsearch.hparams.combination import combination_id
from gridsearch.record.reader import Record, read_epochs
from gridsearch.runner.plan import foresee_combinations
from gridsearch.runner.rerun import rerun
from gridsearch.runner.sweep import preview, sweep
from gridsearch.strategies.median_stopping import MedianStopping
from gridsearch.trials import FailureKind, Status
from gridsearch.writers.tensorboard.check import check

NINE = {"x": {"discrete": [n / 10 for n in range(9)]}}


def searched(logdir: Path, hparams: Any = None, *, epochs: int = 3, **keys: Any) -> SweepConfig:
    return configured(logdir, hparams or NINE, sweep=keys, training={"epochs": epochs})


def epochs_of(record: Record) -> list[int]:
    return [int(trial.results[0].outcome.epochs) for trial in record.trials]


def test_a_finite_space_is_searched_to_its_end_and_says_so(logdir: Path) -> None:
    said: list[str] = []
    hparams = {"x": {"discrete": [0.1, 0.2, 0.3]}, "width": {"int_interval": [1, 6]}}
    record = sweep(searched(logdir, hparams, strategy="random", trials=50), warn=said.append).record
    assert said == ["space exhausted: 18 of 18"]
    assert record.count(Status.COMPLETED) == 18
    assert preview(searched(logdir, hparams, strategy="random", trials=50)).plan.left == 0


def test_more_trials_go_on_with_the_same_stream(logdir: Path, tmp_path: Path) -> None:
    hparams = {"x": {"real_interval": [1e-4, 1e-1], "log": True}}
    sweep(searched(logdir, hparams, strategy="random", trials=4))
    plan = preview(searched(logdir, hparams, strategy="random", trials=6)).plan
    assert (plan.combinations, plan.completed, plan.new, plan.outside) == (6, 4, 2, 0)
    twice = sweep(searched(logdir, hparams, strategy="random", trials=6)).record
    once = sweep(searched(tmp_path / "once", hparams, strategy="random", trials=6)).record
    assert [t.trial.values for t in twice.trials] == [t.trial.values for t in once.trials]
    assert check(logdir).ok


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_halving_stops_the_hopeless_and_goes_on_with_the_best(logdir: Path, executor: str) -> None:
    config = searched(logdir, pruner="halving", executor=executor, workers=2)
    record = sweep(config).record
    assert epochs_of(record) == [1] * 6 + [3] * 3
    assert [trial.status for trial in record.trials] == [Status.STOPPED] * 6 + [Status.COMPLETED] * 3
    assert all(len(trial.sessions) == 1 and trial.sessions[0].delivered for trial in record.trials)
    assert not any(trial.paused for trial in record.trials)
    assert [len(epochs) for epochs in read_epochs(logdir).values()] == [1] * 6 + [3] * 3
    verdict = check(logdir)
    assert verdict.ok, verdict.differences
    assert preview(config).plan.left == 0


def test_a_stopped_trial_comes_to_the_same_when_it_is_run_again(logdir: Path) -> None:
    record = sweep(searched(logdir, pruner="halving")).record
    for trial in (record.trials[0], record.trials[-1]):
        again = rerun(logdir, trial.trial.name)
        assert again.agrees, (again.recorded, again.found, again.problem)


def test_the_median_rule_stops_who_falls_behind(logdir: Path) -> None:
    hparams = {"x": {"discrete": [0.8, 0.7, 0.6, 0.1, 0.9]}}
    record = sweep(searched(logdir, hparams, pruner="median", pruner_options={"trials": 3})).record
    assert epochs_of(record) == [3, 3, 3, 1, 3]
    assert record.trials[3].status is Status.STOPPED
    assert record.trials[3].mean("accuracy") == pytest.approx(0.1 / 3)


def test_any_pruner_of_optunas_works_with_the_grid(logdir: Path) -> None:
    pytest.importorskip("optuna")
    hparams = {"x": {"discrete": [0.8, 0.1, 0.9]}}
    pruner = {"pruner": "optuna:ThresholdPruner", "pruner_options": {"lower": 0.2}}
    assert epochs_of(sweep(searched(logdir, hparams, **pruner)).record) == [3, 1, 3]


@pytest.mark.parametrize("strategy", ["bayesian", "hyperband", "tpe", "cmaes", "optuna:QMCSampler"])
def test_every_strategy_sweeps_and_the_dashboard_agrees(logdir: Path, strategy: str) -> None:
    pytest.importorskip("keras_tuner" if strategy in ("bayesian", "hyperband") else "optuna")
    hparams = {"x": {"real_interval": [0.0, 1.0]}, "width": {"int_interval": [1, 8]}}
    config = searched(logdir, hparams, strategy=strategy, trials=8)
    record = sweep(config).record
    assert len(record.trials) == (5 if strategy == "hyperband" else 8)
    assert check(logdir).ok
    assert len(sweep(config).record.sessions) == len(record.sessions)


def test_what_was_put_aside_when_the_runner_was_killed_goes_on_from_there(
    logdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sweep.toml").write_text(f"""
        [hparams]
        x = {{ discrete = {NINE["x"]["discrete"]} }}
        [model]
        objective = "objectives:numbers"
        [training]
        epochs = 3
        [sweep]
        pruner = "halving"
        logdir = "{logdir}"
        workers = 2
    """)
    environment = {**os.environ, "EPOCH_SECONDS": "0.1", "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-m", "gridsearch", "sweep", str(tmp_path / "sweep.toml")]
    kills = 0
    for _ in range(40):
        process = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
        known, deadline = _finished(logdir), time.monotonic() + 60
        while process.poll() is None and _finished(logdir) < known + 2:
            assert time.monotonic() < deadline, "it neither goes on nor ends"
            time.sleep(0.02)
        if process.poll() is None:
            kill_all(process.pid)
            kills += 1
        process.wait()
        assert none_left(process.pid)
        if process.returncode == 0:
            break
    assert process.returncode == 0
    assert kills >= 1
    record = Record.read(logdir)
    assert [t.trial.values["x"] for t in record.trials if t.status is Status.COMPLETED] == [0.6, 0.7, 0.8]
    assert [t.status for t in record.trials].count(Status.STOPPED) == 6
    for trial in record.trials:
        assert sum(session.status.has_result for session in trial.sessions) == 1
    verdict = check(logdir)
    assert verdict.ok, verdict.differences


def _finished(logdir: Path) -> int:
    try:
        return sum(session.status.has_result for session in Record.read(logdir).sessions)
    except UserError:
        return 0


def test_a_stop_signal_leaves_what_was_put_aside_where_it_is(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gridsearch.errors import Interrupted
    from gridsearch.trials import Epoch

    class Stopper:
        seen = 0

        def begin(self, session: Any) -> None:
            pass

        def epoch(self, epoch: Epoch) -> None:
            Stopper.seen += 1
            if Stopper.seen == 11:  # the second rung has begun
                os.kill(os.getpid(), signal.SIGTERM)

        def end(self, session: Any) -> None:
            pass

    config = searched(logdir, pruner="halving")
    with pytest.raises(Interrupted):
        sweep(config, writers=[Stopper()])
    assert any(trial.paused for trial in Record.read(logdir).trials)
    assert check(logdir).ok, "what may go on yet is neither ended nor wrong"
    record = sweep(config).record
    assert epochs_of(record) == [1] * 6 + [3] * 3
    assert check(logdir).ok


def test_a_strategy_that_raises_ends_the_sweep_without_losing_anything(
    logdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gridsearch.strategies.random import RandomStrategy

    asking, asked = RandomStrategy.ask, []

    def raising(self: RandomStrategy) -> Any:
        asked.append(1)
        if len(asked) == 4:
            raise ZeroDivisionError("no more ideas")
        return asking(self)

    config = searched(logdir, strategy="random", executor="processes", workers=2)
    with monkeypatch.context() as patched:
        patched.setattr(RandomStrategy, "ask", raising)
        with pytest.raises(
            StrategyError, match=r"(?s)random strategy has failed.*ZeroDivisionError: no more ideas.*same command"
        ):
            sweep(config)
    before = Record.read(logdir)
    assert not any(session.status is Status.RUNNING for session in before.sessions)
    assert sweep(config).record.count(Status.COMPLETED) == 9


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_a_judge_that_raises_is_no_fault_of_the_trial(
    logdir: Path, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(self: MedianStopping, session: Any, epoch: int, value: float) -> Any:
        raise ZeroDivisionError("no verdict")

    config = searched(logdir, pruner="median", executor=executor, workers=1)
    with monkeypatch.context() as patched:
        patched.setattr(MedianStopping, "report", raising)
        with pytest.raises(StrategyError, match="ZeroDivisionError: no verdict"):
            sweep(config)
    (session,) = Record.read(logdir).sessions
    assert (session.outcome.kind, session.outcome.charged) == (FailureKind.INTERRUPTED, False)
    assert sweep(config).record.count(Status.FAILED) == 0
    assert check(logdir).ok


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"strategy": "gird"}, ["sweep.strategy", "'gird'", "grid, random, bayesian"]),
        ({"strategy": "random", "trials": 0}, ["sweep.trials"]),
        ({"strategy": "random", "options": {"a": 1}}, ["sweep.options", "takes none"]),
        ({"pruner": "medain"}, ["sweep.pruner", "median, halving"]),
        ({"pruner_options": {"factor": 2}}, ["sweep.pruner_options", "no pruner"]),
        ({"strategy": "hyperband", "pruner": "median"}, ["sweep.pruner", "decides itself"]),
    ],
)
def test_a_search_that_cannot_be_is_refused_with_its_key(logdir: Path, keys: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SweepFileError) as refusal:
        searched(logdir, **keys)
    for word in words:
        assert word in str(refusal.value)


def test_an_endless_space_needs_a_number_of_trials(logdir: Path) -> None:
    with pytest.raises(SweepFileError, match=r"sweep\.trials: missing: .* trials = 20"):
        searched(logdir, {"x": {"real_interval": [0.0, 1.0]}}, strategy="random")


def test_a_grid_of_more_than_its_endpoints_wants_points(logdir: Path) -> None:
    interval = {"x": {"real_interval": [0.0, 1.0]}}
    with pytest.raises(
        SweepFileError, match=r"sweep\.trials: .*interval x counts with its two endpoints only.*points = k"
    ):
        searched(logdir, interval, trials=5)
    assert len(sweep(searched(logdir, {"x": {**interval["x"], "points": 7}}, trials=5)).record.trials) == 5


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"strategy": "tpe", "options": {"n_statup_trials": 3}}, ["sweep.strategy", "n_statup_trials"]),
        ({"strategy": "optuna:TPESampeler"}, ["sweep.strategy", "TPESampeler", "TPESampler"]),
        ({"pruner": "halving", "pruner_options": {"factor": 1}}, ["sweep.pruner", "factor: above 1"]),
    ],
)
def test_an_option_that_there_is_not_is_told_before_anything_is_trained(
    logdir: Path, keys: dict[str, Any], words: list[str]
) -> None:
    pytest.importorskip("optuna")
    with pytest.raises(UserError) as refusal:
        sweep(searched(logdir, **keys))
    for word in words:
        assert word in str(refusal.value)
    assert not (logdir / "run-0001").exists()


def test_rungs_need_one_repeat_and_epochs_of_their_own(logdir: Path) -> None:
    with pytest.raises(SweepFileError, match=r"training\.repeats: halving compares single trainings"):
        configured(logdir, NINE, training={"repeats": 2}, sweep={"pruner": "halving"})


@pytest.mark.slow
def test_a_network_goes_on_from_its_checkpoint_at_the_next_rung(logdir: Path, pictures: Path) -> None:
    tables = {
        "hparams": {"width": {"discrete": [2, 3, 4]}, "learning_rate": {"discrete": [0.01, 0.02]}},
        "data": {
            "train": str(pictures / "train"),
            "validation": str(pictures / "validation"),
            "image_size": 8,
            "batch_size": 4,
        },
        "model": {"build": "networks:tiny"},
        "training": {"epochs": 3},
        "sweep": {"logdir": str(logdir), "workers": 1, "pruner": "halving", "pruner_options": {"factor": 3}},
    }
    config = SweepConfig.validate_tables(tables, where="test", folder=TESTS)
    record = sweep(config).record
    assert sorted(epochs_of(record)) == [1, 1, 1, 1, 3, 3]
    logs = {t.trial.id: (logdir / t.trial.name / "log.txt").read_text() for t in record.trials}
    for trial in record.trials:
        lines = [line for line in logs[trial.trial.id].splitlines() if line.startswith("epoch ")]
        assert [line.split()[1] for line in lines] == ["1", "2", "3"][: len(lines)], "no epoch is trained twice"
        assert len(lines) == trial.results[0].outcome.epochs
    assert not list((logdir / "checkpoints").glob("*"))
    assert len(list((logdir / "models").glob("*.keras"))) == 1
    assert check(logdir).ok
    assert all(combination_id(t.trial.values) == t.trial.id for t in record.trials)


def test_a_plan_of_a_search_lists_what_can_be_foreseen_and_hyperbands_brackets_are_counted(logdir: Path) -> None:
    hparams = {"x": {"real_interval": [0.0, 1.0]}}
    random = searched(logdir, hparams, strategy="random", trials=3)
    assert list(islice(foresee_combinations(random), 3)) == [
        trial.trial.values for trial in sweep(random).record.trials
    ]
    assert preview(searched(logdir / "h", hparams, strategy="hyperband")).plan.combinations == 3 + 2
    assert preview(searched(logdir / "h", hparams, strategy="hyperband", epochs=5)).plan.combinations == 5 + 3
    assert list(foresee_combinations(searched(logdir, hparams, strategy="tpe", trials=3))) == []


def test_what_a_strategy_misses_is_told_with_the_cure(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for strategy, package, cure in (("gp", "torch", "torch"), ("cmaes", "cmaes", "'gridsearch[optuna]'")):
        config = configured(logdir, {"x": {"discrete": [0.25, 0.5]}}, sweep={"strategy": strategy, "trials": 2})
        with pytest.raises(UserError) as error:
            sweep(config)
        assert str(error.value) == (
            f"test: sweep.strategy: it needs {package}, which is not installed\n  pip install {cure}"
        )

"""`gridsearch check` against a real TensorBoard, and what it says when the dashboard and the record differ."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sweeps import configured

from gridsearch.errors import LogdirError
from gridsearch.record.database import DATABASE
from gridsearch.record.reader import Record
from gridsearch.runner.sweep import sweep
from gridsearch.trials import Objective
from gridsearch.writers.tensorboard.check import check, differences
from gridsearch.writers.tensorboard.server import Dashboard

BEHAVIOURS = {"behaviour": {"discrete": ["fine", "raises", "diverges", "leaves"]}, "flip": {"discrete": [True, False]}}
BEHAVIOURS |= {"rate": {"discrete": [0.1]}, "units": {"discrete": [16]}}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep with results, failures of several kinds, a retry and repeats."""
    logdir = tmp_path_factory.mktemp("check") / "logs"
    sweep(configured(logdir, BEHAVIOURS, "objectives:behaving", training={"repeats": 2},
                     sweep={"executor": "processes", "workers": 2}))  # fmt: skip
    return logdir


@pytest.fixture(scope="module")
def answers(swept: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a real TensorBoard says of that sweep, once it agrees."""
    record = Record.read(swept)
    with Dashboard(swept) as dashboard:
        for _ in range(200):
            said = dashboard.experiment(), dashboard.session_groups(record.columns)
            if not differences({".": record}, *said):
                return said
    pytest.fail(f"TensorBoard never agreed: {differences({'.': record}, *said)[:5]}")


@pytest.mark.slow
def test_tensorboard_shows_every_trial_as_it_is_recorded(swept: Path) -> None:
    verdict = check(swept)
    assert verdict.differences == ()
    assert (verdict.agreeing, verdict.rows) == (8, 8)


@pytest.mark.slow
def test_a_trial_that_is_recorded_otherwise_is_found(swept: Path, tmp_path: Path) -> None:
    import shutil

    logdir = tmp_path / "copy"
    shutil.copytree(swept, logdir)
    database = sqlite3.connect(logdir / DATABASE)
    database.execute("UPDATE session SET metrics = replace(metrics, '0.5', '0.625') WHERE name = 'run-0001'")
    database.commit()
    database.close()
    verdict = check(logdir, patience=3)
    assert verdict.agreeing == 7
    assert any("session run-0001 accuracy is 0.5, recorded 0.625" in difference for difference in verdict.differences)


def test_what_tensorboard_says_of_the_sweep_agrees(swept: Path, answers: Any) -> None:
    assert differences({".": Record.read(swept)}, *answers) == []


def row(groups: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(group for group in groups if group["name"].split()[0] == name)


def lose_a_row(groups: list[dict[str, Any]]) -> None:
    groups.remove(row(groups, "run-0003"))


def add_a_row(groups: list[dict[str, Any]]) -> None:
    groups.append({**row(groups, "run-0003"), "name": "."})


def repeat_a_row(groups: list[dict[str, Any]]) -> None:
    groups.append(dict(row(groups, "run-0003")))


def change_a_value(groups: list[dict[str, Any]]) -> None:
    row(groups, "run-0001")["hparams"]["units"] = 17.0


def make_a_bool_a_number(groups: list[dict[str, Any]]) -> None:
    row(groups, "run-0001")["hparams"]["flip"] = 1.0


def call_a_failure_a_success(groups: list[dict[str, Any]]) -> None:
    row(groups, "run-0003")["sessions"][0]["status"] = "STATUS_SUCCESS"


def forget_how_it_ended(groups: list[dict[str, Any]]) -> None:
    del row(groups, "run-0003")["sessions"][0]["status"]


def lose_a_session(groups: list[dict[str, Any]]) -> None:
    row(groups, "run-0001")["sessions"].pop()


def shift_a_mean(groups: list[dict[str, Any]]) -> None:
    next(m for m in row(groups, "run-0001")["metricValues"] if m["name"]["tag"] == "accuracy")["value"] += 1e-5


def lose_a_metric(groups: list[dict[str, Any]]) -> None:
    metrics = row(groups, "run-0001")["sessions"][0]["metricValues"]
    metrics.remove(next(m for m in metrics if m["name"]["tag"] == "best_accuracy"))


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (lose_a_row, "run-0003: in the record, but not shown"),
        (add_a_row, ".: shown, but not in the record"),
        (repeat_a_row, "run-0003: shown twice"),
        (change_a_value, "units is 17.0, recorded 16"),
        (make_a_bool_a_number, "flip is 1.0, recorded True"),
        (call_a_failure_a_success, "session run-0003 is STATUS_SUCCESS, recorded failed"),
        (forget_how_it_ended, "session run-0003 is STATUS_UNKNOWN, recorded failed"),
        (lose_a_session, "is not shown"),
        (shift_a_mean, "mean accuracy is"),
        (lose_a_metric, "best_accuracy is None"),
    ],
)
def test_every_way_of_lying_is_found(swept: Path, answers: Any, lie: Callable[[Any], None], words: str) -> None:
    import copy

    experiment, groups = copy.deepcopy(answers)
    lie(groups)
    found = differences({".": Record.read(swept)}, experiment, groups)
    assert any(words in difference for difference in found), found


def test_columns_and_hparams_of_the_experiment_are_compared_too(swept: Path, answers: Any) -> None:
    record, (experiment, groups) = Record.read(swept), answers
    without = {**experiment, "hparamInfos": experiment["hparamInfos"][1:]}
    assert any("is not shown" in difference for difference in differences({".": record}, without, groups))
    other = replace(record, objective=Objective("precision", with_loss=False))
    assert any(
        "experiment: metrics shown are" in difference for difference in differences({".": other}, experiment, groups)
    )


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        ([["run-0001: a", "run-0002: b"], ["run-0002: b"], []], ()),
        ([["run-0001: a"], ["run-0002: b"], ["run-0003: c"], []], ()),
        ([["run-0001: a", "run-0002: b"], ["run-0001: a", "run-0003: c"], ["run-0001: a"]], ("run-0001: a",)),
        ([["run-0001: shown twice"] * 2] * 2, ("run-0001: shown twice",)),
    ],
)
def test_what_lags_behind_a_sweep_at_work_is_no_difference(
    swept: Path, monkeypatch: pytest.MonkeyPatch, looks: list[list[str]], said: tuple[str, ...]
) -> None:
    class Moving:
        """A dashboard of which each look finds other differences."""

        def __init__(self, logdir: Path) -> None:
            self.logdir = logdir

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *raised: object) -> None:
            pass

        def experiment(self) -> dict[str, Any]:
            return {}

        def session_groups(self, columns: Any) -> list[dict[str, Any]]:
            return []

        def scalars(self) -> dict[str, Any]:
            return {}

    left = iter(looks)
    monkeypatch.setattr("gridsearch.writers.tensorboard.check.Dashboard", Moving)
    monkeypatch.setattr("gridsearch.writers.tensorboard.check.differences", lambda *asked: next(left))
    monkeypatch.setattr("gridsearch.writers.tensorboard.check.curve_differences", lambda *asked, **named: [])
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    verdict = check(swept, patience=0.0)
    assert verdict.differences == said
    assert verdict.agreeing == 8 - len(said)


def test_there_is_nothing_to_check_without_a_record(logdir: Path) -> None:
    with pytest.raises(LogdirError, match="no sweep has been recorded"):
        check(logdir)

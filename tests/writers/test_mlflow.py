"""MLflow: its own answers compared with the record, live, rebuilt, and after failures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from laws import names
from sweeps import configured

from gridsearch.record.reader import Record
from gridsearch.report.export import sessions
from gridsearch.runner.sweep import sweep

BEHAVIOURS = {"behaviour": {"discrete": ["fine", "raises", "diverges"]}, "flip": {"discrete": [True]}}


def whole(logdir: Path) -> list[dict[str, Any]]:
    """What `mlflow.search_runs` returns: the sweep's run, then its sessions', in order."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{logdir / 'mlflow.db'}")
    rows = mlflow.search_runs(experiment_names=["gridsearch"]).to_dict("records")
    assert [row["tags.gridsearch.session"] for row in rows].count("") == 1
    return sorted(rows, key=lambda row: str(row["tags.gridsearch.session"]))


def found(logdir: Path) -> list[dict[str, Any]]:
    """The sessions' runs."""
    return whole(logdir)[1:]


def assert_same_times(record: Record) -> None:
    began, ended = [s.began for s in record.sessions], [s.ended or 0.0 for s in record.sessions]
    times = [(min(began), max(ended)), *zip(began, ended, strict=True)]
    shown = [(row["start_time"].timestamp(), row["end_time"].timestamp()) for row in whole(record.logdir)]
    assert np.allclose(shown, times, rtol=0, atol=0.002)


def assert_same_table(record: Record) -> None:
    rows = found(record.logdir)
    for row, exported in zip(rows, sessions(record), strict=True):
        for name, value in exported.items():
            kind = "params" if name in BEHAVIOURS else "metrics" if name in record.objective.columns else "tags"
            shown = row[f"{kind}.gridsearch.{name}" if kind == "tags" else f"{kind}.{name}"]
            assert shown == (value if kind == "metrics" else str(value)), name


def retold(logdir: Path) -> dict[str, int]:
    command = [sys.executable, "-m", "gridsearch", "mlflow", str(logdir), "--json"]
    answer: dict[str, int] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)
    return answer


@pytest.mark.slow
def test_failures_are_in_the_table_too_live_and_rebuilt(logdir: Path) -> None:
    config = configured(logdir, BEHAVIOURS, "objectives:behaving", sweep={"writers": ["mlflow"]})
    record = sweep(config).record
    assert_same_table(record)
    assert_same_times(record)
    states = ["FINISHED", "FAILED", "FAILED"]
    assert [row["status"] for row in found(logdir)] == states
    assert found(logdir)[2]["tags.gridsearch.message"] == "loss is nan in epoch 1"
    assert retold(logdir) == {"runs": 3, "written": 0}
    (logdir / "mlflow.db").unlink()
    assert retold(logdir) == {"runs": 3, "written": 3}
    assert_same_table(record)
    assert_same_times(record)
    assert [row["status"] for row in found(logdir)] == states


def test_every_name_is_made_one_that_mlflow_takes() -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_param

    from gridsearch.writers.mlflow import accepted_name

    @settings(max_examples=300)
    @given(names)
    @example("..")
    @example("/a")
    @example("a//b/")
    @example("a/../b")
    @example("./a")
    @example("x" * 300)
    def accepted(name: str) -> None:
        _validate_metric_name(accepted_name(name))
        _validate_metric_name(f"epoch/{accepted_name(name)}")
        _validate_param(accepted_name(name), "1")

    accepted()
    plain = ["accuracy", "val_loss", "learning rate", "data.image_size", "layer/units", "a-b:c"]
    assert [accepted_name(name) for name in plain] == plain
    assert len({accepted_name(name) for name in ("a%", "a&", "aé", "a/", "/a")}) == 5

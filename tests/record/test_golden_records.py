"""Records of every schema version that was released open, read as they did, check, and go on."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from golden import RECORDS, copied, described, expected, golden_records


def python(*arguments: str, folder: Path, exits: int = 0) -> str:
    """Run Python in a folder, and return what it says on both streams."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, *arguments]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == exits, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_every_golden_record_has_an_expectation() -> None:
    assert golden_records() == sorted(expected())
    assert sum(name.startswith("schema_1") for name in golden_records()) == 4


@pytest.mark.parametrize("name", golden_records())
def test_a_golden_record_is_of_the_schema_version_in_its_name(name: str) -> None:
    uri = f"{(RECORDS / name / 'logs' / 'sweep.db').as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (int(name.split("_")[1]),)


@pytest.mark.parametrize("name", golden_records())
def test_a_golden_record_reads_as_it_did(name: str, tmp_path: Path) -> None:
    assert described(copied(name, tmp_path)) == expected()[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", golden_records())
def test_tensorboard_shows_a_golden_record_as_recorded(name: str, tmp_path: Path) -> None:
    count = expected()[name]["count"]
    said = python("-m", "gridsearch", "check", str(copied(name, tmp_path)), folder=tmp_path)
    assert f"{count} of {count} trials are shown as recorded" in said


@pytest.mark.parametrize("name", golden_records())
def test_a_golden_record_makes_a_report(name: str, tmp_path: Path) -> None:
    logdir = copied(name, tmp_path)
    python("-m", "gridsearch", "report", str(logdir), folder=tmp_path)
    page = (logdir / "report.html").read_text()
    assert all(trial["name"] in page for trial in expected()[name]["trials"])


def test_a_golden_record_goes_on_from_its_rungs_and_is_extended(tmp_path: Path) -> None:
    logdir, before = copied("schema_1", tmp_path), expected()["schema_1"]
    file = logdir.parent / "sweep.toml"
    python("-m", "gridsearch", "sweep", file.name, folder=file.parent, exits=1)  # the failed trial stays failed
    after = described(logdir)
    statuses = {trial["name"]: trial["status"] for trial in before["trials"]}
    statuses |= {"run-0010": "completed", "run-0011": "completed", "run-0012": "stopped"}
    assert {trial["name"]: trial["status"] for trial in after["trials"]} == statuses
    assert after["paused"] == []
    assert list(after["seconds"]) == list(before["seconds"])  # the paused sessions went on, in place of new ones
    assert _not_paused(after, before["paused"]) == _not_paused(before, before["paused"])

    file.write_text(file.read_text().replace("[16, 32, 64]", "[16, 32, 64, 128]"))
    python("-m", "gridsearch", "sweep", file.name, folder=file.parent, exits=1)
    extended = described(logdir)
    assert extended["trials"][:12] == after["trials"]
    assert [trial["values"]["width"] for trial in extended["trials"][12:]] == [128] * 4
    assert [trial["status"] for trial in extended["trials"][12:]] == ["completed"] * 4  # the best of 16 at each rung
    assert "16 of 16 trials" in python("-m", "gridsearch", "check", str(logdir), folder=tmp_path)


def _not_paused(record: dict[str, Any], paused: list[str]) -> list[Any]:
    return [trial for trial in record["trials"] if trial["name"] not in paused]


@pytest.mark.slow
def test_a_golden_search_of_kerastuner_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("keras_tuner")
    logdir = copied("schema_1_kerastuner", tmp_path)
    script = logdir.parent / "search.py"
    script.write_text(script.read_text().replace("max_trials=3", "max_trials=4"))
    python(script.name, folder=script.parent)
    trials = described(logdir)["trials"]
    assert trials[:3] == expected()["schema_1_kerastuner"]["trials"]
    assert [trial["status"] for trial in trials[3:]] == ["completed"]

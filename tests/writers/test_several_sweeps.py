"""Several sweeps below one folder, a copy of one among them: no row is the mean of different trainings."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sweeps import configured

from gridsearch.record.place import read_place
from gridsearch.record.reader import Record
from gridsearch.runner.sweep import sweep
from gridsearch.writers.tensorboard.check import check


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "gridsearch", *arguments], capture_output=True, text=True, timeout=180)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sweeps, and a copy of the first."""
    logs = tmp_path / "logs"
    sweep(configured(logs / "one", {"x": {"discrete": [0.1, 0.2]}}))
    sweep(configured(logs / "two", {"x": {"discrete": [0.3, 0.4]}, "y": {"discrete": [1]}}))
    shutil.copytree(logs / "one", logs / "one-copy")
    return logs


@pytest.mark.slow
def test_every_trial_of_every_sweep_has_a_row_and_a_copy_gets_its_own(folder: Path) -> None:
    before = check(folder, patience=2)
    assert not before.ok, "the copy is not yet known as one"
    assert any("one, one-copy have rows of the same names" in note for note in before.notes)
    original = read_place(folder / "one")
    answer = command("check", str(folder), "--repair", "--patience", "2", "--json")
    found = json.loads(answer.stdout)
    assert answer.returncode == 0, found
    assert (found["agreeing"], found["rows"]) == (6, 6)
    assert [line.partition(":")[0] for line in found["repaired"][:-1]] == ["one-copy"]
    assert read_place(folder / "one") == original, "the original keeps its rows"
    assert any("HParams and metrics of only one of these 3 sweeps" in note for note in found["notes"])


def test_a_copy_that_is_swept_further_gets_rows_of_its_own(folder: Path) -> None:
    sweep(configured(folder / "one-copy", {"x": {"discrete": [0.1, 0.2, 0.5]}}))
    groups = {name: Record.read(folder / name).group for name in ("one", "one-copy", "two")}
    assert len(set(groups.values())) == 3
    assert b"run-0001 " + groups["one-copy"].encode() in event_file(folder / "one-copy" / "run-0001").read_bytes()


def test_a_log_directory_that_was_moved_keeps_its_rows(folder: Path) -> None:
    group = Record.read(folder / "one").group
    (folder / "one").rename(folder / "moved")
    sweep(configured(folder / "moved", {"x": {"discrete": [0.1, 0.2, 0.5]}}))
    assert Record.read(folder / "moved").group == group


def test_status_lists_the_sweeps_of_a_folder(folder: Path) -> None:
    (folder / "two" / "sweep.db").write_bytes(b"no database" * 1000)
    answer = command("status", str(folder), "--json")
    found: dict[str, Any] = json.loads(answer.stdout)["sweeps"]
    assert list(found) == ["one", "one-copy", "two"]
    assert found["one"]["plan"]["completed"] == 2
    assert "sweep.db" in found["two"]["problem"]


def event_file(directory: Path) -> Path:
    (file,) = directory.glob("*.tfevents.*")
    return file

"""Every example runs as it stands, and comes to what its header says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gridsearch.record.reader import Record, read_epochs
from gridsearch.trials import Status

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_logistic_regression(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    command = [sys.executable, "-m", "gridsearch", "sweep", "examples/logistic.toml"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120, capture_output=True)
    record = Record.read(tmp_path / "logs" / "logistic")
    assert record.count(Status.COMPLETED) == 20
    assert record.ranked()[0].mean("accuracy") == pytest.approx(0.85, abs=0.01)
    assert (record.ranked()[-1].mean("accuracy") or 1.0) < 0.81


@pytest.mark.slow
def test_the_search_of_kerastuners_tutorial(tmp_path: Path) -> None:
    pytest.importorskip("keras_tuner")
    command = [sys.executable, str(ROOT / "examples" / "kerastuner_search.py")]
    done = subprocess.run(command, cwd=tmp_path, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    record = Record.read(tmp_path / "logs" / "kerastuner")
    assert record.count(Status.COMPLETED) == 4
    assert {len(epochs) for epochs in read_epochs(tmp_path / "logs" / "kerastuner").values()} == {5}
    highest = max(trial.mean("best_accuracy") or 0.0 for trial in record.trials)  # the oracle goes by the best epoch
    best = [dict(trial.trial.values) for trial in record.trials if trial.mean("best_accuracy") == highest]
    assert any(f"best: {values}" in done.stdout for values in best)
    assert highest > 0.5


@pytest.mark.slow
def test_the_help_names_every_target_of_the_makefile() -> None:
    said = subprocess.run(["make", "--silent", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY: "))
    assert [line.split()[1] for line in said.splitlines()] == phony.split()[1:]

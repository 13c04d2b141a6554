"""A mistake that fails every trial: reported once, the sweep stops after three, and says how to go on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gridsearch.record.reader import Record
from gridsearch.trials import Status

SWEEP = """
[hparams]
x = { discrete = [1, 2, 3, 4, 5, 6, 7, 8] }
[model]
objective = "mistaken:train"
[sweep]
executor = "inline"
detail = "summary"
"""
ALIKE = "def train(values, report):\n    raise KeyError(f'no layer {values[\"x\"]}')\n"
SOUND = "def train(values, report):\n    return {'accuracy': 1 / values['x']}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a working directory with a sweep of eight trials that all fail."""
    (tmp_path / "sweep.toml").write_text(SWEEP)
    (tmp_path / "mistaken.py").write_text(ALIKE)
    return tmp_path


def gridsearch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gridsearch", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def trials(folder: Path) -> list[str]:
    return [str(trial.status) for trial in Record.read(folder / "logs" / "hparam_tuning").trials]


def test_a_sweep_stops_after_three_trials_that_fail_alike_and_goes_on_when_it_is_mended(folder: Path) -> None:
    done = gridsearch(folder, "sweep")
    assert done.returncode == 1
    assert trials(folder) == ["failed"] * 3
    assert done.stderr.count("the first 3 trials failed alike, so the sweep stops: KeyError: 'no layer 1'") == 1
    assert "Mend it, then `gridsearch sweep --retry-failed`" in done.stderr
    assert "  likewise run-0002, run-0003\n" in done.stderr
    assert "5 left" in done.stderr
    (folder / "mistaken.py").write_text(SOUND)
    mended = gridsearch(folder, "sweep", "--retry-failed")
    assert mended.returncode == 0, mended.stderr
    assert trials(folder) == ["completed"] * 8


def test_keep_going_trains_the_rest(folder: Path) -> None:
    done = gridsearch(folder, "sweep", "--keep-going")
    assert done.returncode == 1
    assert trials(folder) == ["failed"] * 8
    line = "all 8 failed alike: KeyError: 'no layer 1'; mend it, then `gridsearch sweep --retry-failed`"
    assert line in done.stderr.splitlines()


@pytest.mark.parametrize(
    ("train", "why"),
    [
        ("    if x == 2: return {'accuracy': 1.0}\n    raise KeyError('no')\n", "one has a result"),
        ("    raise {1: KeyError, 2: ValueError}.get(x, TypeError)('no')\n", "they fail in different ways"),
        ("    return {'accuracy': float('nan')}\n", "diverging may be due to the values"),
    ],
)
def test_other_failures_do_not_stop_a_sweep(folder: Path, train: str, why: str) -> None:
    (folder / "mistaken.py").write_text(f"def train(values, report):\n    x = values['x']\n{train}")
    gridsearch(folder, "sweep")
    assert len(trials(folder)) == 8, why


def test_an_earlier_result_lets_a_sweep_go_on(folder: Path) -> None:
    (folder / "mistaken.py").write_text(SOUND)
    assert gridsearch(folder, "sweep", "--set", "hparams.x.discrete=[1]").returncode == 0
    (folder / "mistaken.py").write_text(ALIKE)
    assert gridsearch(folder, "sweep").returncode == 1
    assert trials(folder) == [str(Status.COMPLETED), *["failed"] * 7]

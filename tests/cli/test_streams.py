"""Standard streams that are closed, full or no terminal: a sweep works, and a result that is lost is reported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sweeps import TESTS

from gridsearch.record.reader import Record

SWEEP = """
[hparams]
x = { discrete = [0.25, 0.5, 0.75] }
[model]
objective = "objectives:numbers"
[sweep]
workers = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a working directory with a sweep of a quick objective, trained by a worker."""
    shutil.copy(TESTS / "objectives.py", tmp_path)
    (tmp_path / "sweep.toml").write_text(SWEEP)
    return tmp_path


def shell(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run `gridsearch` as a shell does, with redirections."""
    line = f"{sys.executable} -m gridsearch {command}"
    return subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", ">&- 2>&- <&-", "2>/dev/full", "</dev/null >&- 2>&-"])
def test_a_sweep_works_with_its_streams_closed_and_nothing_is_written_into_the_record(
    folder: Path, closed: str
) -> None:
    done = shell(folder, f"sweep {closed}")
    assert done.returncode == 0, done.stderr
    record = Record.read(folder / "logs" / "hparam_tuning")
    assert [str(trial.status) for trial in record.trials] == ["completed"] * 3


def test_a_sweep_works_without_a_terminal(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gridsearch", "sweep"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        timeout=120,
        env={name: value for name, value in os.environ.items() if name != "TERM"},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["best", "export", "status --json", "plan"])
def test_a_result_that_a_full_disk_cannot_take_is_an_error_in_words(folder: Path, command: str) -> None:
    assert shell(folder, "sweep").returncode == 0
    done = shell(folder, f"{command} >/dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith("gridsearch: stdout: the result cannot be written: No space left on device")
    assert "Traceback" not in done.stderr


RAISES = """
import sys
from gridsearch import cli
@cli.cli.command("ends")
def ends():
    raise EOFError("no data left in file")
sys.argv = ["gridsearch", "ends"]
cli.main()
"""


def test_a_file_that_ends_too_early_is_no_interruption() -> None:
    """Click takes an EOFError for a prompt whose input was closed."""
    done = subprocess.run([sys.executable, "-c", RAISES], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "EOFError: no data left in file"

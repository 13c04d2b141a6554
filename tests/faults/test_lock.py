"""One runner at a time: races, other PID namespaces, clocks that are set, and a runner that was frozen."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from waiting import wait_until

from gridsearch.record.database import DATABASE
from gridsearch.record.reader import Record
from gridsearch.trials import Status
from gridsearch.writers.tensorboard.check import check

SKEWED = Path(__file__).parent / "skewed.py"
RACES = 200 if os.environ.get("FAULTS") == "long" else 6

OBJECTIVE = """
import os, time
def train(values, report):
    with open("trained.txt", "a") as file:
        file.write(f"{values['x']}\\n")
    while values["x"] >= float(os.environ.get("HELD_FROM", "9")) and not os.path.exists("go"):
        time.sleep(0.02)
    return {"accuracy": values["x"]}
"""
SWEEP = """
[hparams]
x = {{ discrete = {values} }}
[model]
objective = "quick:train"
[sweep]
workers = 1
logdir = "logs"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a sweep of three quick trials."""
    (tmp_path / "quick.py").write_text(OBJECTIVE)
    (tmp_path / "sweep.toml").write_text(SWEEP.format(values=[0.1, 0.2, 0.3]))
    return tmp_path


def start(folder: Path, *settings: str, held_from: float = 9.0) -> subprocess.Popen[str]:
    """Start a sweep; the trials from ``held_from`` on wait for a file named go."""
    command = [sys.executable, str(SKEWED), *settings, "--", "sweep"]
    environment = {**os.environ, "HELD_FROM": str(held_from)}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, stderr=subprocess.PIPE,
                            stdout=subprocess.DEVNULL)  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a sweep, and return its exit status and what it said."""
    _, said = process.communicate(timeout=120)
    return process.returncode, said


def trained(folder: Path) -> Counter[str]:
    """Count how often each value was trained."""
    file = folder / "trained.txt"
    return Counter(file.read_text().split()) if file.exists() else Counter()


def assert_whole(folder: Path) -> None:
    """Every trial completed once, and TensorBoard agrees."""
    record = Record.read(folder / "logs")
    assert [len(trial.sessions) for trial in record.trials] == [1, 1, 1]
    assert record.count(Status.COMPLETED) == 3
    assert check(folder / "logs").ok


@pytest.mark.slow
@pytest.mark.timeout(3600 if RACES > 100 else 300)
def test_of_two_runners_that_race_one_trains(folder: Path) -> None:
    for race in range(RACES):
        place = folder / str(race)
        place.mkdir()
        for name in ("quick.py", "sweep.toml"):
            (place / name).write_text((folder / name).read_text())
        both = [start(place), start(place)]
        ends = [finish(process) for process in both]
        assert {status for status, _ in ends} <= {0, 2}, ends
        assert 0 in {status for status, _ in ends}, ends
        assert all("another runner is at work here" in said for status, said in ends if status == 2), ends
        assert trained(place) == {"0.1": 1, "0.2": 1, "0.3": 1}
        assert Record.read(place / "logs").count(Status.COMPLETED) == 3


HERE = ("offset=1", "offset=-1", "offset=3", "offset=-3", "offset=3600", "offset=-3600")
UNSEEN = ("namespace=other", "host=elsewhere")


@pytest.mark.slow
@pytest.mark.parametrize("locks", [(), ("locks=none",)], ids=["kernel lock", "no locks"])
def test_a_living_runner_is_not_taken_over_whatever_the_clock_says(folder: Path, locks: tuple[str, ...]) -> None:
    """From here, from another PID namespace and from another host; clocks differ by seconds and by an hour."""
    with ExitStack() as opened:
        first = opened.enter_context(start(folder, "beat=0.2", *locks, held_from=0.2))
        opened.callback((folder / "go").touch)
        wait_until(lambda: trained(folder)["0.2"] == 1)
        for clock in HERE:
            for seen in ((), *((unseen,) for unseen in UNSEEN)):
                status, said = finish(start(folder, clock, *seen, "beat=0.2", *locks))
                assert (status, "another runner is at work here" in said) == (2, True), (clock, seen, said)
        (folder / "go").touch()
        assert finish(first)[0] == 0
    assert trained(folder) == {"0.1": 1, "0.2": 1, "0.3": 1}
    assert_whole(folder)


@pytest.mark.slow
def test_a_runner_whose_own_clock_was_set_keeps_its_lock(folder: Path) -> None:
    with ExitStack() as opened:
        first = opened.enter_context(start(folder, "offset=-3600", "beat=0.2", "locks=none", held_from=0.2))
        opened.callback((folder / "go").touch)
        wait_until(lambda: trained(folder)["0.2"] == 1)
        for seen in ((), *((unseen,) for unseen in UNSEEN)):
            status, said = finish(start(folder, *seen, "beat=0.2", "locks=none"))
            assert (status, "another runner is at work here" in said) == (2, True), (seen, said)
        (folder / "go").touch()
        assert finish(first)[0] == 0
    assert_whole(folder)


@pytest.mark.slow
def test_a_real_pid_namespace_is_another_place(folder: Path) -> None:
    inside = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may make no PID namespace")
    with ExitStack() as opened:
        first = opened.enter_context(start(folder, "locks=none", held_from=0.2))
        opened.callback((folder / "go").touch)
        wait_until(lambda: trained(folder)["0.2"] == 1)
        command = [*inside, sys.executable, str(SKEWED), "locks=none", "--", "sweep"]
        second = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert (second.returncode, "another runner is at work here" in second.stderr) == (2, True), second.stderr
        (folder / "go").touch()
        assert finish(first)[0] == 0
    assert_whole(folder)


@pytest.mark.slow
def test_a_frozen_runner_that_wakes_after_it_was_taken_over_says_so_and_writes_nothing(folder: Path) -> None:
    """Its machine slept; meanwhile a runner on another host, which sees no heartbeat, has finished the sweep."""
    with ExitStack() as opened:
        frozen = opened.enter_context(start(folder, "beat=0.2", "locks=none", held_from=0.2))
        opened.callback((folder / "go").touch)
        wait_until(lambda: trained(folder)["0.2"] == 1)
        wait_until(lambda: _freeze_between_transactions(frozen, folder / "logs" / DATABASE))
        opened.callback(frozen.send_signal, signal.SIGCONT)
        said: list[str] = []
        wait_until(lambda: _takes_over(folder, said), otherwise=lambda: str(said[-2:]))
        assert "looking for" in said[-1]
        finished = Record.read(folder / "logs")
        (folder / "go").touch()
        os.kill(frozen.pid, signal.SIGCONT)
        status, last = finish(frozen)
        assert (status, "another runner has taken over" in last) == (2, True), last
    after = Record.read(folder / "logs")
    assert after.trials == finished.trials, "what the woken runner knew was not recorded"
    assert [session.name for session in after.sessions] == ["run-0001", "run-0002", "run-0002-a2", "run-0003"]
    assert check(folder / "logs").ok


def _takes_over(folder: Path, said: list[str]) -> bool:
    """Run a sweep on another host, and return whether the heartbeat was old enough for it to take over."""
    status, line = finish(start(folder, "beat=0.2", "locks=none", "host=elsewhere"))
    said.append(line)
    assert status in (0, 2), line
    return status == 0


def _freeze_between_transactions(runner: subprocess.Popen[str], database: Path) -> bool:
    """Freeze a runner; if it holds SQLite's lock just then, let it go on and return False."""
    os.kill(runner.pid, signal.SIGSTOP)
    try:
        with closing(sqlite3.connect(database, timeout=0.0, isolation_level=None)) as own:
            own.execute("BEGIN EXCLUSIVE")
            own.execute("ROLLBACK")
    except sqlite3.OperationalError:
        os.kill(runner.pid, signal.SIGCONT)
        return False
    return True

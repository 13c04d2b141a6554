"""Every way a trial can go wrong in one sweep: each its own outcome, exit status 1, FAILURE for exactly those."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults.harness import Sweep, members, none_left
from faults.test_killed import sweep_in

from gridsearch.errors import LogdirError
from gridsearch.record.reader import Record, read_epochs
from gridsearch.system.signals import ONE_REQUEST
from gridsearch.trials import FailureKind, Status
from gridsearch.writers.tensorboard.check import check

pytestmark = pytest.mark.slow

HOSTILE = """
[hparams]
behaviour = { discrete = ["fine", "raises", "diverges", "killed", "leaves", "hangs", "eats"] }
again = { discrete = [1, 2] }
[model]
objective = "objectives:behaving"
[training]
stall_after = 4.0
retries = { killed = 0, stalled = 0 }
[sweep]
workers = 2
"""


@pytest.fixture
def memory_group() -> Iterator[Path]:
    """A control group that may hold 200 MiB."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    groups = {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}
    if "memory" in groups:
        parent, limit = Path(f"/sys/fs/cgroup/memory{groups['memory']}"), "memory.limit_in_bytes"
    else:
        parent, limit = Path(f"/sys/fs/cgroup{groups.get('', '/')}"), "memory.max"
    group = parent / f"gridsearch-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / limit).write_text(str(200 * 2**20))
    except OSError as error:
        pytest.skip(f"no memory control group can be made here: {error}")
    yield group
    group.rmdir()


def test_each_way_of_failing_is_told_apart_and_shown_as_failure(tmp_path: Path, memory_group: Path) -> None:
    hostile = sweep_in(tmp_path / "sweep", HOSTILE, MEMORY_GROUP=str(memory_group))
    assert hostile.finish() == 1
    record = Record.read(hostile.logdir)
    kinds = {}
    for trial in record.trials:
        (session,) = trial.sessions
        kinds.setdefault(trial.trial.values["behaviour"], set()).add(session.outcome.kind)
    assert kinds == {
        "fine": {None},
        "raises": {FailureKind.EXCEPTION},
        "diverges": {FailureKind.DIVERGED},
        "killed": {FailureKind.KILLED},
        "leaves": {FailureKind.KILLED},
        "hangs": {FailureKind.STALLED},
        "eats": {FailureKind.KILLED},
    }
    messages = {t.trial.values["behaviour"]: t.sessions[0].outcome.message for t in record.trials}
    assert "signal 9" in messages["killed"]
    assert "exit status 3" in messages["leaves"]
    assert "out of memory" in messages["eats"]
    verdict = check(hostile.logdir)  # it compares the status of every session
    assert verdict.ok, verdict.differences


def test_a_second_ctrl_c_ends_everything_at_once(tmp_path: Path) -> None:
    text = HOSTILE.replace('"fine", "raises", "diverges", "killed", "leaves", "hangs", "eats"', '"hangs"')
    stuck = sweep_in(tmp_path / "sweep", text.replace("4.0", "600.0"))
    process = stuck.start()
    deadline = time.monotonic() + 30
    while len(list(stuck.logdir.glob("run-*/train/*"))) < 2:
        assert time.monotonic() < deadline, stuck.said()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    time.sleep(ONE_REQUEST + 0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert none_left(process.pid)


def test_a_request_to_stop_that_comes_twice_at_once_is_one(tmp_path: Path) -> None:
    """As of make and timeout, which hand on what their children have had already."""
    text = HOSTILE.replace('"fine", "raises", "diverges", "killed", "leaves", "hangs", "eats"', '"hangs"')
    stopped = sweep_in(tmp_path / "sweep", text.replace("4.0", "600.0"))
    process = stopped.start()
    deadline = time.monotonic() + 30
    while len(list(stopped.logdir.glob("run-*/train/*"))) < 2:
        assert time.monotonic() < deadline, stopped.said()
        time.sleep(0.05)
    for _ in range(3):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.01)
    assert process.wait(60) == 130
    sessions = Record.read(stopped.logdir).sessions
    assert {(s.status, s.outcome.kind, s.outcome.charged) for s in sessions} == {
        (Status.FAILED, FailureKind.INTERRUPTED, False)
    }


def test_a_trained_trial_comes_to_the_same_when_it_is_run_again(tmp_path: Path, pictures: Path) -> None:
    from faults.test_killed import TRAINING

    trained = sweep_in(pictures.parent, TRAINING.replace("[2, 3, 4, 5]", "[4]").replace("[0.1, 0.01]", "[0.1]"))
    assert trained.finish() == 0

    def rerun(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gridsearch", "rerun", name, "--json"]
        return subprocess.run(command, cwd=trained.folder, capture_output=True, text=True, timeout=120)

    again = rerun("run-0001")
    assert again.returncode == 0, again.stderr
    result = json.loads(again.stdout)
    assert result["agrees"]
    assert result["found"]["loss"] == result["recorded"]["loss"]
    missing = rerun("run-0009")
    assert missing.returncode == 2
    assert "there is no trial 'run-0009'" in missing.stderr
    next((pictures / "train" / "cat").iterdir()).unlink()
    changed = rerun("run-0001")
    assert changed.returncode == 2
    assert "data.fingerprint" in changed.stderr
    facts = Record.read(trained.logdir).sessions[0].outcome.provenance
    wanted = {"host", "command", "git_commit", "git_dirty", "gridsearch", "python", "tensorflow", "keras", "numpy"}
    assert wanted <= set(facts)


def test_a_sigterm_to_everything_interrupts_and_charges_no_trial(tmp_path: Path) -> None:
    """As a scheduler or a service manager sends it: to the runner and to every worker."""
    text = HOSTILE.replace('"fine", "raises", "diverges", "killed", "leaves", "hangs", "eats"', '"waits"')
    sweep = sweep_in(tmp_path / "sweep", text.replace("4.0", "600.0"), GO_ON=str(tmp_path / "go"))
    for _ in range(3):
        process = sweep.start()
        wait_for(lambda: len(running_epochs(sweep.logdir)) == 2, sweep)
        for pid in members(process.pid):
            os.kill(pid, signal.SIGTERM)
        assert process.wait(60) == 130
        assert none_left(process.pid)
    (tmp_path / "go").touch()
    assert sweep.finish() == 0
    kinds = [session.outcome.kind for session in Record.read(sweep.logdir).sessions]
    assert kinds.count(None) == 2
    assert set(kinds) == {None, FailureKind.INTERRUPTED}


def test_what_a_trial_has_started_ends_with_it(tmp_path: Path) -> None:
    text = HOSTILE.replace('"fine", "raises", "diverges", "killed", "leaves", "hangs", "eats"', '"starts", "forks"')
    sweep = sweep_in(tmp_path / "sweep", text.replace("[1, 2]", "[1]"))
    assert sweep.finish() == 1, "and nothing of its session is left"
    kinds = [trial.sessions[0].outcome.kind for trial in Record.read(sweep.logdir).trials]
    assert kinds == [FailureKind.STALLED, FailureKind.KILLED], "a fork that outlives its worker hides that it died"


def running_epochs(logdir: Path) -> list[str]:
    """Sessions that run and have reported an epoch."""
    try:
        running = [s.name for s in Record.read(logdir).sessions if s.status is Status.RUNNING]
        return [name for name in running if name in read_epochs(logdir)]
    except LogdirError:
        return []


def wait_for(condition: Callable[[], bool], sweep: Sweep) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, sweep.said()
        time.sleep(0.05)

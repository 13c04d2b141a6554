"""The temporary folder of a child process, and its standard streams where the parent has none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sweeps import TESTS, configured
from waiting import wait_until

import gridsearch
from gridsearch.executors.placement import Place
from gridsearch.executors.processes import ProcessExecutor
from gridsearch.training.task import Task
from gridsearch.trials import Ended, Epoch, FailureKind, Message, Outcome, Session, Status, Trial
from gridsearch.writers.factory import GROUP

LEAVES = """
import os, signal, tempfile, time
def train(values, report):
    tempfile.mkdtemp()
    tempfile.mkstemp()
    report(0, {"accuracy": 0.5})
    if values["ends"] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    while values["ends"] == "late":
        time.sleep(0.1)
    return {"accuracy": 0.5}
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files, and in it nothing yet."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def task(folder: Path, ends: str) -> Task:
    (folder / "leaves.py").write_text(LEAVES)
    config = configured(folder / "logs", {"ends": {"discrete": [ends]}}, "leaves:train")
    session = Session(Trial(1, {"ends": ends}), 0, 1, 0)
    settings = config.settings_for(session.trial.values).model_copy(update={"folder": folder})
    return Task(session, session.trial.values, settings, config.objective, folder / "logs", "summary", None)


def collect_end(executor: ProcessExecutor) -> Outcome:
    messages: list[Message] = []

    def ended() -> bool:
        messages.extend(executor.collect(0.1))
        return any(isinstance(message, Ended) for message in messages)

    wait_until(ended)
    return next(message.outcome for message in messages if isinstance(message, Ended))


def test_what_a_trial_leaves_in_its_temporary_folder_goes_with_the_worker(tmp_path: Path, temporary: Path) -> None:
    executor = ProcessExecutor([Place()])
    executor.submit(task(tmp_path, "well"))
    assert collect_end(executor).status is Status.COMPLETED
    (own,) = temporary.iterdir()
    assert len(list(own.iterdir())) == 2
    executor.close()
    assert list(temporary.iterdir()) == []


def test_it_goes_with_a_worker_that_is_killed(tmp_path: Path, temporary: Path) -> None:
    executor = ProcessExecutor([Place()])
    executor.submit(task(tmp_path, "killed"))
    assert collect_end(executor).kind is FailureKind.KILLED
    assert list(temporary.iterdir()) == []
    executor.close()


def test_it_goes_with_a_worker_that_is_cancelled(tmp_path: Path, temporary: Path) -> None:
    executor = ProcessExecutor([Place()])
    executor.submit(task(tmp_path, "late"))
    wait_until(lambda: any(isinstance(message, Epoch) for message in executor.collect(0.1)))
    executor.cancel("run-0001", Outcome.failed(FailureKind.TIMEOUT, "too long"))
    assert list(temporary.iterdir()) == []
    executor.close()


SWEEP = """
[hparams]
ends = { discrete = ["late"] }
[model]
objective = "leaves:train"
[sweep]
workers = 1
"""


def start_sweep(folder: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """A sweep in a session of its own, and its worker's temporary folder when the trial has left something there."""
    folder.mkdir()
    (folder / "leaves.py").write_text(LEAVES)
    (folder / "sweep.toml").write_text(SWEEP)
    command = [sys.executable, "-m", "gridsearch", "sweep"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    before = set(Path(os.environ["TMPDIR"]).iterdir())
    process = subprocess.Popen(command, cwd=folder, start_new_session=True, **quiet)  # type: ignore[call-overload]

    def own() -> list[Path]:
        new = set(Path(os.environ["TMPDIR"]).iterdir()) - before
        return [one for one in new if one.is_dir() and len(list(one.iterdir())) == 2]

    wait_until(own)
    return process, own()[0]


def test_it_goes_when_the_runner_is_killed(tmp_path: Path, temporary: Path) -> None:
    process, own = start_sweep(tmp_path / "sweep")
    process.kill()
    process.wait()
    wait_until(lambda: not own.exists())


def test_it_goes_with_the_next_sweep_when_both_are_killed_and_no_other_does(tmp_path: Path, temporary: Path) -> None:
    """As the kernel does when memory runs out, or a scheduler at its limit."""
    living, theirs = start_sweep(tmp_path / "living")
    killed, own = start_sweep(tmp_path / "killed")
    worker = int(next(line for line in children(killed.pid) if line))
    os.kill(worker, signal.SIGSTOP)  # it cannot clean up
    killed.kill()
    killed.wait()
    os.kill(worker, signal.SIGKILL)
    for folder in (own, theirs):
        os.utime(folder, (1000, 1000))
    executor = ProcessExecutor([Place()])
    executor.submit(task(tmp_path, "well"))
    collect_end(executor)
    executor.close()
    assert not own.exists()
    assert theirs.exists()
    living.kill()
    living.wait()
    wait_until(lambda: not theirs.exists())


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()


WITHOUT_STREAMS = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from sweeps import configured
from gridsearch.runner.sweep import sweep
out = Path(sys.argv[1])
tables = {"sweep": {"executor": "processes", "workers": 1, "writers": ["listening"]}}
lines = []
result = sweep(configured(out / "logs", {"x": {"discrete": [0.25, 0.5]}}, **tables), warn=lines.append)
statuses = [str(trial.status) for trial in result.record.trials]
heard = (out / "logs" / "heard.txt").read_text()
(out / "found.json").write_text(json.dumps([statuses, lines, heard]))
"""


def test_workers_and_isolated_writers_start_where_a_program_has_no_standard_streams(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(WITHOUT_STREAMS)
    info = tmp_path / "hostile-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nlistening = hostile_writers:Listening\n")
    line = f'exec "{sys.executable}" "{script}" "{tmp_path}" "{TESTS}" <&- >&- 2>&-'
    package = Path(gridsearch.__file__).parents[1]
    path = os.pathsep.join(map(str, (tmp_path, TESTS, package)))
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, timeout=120, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0
    statuses, lines, heard = json.loads((tmp_path / "found.json").read_text())
    assert statuses == ["completed"] * 2
    assert lines == []
    assert "end run-0002 completed" in heard
    assert (tmp_path / "logs" / "run-0001" / "log.txt").read_text() == ""

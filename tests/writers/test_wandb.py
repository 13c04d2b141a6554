"""Weights & Biases where it hurts: no server, a bad one, kills; and what is rebuilt from the record."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from faults.harness import Sweep, kill_all, none_left
from sweeps import TESTS, configured
from waiting import wait_until
from writers.wandb_files import directories, history, records, summaries, to_be_synced

from benchmarks.servers import BEHAVIOURS, server
from gridsearch.config.sweep_config import SweepConfig
from gridsearch.record.reader import Record, read_epochs
from gridsearch.runner.sweep import sweep
from gridsearch.trials import Status
from gridsearch.writers.wandb import MARK

pytestmark = pytest.mark.slow

FOUR = """
[hparams]
x = { discrete = [0.2, 0.4, 0.6, 0.8] }
[model]
objective = "objectives:gated"
[sweep]
workers = 1
writers = ["wandb"]
[writers.wandb]
mode = "offline"
"""


def sweep_in(folder: Path, text: str, **environment: str) -> Sweep:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(TESTS / "objectives.py", folder)
    (folder / "sweep.toml").write_text(text)
    return Sweep(folder, environment)


def retold(logdir: Path, *options: str, writer: str = "wandb") -> dict[str, Any]:
    command = [sys.executable, "-m", "gridsearch", writer, str(logdir), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def ids(logdir: Path) -> list[str]:
    return sorted(directory.name.split("-", 3)[3] for directory in directories(logdir))


def test_a_sweep_that_was_killed_is_rebuilt_completely_under_the_same_ids(tmp_path: Path) -> None:
    """Rebuilt twice as the kill left it, resumed, and rebuilt twice again."""
    go = tmp_path / "go"
    sweep = sweep_in(tmp_path / "sweep", FOUR, GO_ON=str(go))
    process = sweep.start()
    wait_until(lambda: len(directories(sweep.logdir)) >= 3 or process.poll() is not None, 90, sweep.said)
    assert process.poll() is None, sweep.said()
    kill_all(process.pid)
    process.wait()
    assert none_left(process.pid)
    wait_until(lambda: not writing_below(sweep.logdir))  # W&B's service notices that it is alone, and ends
    live, left = ids(sweep.logdir), Record.read(sweep.logdir).sessions
    identity = Record.read(sweep.logdir).identity[:12]
    expected = [f"{identity}-run-{n:04d}" for n in (1, 2, 3, 4)]
    assert live == expected[:3]
    complete = [(directory / MARK).exists() for directory in directories(sweep.logdir)]
    assert not all(complete), "W&B was in the middle of one"
    assert retold(sweep.logdir)["runs"] == len(left)
    states = {Status.COMPLETED: "finished", Status.RUNNING: "failed"}
    assert [run["state"] for run in summaries(sweep.logdir)] == [states[session.status] for session in left]
    assert [session.status for session in left] == [Status.COMPLETED, Status.COMPLETED, Status.RUNNING]
    assert retold(sweep.logdir) == {"runs": len(left), "written": 0}
    go.touch()
    assert sweep.finish() == 0
    assert len(Record.read(sweep.logdir).sessions) == 5, "one of them interrupted"
    assert retold(sweep.logdir) == {"runs": 4, "written": 0}
    assert_complete(sweep.logdir, expected)
    shutil.rmtree(sweep.logdir / "wandb")
    assert retold(sweep.logdir) == {"runs": 4, "written": 4}
    assert_complete(sweep.logdir, expected)


def writing_below(folder: Path) -> list[int]:
    """Processes that have a file open below this folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(Path(file.path).is_relative_to(folder) for file in process.open_files()):
                found.append(process.pid)
    return found


def assert_complete(logdir: Path, expected: list[str]) -> None:
    """Four finished runs with all their epochs, one of them of a second attempt under the id of the first."""
    runs = summaries(logdir)
    assert [run["state"] for run in runs] == ["finished"] * 4
    assert [run["summary"]["session"]["trial"] for run in runs] == [f"run-{n:04d}" for n in (1, 2, 3, 4)]
    assert sum(run["name"].endswith("-a2") for run in runs) == 1
    assert [run["summary"]["accuracy"] for run in runs] == [0.2, 0.4, 0.6, 0.8]
    assert all(len(history(records(directory))) == 3 for directory in directories(logdir))
    assert ids(logdir) == to_be_synced(logdir) == expected


def test_runs_that_were_lost_or_cut_are_rebuilt_and_the_others_left_alone(logdir: Path) -> None:
    sweep(configured(logdir, {"x": {"discrete": [0.2, 0.4, 0.6]}}))
    assert retold(logdir, "--project", "cats") == {"runs": 3, "written": 3}
    before = ids(logdir)
    first, second, third = sorted(directories(logdir), key=lambda each: each.name[-8:])
    shutil.rmtree(first)
    (file,) = second.glob("*.wandb")
    os.truncate(file, file.stat().st_size // 2)
    time.sleep(1.0)  # the directory's name tells seconds
    assert retold(logdir, "--project", "cats") == {"runs": 3, "written": 2}
    assert ids(logdir) == before
    assert third in directories(logdir)
    assert [run["state"] for run in summaries(logdir)] == ["finished"] * 3
    assert retold(logdir, "--project", "dogs") == {"runs": 3, "written": 3}
    assert {run["project"] for run in summaries(logdir)} == {"dogs"}


def test_a_failed_trials_run_says_failed_live_and_rebuilt(logdir: Path) -> None:
    behaviours = {"behaviour": {"discrete": ["fine", "raises", "diverges", "killed"]}}
    processes = {"executor": "processes", "workers": 1, "writers": ["wandb"]}
    retries = {"retries": {"killed": 0}}
    sweep(configured(logdir, behaviours, "objectives:behaving", training=retries, sweep=processes))
    for _ in ("live", "rebuilt"):
        runs = summaries(logdir)
        assert [run["state"] for run in runs] == ["finished", "failed", "failed", "failed"]
        assert [run["exit_code"] for run in runs] == [0, 1, 1, 1]
        assert runs[1]["summary"]["failure"] == "exception: RuntimeError: out of learning"
        assert runs[3]["summary"]["failure"].startswith("killed: the worker was killed by signal 9")
        assert "accuracy" not in runs[1]["summary"], "it has no result"
        shutil.rmtree(logdir / "wandb")
        assert retold(logdir) == {"runs": 4, "written": 4}


def test_a_trial_that_goes_on_from_a_rung_has_all_its_epochs_live(logdir: Path, pictures: Path) -> None:
    tables = {
        "hparams": {"learning_rate": {"discrete": [0.01, 0.02, 0.03]}},
        "data": {
            "train": str(pictures / "train"),
            "validation": str(pictures / "validation"),
            "image_size": 8,
            "batch_size": 4,
        },
        "model": {"build": "networks:tiny"},
        "training": {"epochs": 3},
        "sweep": {"logdir": str(logdir), "workers": 1, "pruner": "halving", "writers": ["wandb", "mlflow"]},
    }
    sweep(SweepConfig.validate_tables(tables, where="test", folder=TESTS))
    epochs = read_epochs(logdir)
    assert sorted(len(each) for each in epochs.values()) == [1, 1, 3]
    logged = {
        directory.name[directory.name.index("run-0") :]: history(records(directory))
        for directory in directories(logdir)
    }
    assert {name: [row["epoch"] for row in rows] for name, rows in logged.items()} == {
        name: [n + 1 for n in each] for name, each in epochs.items()
    }
    for writer in ("wandb", "mlflow"):
        assert retold(logdir, writer=writer) == {"runs": 3, "written": 0}


def test_a_disabled_wandb_writes_nothing(logdir: Path) -> None:
    warnings: list[str] = []
    config = configured(logdir, {"x": {"discrete": [0.5]}}, sweep={"writers": ["wandb"]},
                        writers={"wandb": {"mode": "disabled"}})  # fmt: skip
    sweep(config, warn=warnings.append)
    assert warnings == []
    assert directories(logdir) == []


def test_offline_means_that_nobody_is_called(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server("hangs") as (address, calls):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, address)
        monkeypatch.setenv("WANDB_BASE_URL", address)
        config = configured(logdir, {"x": {"discrete": [0.5]}}, sweep={"writers": ["wandb", "mlflow"]},
                            writers={"wandb": {"mode": "offline"}})  # fmt: skip
        monkeypatch.setenv("WANDB_MODE", "online")
        monkeypatch.delenv("WANDB_ERROR_REPORTING")
        warnings: list[str] = []
        sweep(config, warn=warnings.append)
        shutil.rmtree(logdir / "wandb")
        retold(logdir)
        assert (len(directories(logdir)), warnings, calls) == (1, [], [])


SECONDS_AT_END = 15.0

SLOWED = f"""
import sys
from sweeps import configured
from gridsearch.runner.sweep import sweep
from gridsearch.writers import isolated
from pathlib import Path
isolated.SECONDS_AT_END = {SECONDS_AT_END}
config = configured(Path(sys.argv[1]), {{"behaviour": {{"discrete": ["fine", "waits"]}}}}, "objectives:behaving",
                    sweep={{"writers": ["wandb"]}}, writers={{"wandb": {{"mode": "online"}}}})
sweep(config, warn=lambda line: print(line, file=sys.stderr))
"""


def test_a_server_that_serves_nobody_is_not_waited_for_when_the_sweep_ends(tmp_path: Path) -> None:
    """The last trials end some seconds after W&B has begun to try; from then on nothing is waited for.

    What such a server costs a sweep is measured by ``benchmarks/writers.py``.
    """
    go = tmp_path / "go"
    with ExitStack() as opened:
        servers = {behaviour: opened.enter_context(server(behaviour)) for behaviour in BEHAVIOURS}
        sweeps = {behaviour: _started(tmp_path / behaviour, go, address) for behaviour, (address, _) in servers.items()}
        wait_until(lambda: all(calls for _, calls in servers.values()), 120, lambda: "W&B was never told anything")
        time.sleep(SECONDS_AT_END / 2 + 0.5)
        go.touch()
        for behaviour, process in sweeps.items():
            _, said = process.communicate(timeout=60)
            assert said.startswith("wandb is switched off, the sweep goes on without it: "), behaviour
            assert "`gridsearch wandb" in said
            assert len(said.splitlines()) == 1
            assert Record.read(tmp_path / behaviour).count(Status.COMPLETED) == 2
            silent = re.search(r"it has not answered for (\d+) s", said)
            assert silent is not None, said
            assert int(silent.group(1)) < SECONDS_AT_END, "what it had left of them was waited for"


def _started(logdir: Path, go: Path, address: str) -> subprocess.Popen[str]:
    online = {"WANDB_BASE_URL": address, "WANDB_API_KEY": "0123456789" * 4}
    return subprocess.Popen(
        [sys.executable, "-c", SLOWED, str(logdir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS), "GO_ON": str(go), **online},
    )

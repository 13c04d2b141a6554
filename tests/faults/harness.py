"""Sweeps in processes of their own that are killed for real, and what must hold of the log directory afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from gridsearch.record.database import DATABASE
from gridsearch.record.reader import Record
from gridsearch.trials import Status
from gridsearch.writers.tensorboard.check import check

SECONDS_TO_DIE = 10.0


@dataclass(frozen=True)
class Sweep:
    """A sweep file in a folder of its own, run again and again."""

    folder: Path
    environment: dict[str, str]

    @property
    def logdir(self) -> Path:
        return self.folder / "logs" / "hparam_tuning"

    def start(self) -> subprocess.Popen[bytes]:
        """The sweep's command, in a session of its own."""
        with (self.folder / "said.txt").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "gridsearch", "sweep"],
                cwd=self.folder,
                stdout=said,
                stderr=said,
                start_new_session=True,
                env={**os.environ, **self.environment},
            )

    def kill_after(self, seconds: float) -> bool:
        """Start it and kill all its processes at once after this time; False if it had ended by then."""
        process = self.start()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            kill_all(process.pid)
        process.wait()
        assert none_left(process.pid), "something of the killed sweep still runs"
        return process.returncode == -signal.SIGKILL

    def finish(self) -> int:
        """Run it to its end."""
        process = self.start()
        status = process.wait(300)
        assert none_left(process.pid), "the sweep left a process behind"
        return status

    def said(self) -> str:
        return (self.folder / "said.txt").read_text()


def kill_all(session: int) -> None:
    """SIGKILL to every process of a session: the runner's group and those of its workers."""
    for pid in members(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def none_left(session: int) -> bool:
    """Whether no process of this session is left, or none soon."""
    deadline = time.monotonic() + SECONDS_TO_DIE
    while members(session):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def members(session: int) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.Error, ProcessLookupError):
            continue
    return found


def assert_whole(logdir: Path, combinations: int) -> Record:
    """Every combination completed exactly once, the record sound, the dashboard in agreement."""
    database = sqlite3.connect(logdir / DATABASE)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
    record = Record.read(logdir)
    assert len({trial.trial.id for trial in record.trials}) == len(record.trials) == combinations
    for trial in record.trials:
        assert [session.status for session in trial.sessions].count(Status.COMPLETED) == 1, trial
        assert trial.status is Status.COMPLETED
    verdict = check(logdir)
    assert verdict.ok, verdict.differences[:5]
    return record


def assert_trained_once_each(record: Record, trainings: Path) -> None:
    """No completed trial was trained again.

    The side file has a line for each training that came to its end. One whose runner was killed before it could be
    recorded is no completed trial: it leaves an interrupted session, and is trained again as it must.
    """
    lines = Counter(trainings.read_text().split())
    for trial in record.trials:
        sessions = len(trial.sessions)
        assert 1 <= lines[repr(trial.trial.values["x"])] <= sessions, (trial, lines)
    completed_then_more = [t for t in record.trials if t.sessions[-1].status is not Status.COMPLETED]
    assert completed_then_more == [], "nothing may be tried after a trial completed"

"""Threads change the last digits: they are recorded, and mentioned when a resumed sweep has others."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from sweeps import TESTS

from gridsearch.record.reader import Record

SWEEP = "[hparams]\nx = { discrete = [0.25] }\n[model]\nobjective = 'objectives:numbers'\n[sweep]\nworkers = 1\n"


def test_a_resume_with_other_threads_says_so(tmp_path: Path) -> None:
    shutil.copy(TESTS / "objectives.py", tmp_path)
    (tmp_path / "sweep.toml").write_text(SWEEP)

    def sweep(*arguments: str) -> str:
        command = [sys.executable, "-m", "gridsearch", "sweep", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert "threads" not in sweep("--threads", "2")
    (session,) = Record.read(tmp_path / "logs" / "hparam_tuning").sessions
    assert session.outcome.provenance["threads"] == 2
    assert "threads" not in sweep("--threads", "1"), "nothing is trained"
    assert "threads" not in sweep("--threads", "2", "--set", "hparams.x.discrete=[0.25, 0.5]")
    said = sweep("--threads", "1", "--set", "hparams.x.discrete=[0.25, 0.5, 0.75]")
    line = (
        "earlier trials were trained with 2 threads, these are with 1: the last digits of results may differ for that"
    )
    assert line in said
    assert "`--threads 2` trains them alike" in said

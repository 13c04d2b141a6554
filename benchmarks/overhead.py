"""What the harness itself costs: quick trials through worker processes, and reading their record afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

import psutil

from gridsearch.record.reader import Record

TRIALS = int(os.environ.get("TRIALS", "10000"))
OBJECTIVE = "def train(values, report):\n    return {'accuracy': values['x']}\n"
SWEEP = """
[hparams]
x = {{ real_interval = [0.0, 1.0], points = {trials} }}
[model]
objective = "quick:train"
[sweep]
workers = 2
detail = "summary"
"""


def main() -> None:
    """Run a sweep of quick trials, watch the runner's memory, and read the record."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "quick.py").write_text(OBJECTIVE)
        (folder / "sweep.toml").write_text(SWEEP.format(trials=TRIALS))
        began = time.perf_counter()
        sizes = _swept(folder)
        wall = time.perf_counter() - began
        logdir = folder / "logs" / "hparam_tuning"
        ends = sorted(session.ended or 0.0 for session in Record.read(logdir).sessions)
        steps = [1000 * (later - earlier) for earlier, later in pairwise(ends)]
        print(f"{TRIALS} trials in {wall:.1f} s: {1000 * wall / TRIALS:.1f} ms a trial, all told")
        print(f"between two ends          median {median(steps):.1f} ms, 95% under {quantiles(steps, n=20)[18]:.1f} ms")
        early = max((size for done, size in sizes if done <= TRIALS / 10), default=0)
        late = max(size for _, size in sizes)
        growth = 100 * (late / early - 1) if early else 0
        where = f"{early / 2**20:.0f} MiB after a tenth, {late / 2**20:.0f} MiB at most ({growth:+.0f}%)"
        print(f"memory of the runner      {where}")
        for verb in ("status", "best", "export"):
            times = [_timed([sys.executable, "-m", "gridsearch", verb, str(logdir)]) for _ in range(5)]
            print(f"gridsearch {verb:15} median {median(times):.2f} s")


def _swept(folder: Path) -> list[tuple[int, int]]:
    """The runner's resident bytes as its trials end: (trials done, bytes)."""
    process = subprocess.Popen([sys.executable, "-m", "gridsearch", "sweep"], cwd=folder, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)  # fmt: skip
    runner, sizes, done = psutil.Process(process.pid), [], 0
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(b"run-"):
            done += 1
            if done % max(1, TRIALS // 100) == 0:
                try:
                    sizes.append((done, runner.memory_info().rss))
                except psutil.NoSuchProcess:
                    break
    if process.wait() != 0:
        sys.exit(f"the sweep ended with status {process.returncode}")
    return sizes


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began

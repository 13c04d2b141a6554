"""How long the commands that only report take, as whole processes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

RUNS = 9
HUGE = "[hparams]\n" + "\n".join(f"h{n} = {{ discrete = {list(range(10))} }}" for n in range(12))
COMMANDS = {
    "gridsearch --help": ["--help"],
    "gridsearch plan, 36 combinations": ["plan", "sweep.toml"],
    "gridsearch plan, 10^12 combinations": ["plan", "{huge}"],
}


def main() -> None:
    """Time each command, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        huge = Path(folder) / "huge.toml"
        huge.write_text(HUGE + "\n[model]\nobjective = 'quick:train'\n")
        huge.with_name("quick.py").write_text("def train(values, report):\n    return {'accuracy': 0.5}\n")
        times: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for _ in range(RUNS + 1):
            for name, arguments in COMMANDS.items():
                command = [sys.executable, "-m", "gridsearch", *(a.replace("{huge}", str(huge)) for a in arguments)]
                began = time.perf_counter()
                subprocess.run([*command, *(["--logdir", folder] if "plan" in command else [])], check=True,
                               stdout=subprocess.DEVNULL)  # fmt: skip
                times[name].append(time.perf_counter() - began)
    for name, all_times in times.items():
        warm = all_times[1:]
        print(f"{name:40} median {median(warm):.2f} s   ({min(warm):.2f} to {max(warm):.2f}, {RUNS} runs)")

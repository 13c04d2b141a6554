"""What W&B costs a sweep when its server serves nobody: whole command against whole command without it, in turn.

The server is on loopback and answers 500, takes connections and says nothing, or resets them. Sixteen trials on the
drawn sample, about a minute. ``ROUNDS=N`` is how often each is run (5).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.servers import server
from gridsearch.datasets.sample import draw_sample

SERVERS = ("fails", "hangs", "resets")
TRIALS = 16

SWEEP = """
[hparams]
num_units = {{ discrete = [64, 128] }}
dropout = {{ real_interval = [0.1, 0.4], points = 4 }}
learning_rate = {{ discrete = [0.001, 0.0005] }}
[data]
train = {train}
validation = {validation}
image_size = 75
[augmentation]
rescale = "1/255"
rotation_range = 45
[training]
epochs = 4
keep_models = 0
[sweep]
logdir = {logdir}
writers = {writers}
[writers.wandb]
mode = "online"
"""


def main() -> None:
    """Run them in turn and print seconds and ratios."""
    rounds = int(os.environ.get("ROUNDS", "5"))
    taken: dict[str, list[float]] = {name: [] for name in ("none", *SERVERS)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        draw_sample(folder / "sample", train=160, validation=80)
        for number in range(rounds):
            for name, seconds in taken.items():
                if name == "none":
                    seconds.append(_swept(folder, f"{name}-{number}", None))
                else:
                    with server(name) as (address, calls):
                        seconds.append(_swept(folder, f"{name}-{number}", address))
                    assert calls, "W&B never called its server"
                print(f"round {number + 1}  {name:8} {seconds[-1]:.1f} s", file=sys.stderr, flush=True)
    print("| W&B's server | seconds, median | lowest | highest | times without W&B, median | lowest | highest |")
    print("|---|---|---|---|---|---|---|")
    for name, seconds in taken.items():
        ratios = [one / without for one, without in zip(seconds, taken["none"], strict=True)]
        print(f"| {name} | {median(seconds):.1f} | {min(seconds):.1f} | {max(seconds):.1f} | {median(ratios):.3f} | "
              f"{min(ratios):.3f} | {max(ratios):.3f} |")  # fmt: skip


def _swept(folder: Path, name: str, address: str | None) -> float:
    """Seconds of a whole sweep, every trial of which must complete."""
    file = folder / f"{name}.toml"
    sample = {part: json.dumps(str(folder / "sample" / part)) for part in ("train", "validation")}
    writers = json.dumps(["wandb"] if address else [])
    file.write_text(SWEEP.format(**sample, logdir=json.dumps(str(folder / name)), writers=writers), encoding="utf-8")
    told = {"WANDB_BASE_URL": address, "WANDB_API_KEY": "0123456789" * 4} if address else {}
    command = [sys.executable, "-m", "gridsearch", "sweep", str(file), "--json"]
    began = time.perf_counter()
    run = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **told})
    took = time.perf_counter() - began
    assert len(json.loads(run.stdout)["trials"]) == TRIALS
    assert ("wandb is switched off" in run.stderr) == bool(address), run.stderr
    return took

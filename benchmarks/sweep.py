"""A whole sweep against the loop a user would write: whole command against whole command, in turn.

Six combinations, three optimizers at two dropout rates, 320 pictures to train on, 80 to validate on, event files on
both sides. On the drawn sample, or on ``PHOTOGRAPHS=FOLDER``. ``PLAIN_LOOP=FILE`` names another loop to beat, which
must take DATA, LOGDIR, --trials and --epochs, and whose module-level HParam RATE is narrowed to the one learning rate;
``ROUNDS=N`` how often each is run (5), ``EPOCHS=N`` for how long (6), ``PRECISIONS=float32`` which of ours (both).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, median, stdev

from benchmarks.precision import AUGMENTATION
from gridsearch.datasets.sample import draw_sample

TRIALS = 6
PRECISIONS = "mixed_bfloat16 float32"

NARROWED = """
import importlib.util, sys
specification = importlib.util.spec_from_file_location("loop", sys.argv[1])
loop = importlib.util.module_from_spec(specification)
specification.loader.exec_module(loop)
loop.RATE = loop.hp.HParam("learning_rate", loop.hp.Discrete([0.001]))
sys.argv = sys.argv[1:]
loop.main()
"""


def main() -> None:
    """Run them in turn and print images per second, ratios and accuracies."""
    rounds, epochs = int(os.environ.get("ROUNDS", "5")), int(os.environ.get("EPOCHS", "6"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = Path(os.environ.get("PHOTOGRAPHS") or folder / "sample")
        if not data.exists():
            draw_sample(data, train=320, validation=80)
        train = sum(1 for file in data.glob("train/*/*"))
        precisions = os.environ.get("PRECISIONS", PRECISIONS).split()
        speeds: dict[str, list[float]] = {name: [] for name in ("plain loop", *precisions)}
        accuracies: dict[str, list[float]] = {name: [] for name in speeds}
        for number in range(rounds):
            for name in speeds:
                began = time.perf_counter()
                logdir = folder / f"{name}-{number}"
                accuracy = (
                    _plain(data, logdir, epochs) if name == "plain loop" else _ours(data, logdir, epochs, name, number)
                )
                speeds[name].append(TRIALS * epochs * train / (time.perf_counter() - began))
                accuracies[name].append(accuracy)
                print(f"round {number + 1}  {name:15} {speeds[name][-1]:.1f} pictures/s  accuracy {accuracy:.4f}",
                      file=sys.stderr, flush=True)  # fmt: skip
    print(f"{TRIALS} trials, {epochs} epochs, {train} training pictures, {rounds} rounds\n")
    print("| | pictures a second, median | lowest | highest | times the plain loop, median | lowest | highest | "
          "mean accuracy | between rounds |\n|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    for name, found in speeds.items():
        ratios = [speed / plain for speed, plain in zip(found, speeds["plain loop"], strict=True)]
        spread = stdev(accuracies[name]) if rounds > 1 else 0.0
        print(f"| {name} | {median(found):.1f} | {min(found):.1f} | {max(found):.1f} | {median(ratios):.2f} | "
              f"{min(ratios):.2f} | {max(ratios):.2f} | {mean(accuracies[name]):.4f} | {spread:.4f} |")  # fmt: skip


def _plain(data: Path, logdir: Path, epochs: int) -> float:
    other = os.environ.get("PLAIN_LOOP")
    command = ["-c", NARROWED, other] if other else [str(Path(__file__).with_name("plain_loop.py"))]
    arguments = [str(data), str(logdir), "--trials", str(TRIALS), "--epochs", str(epochs)]
    run = subprocess.run([sys.executable, *command, *arguments], capture_output=True, text=True, check=True)
    return float(json.loads(run.stdout.splitlines()[-1])["mean_val_accuracy"])


def _ours(data: Path, logdir: Path, epochs: int, precision: str, seed: int) -> float:
    sweep_file = logdir.with_suffix(".toml")
    sweep_file.write_text(_sweep_file(data, logdir, epochs, precision, seed), encoding="utf-8")
    command = [sys.executable, "-m", "gridsearch", "sweep", str(sweep_file), "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    trials = json.loads(run.stdout)["trials"]
    assert len(trials) == TRIALS
    return mean(trial["metrics"]["accuracy"] for trial in trials)


def _sweep_file(data: Path, logdir: Path, epochs: int, precision: str, seed: int) -> str:
    augmentation = "\n".join(f"{name} = {json.dumps(value)}" for name, value in AUGMENTATION.items())
    return "\n".join(
        [
            "[hparams]\ndropout = { discrete = [0.1, 0.2] }\nlearning_rate = { discrete = [0.001] }",
            'num_units = { discrete = [256] }\noptimizer = { discrete = ["adam", "sgd", "rmsprop"] }',
            f"[data]\ntrain = {json.dumps(str(data / 'train'))}\nvalidation = {json.dumps(str(data / 'validation'))}",
            f"[augmentation]\n{augmentation}",
            f'[training]\nepochs = {epochs}\nseed = {seed}\nprecision = "{precision}"',
            f"[sweep]\nlogdir = {json.dumps(str(logdir))}",
        ]
    )

"""The whole process group killed with SIGKILL at random instants; the same command resumes.

The short version runs with every `make test`; `make faults` runs 100 kills of quick sweeps and 10 of real trainings.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from faults.harness import Sweep, assert_trained_once_each, assert_whole, none_left
from sweeps import TESTS

from gridsearch.record.reader import Record
from gridsearch.trials import FailureKind

pytestmark = pytest.mark.slow

LONG = os.environ.get("FAULTS") == "long"
SEED = int(os.environ.get("FAULTS_SEED", "20"))

QUICK = """
[hparams]
x = { real_interval = [0.0, 1.0], points = 80 }
[model]
objective = "objectives:numbers"
[sweep]
workers = 2
"""
TRAINING = """
[hparams]
width = { discrete = [2, 3, 4, 5] }
learning_rate = { discrete = [0.1, 0.01] }
[data]
image_size = 8
batch_size = 5
[augmentation]
rescale = "1/255"
horizontal_flip = true
[model]
build = "networks:tiny"
[training]
epochs = 3
[sweep]
workers = 2
"""


def sweep_in(folder: Path, text: str, **environment: str) -> Sweep:
    folder.mkdir(parents=True, exist_ok=True)
    for module in ("objectives.py", "networks.py"):
        shutil.copy(TESTS / module, folder)
    (folder / "sweep.toml").write_text(text)
    return Sweep(folder, environment)


@pytest.mark.parametrize("round_number", range(10 if LONG else 1))
def test_quick_trials_survive_kills_at_random_instants(tmp_path: Path, round_number: int) -> None:
    """80 trials of about 0.15 s, two at a time: some 8 s without a kill, and about half a second with each."""
    instants = random.Random(SEED + round_number)
    trainings = tmp_path / "trainings"
    sweep = sweep_in(tmp_path / "sweep", QUICK, EPOCH_SECONDS="0.05", TRAININGS=str(trainings))
    for _ in range(10 if LONG else 5):
        assert sweep.kill_after(instants.uniform(0.1, 1.4)), "it had ended before it was killed"
    assert sweep.finish() == 0
    record = assert_whole(sweep.logdir, 80)
    assert_trained_once_each(record, trainings)


@pytest.mark.timeout(900 if LONG else 300)  # in the long version ten kills and forty trainings
def test_real_trainings_survive_being_killed(pictures: Path) -> None:
    """Trainings of two seconds in workers that take three to wake TensorFlow up."""
    instants = random.Random(SEED)
    widths = list(range(2, 22 if LONG else 6))
    text = TRAINING.replace("epochs = 3", "epochs = 60").replace("[2, 3, 4, 5]", str(widths))
    sweep = sweep_in(pictures.parent, text)
    for _ in range(10 if LONG else 1):
        assert sweep.kill_after(instants.uniform(0.5, 9.0) if LONG else 5.0), "it had ended before it was killed"
    assert sweep.finish() == 0
    record = assert_whole(sweep.logdir, 2 * len(widths))
    kinds = {session.outcome.kind for session in record.sessions}
    assert kinds <= {None, FailureKind.INTERRUPTED}


def test_ctrl_c_in_the_middle_of_training_ends_in_order_and_the_rest_is_trained_later(pictures: Path) -> None:
    sweep = sweep_in(pictures.parent, TRAINING.replace("epochs = 3", "epochs = 200"))
    process = sweep.start()
    deadline = time.monotonic() + 60
    while not list(sweep.logdir.glob("run-0002/train/*")):
        assert time.monotonic() < deadline, sweep.said()
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    assert none_left(process.pid)
    assert "the same command goes on from here" in sweep.said()
    interrupted = [s for s in Record.read(sweep.logdir).sessions if s.outcome.kind is FailureKind.INTERRUPTED]
    assert len(interrupted) == 2
    assert not any(session.outcome.charged for session in interrupted)
    assert sweep.finish() == 0
    assert_whole(sweep.logdir, 8)


def test_workers_leave_when_only_the_runner_is_killed(tmp_path: Path) -> None:
    sweep = sweep_in(tmp_path / "sweep", QUICK, EPOCH_SECONDS="5")
    process = sweep.start()
    deadline = time.monotonic() + 30
    while not list(sweep.logdir.glob("run-0002/train/*")):
        assert time.monotonic() < deadline, sweep.said()
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert none_left(process.pid), "a worker outlived its runner"

"""Pictures that change while a sweep runs: no result of others is recorded; the sweep stops, says so, and resumes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from faults.test_killed import LONG

from gridsearch.record.reader import Record
from gridsearch.trials import FailureKind, Status
from gridsearch.writers.tensorboard.check import check

pytestmark = pytest.mark.slow

SWEEP = """
[hparams]
width = {{ discrete = [2, 3, 4] }}
[data]
image_size = 8
batch_size = 5
[model]
build = "changing:build"
[training]
epochs = 2
checkpoint = "epoch"
engine = "{engine}"
[sweep]
workers = 1
"""
BUILD = """
import networks, os, subprocess, sys
def build(values, shape, classes):
    if values["width"] == 3 and os.path.exists("change.py"):
        subprocess.run([sys.executable, "change.py"], check=True)
    return networks.tiny(values, shape, classes)
"""
"""A build that changes the pictures stands for somebody who does so while the second trial trains."""

CHANGES = {
    "class removed": "shutil.rmtree(train / 'dog')",
    "picture removed": "(train / 'dog' / 'dog.3.png').unlink()",
    "picture added": "shutil.copy(train / 'dog' / 'dog.3.png', train / 'cat' / 'another.png')",
    "picture replaced": (
        "file = train / 'dog' / 'dog.3.png'; before = file.stat(); content = bytearray(file.read_bytes()); "
        "content[-20] ^= 1; file.write_bytes(content); os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))"
    ),
    "folder removed": "shutil.rmtree(train.parent / 'validation')",
}
ALL = [(change, "fast") for change in CHANGES] + [("picture replaced", "keras")]


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gridsearch", "sweep"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def folder(pictures: Path) -> Path:
    folder = pictures.parent
    shutil.copy(Path(__file__).parents[1] / "networks.py", folder)
    (folder / "changing.py").write_text(BUILD)
    shutil.copytree(pictures, folder / "as recorded")
    return folder


def statuses(folder: Path) -> dict[int, list[tuple[Status, FailureKind | None]]]:
    trials = Record.read(folder / "logs" / "hparam_tuning").trials
    return {int(t.trial.values["width"]): [(s.status, s.outcome.kind) for s in t.sessions] for t in trials}


@pytest.mark.parametrize(("change", "engine"), ALL if LONG else ALL[:1] + ALL[-1:])
def test_a_change_while_a_trial_trains_is_no_result_and_stops_the_sweep(folder: Path, change: str, engine: str) -> None:
    (folder / "sweep.toml").write_text(SWEEP.format(engine=engine))
    script = f"import os, shutil\nfrom pathlib import Path\ntrain = Path('data/train')\n{CHANGES[change]}\n"
    (folder / "change.py").write_text(script)
    done = run(folder)
    assert done.returncode == 2, done.stderr
    assert "are not those that the record has" in done.stderr
    assert "Put the pictures back and run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    completed = [(Status.COMPLETED, None)]
    interrupted = [(Status.FAILED, FailureKind.INTERRUPTED)]
    assert statuses(folder) == {2: completed, 3: interrupted}
    logdir = folder / "logs" / "hparam_tuning"
    assert [file.name for file in (logdir / "models").iterdir()] == ["run-0001.keras"]
    assert not (logdir / "checkpoints" / "run-0002").exists(), "what it had learnt from other pictures"
    assert check(logdir).ok

    refused = run(folder)
    assert refused.returncode == 2
    assert statuses(folder) == {2: completed, 3: interrupted}, "nothing is trained on them"

    (folder / "change.py").unlink()
    shutil.rmtree(folder / "data")
    (folder / "as recorded").rename(folder / "data")
    resumed = run(folder)
    assert resumed.returncode == 0, resumed.stderr
    assert statuses(folder) == {2: completed, 3: interrupted + completed, 4: completed}
    assert check(logdir).ok


def test_pictures_that_changed_before_a_trial_began_are_not_trained_on(folder: Path) -> None:
    """The first trial changes them when it has been proven, as somebody does between two trials."""
    (folder / "sweep.toml").write_text(SWEEP.format(engine="fast").replace("workers = 1", "workers = 2"))
    (folder / "change.py").write_text("import shutil\nshutil.rmtree('data/train/dog')\n")
    done = run(folder)
    assert done.returncode == 2, done.stderr
    for sessions in statuses(folder).values():
        assert sessions[-1] in ((Status.COMPLETED, None), (Status.FAILED, FailureKind.INTERRUPTED))
    record = Record.read(folder / "logs" / "hparam_tuning")
    assert all(session.status is not Status.RUNNING for session in record.sessions), "what ran beside it is closed"

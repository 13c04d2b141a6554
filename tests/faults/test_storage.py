"""Disks that fill up, directories that vanish or cannot be written: told with a cure, and nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.harness import Sweep, assert_trained_once_each, assert_whole
from faults.test_killed import QUICK, sweep_in
from sweeps import configured

from gridsearch.record.reader import Record
from gridsearch.runner.sweep import sweep

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("detail", ["epoch", "summary"])
def test_a_full_disk_ends_the_sweep_with_the_cure_and_room_lets_it_go_on(
    small_disk: Path, tmp_path: Path, detail: str
) -> None:
    trainings = tmp_path / "trainings"
    text = QUICK.replace("points = 80", "points = 200") + f"detail = '{detail}'\n"
    small = sweep_in(tmp_path / "sweep", text, TRAININGS=str(trainings))
    small.logdir.parent.mkdir()
    small.logdir.symlink_to(small_disk, target_is_directory=True)
    assert small.finish() == 2
    assert "Make room on that disk and run the same command again" in small.said()
    assert "Traceback" not in small.said()
    assert small.finish() == 2, "it is still full"
    before = set(trainings.read_text().split())
    assert 5 < len(before) < 200
    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    assert small.finish() == 0, small.said()
    record = assert_whole(small.logdir, 200)
    assert_trained_once_each(record, trainings)


def test_a_run_directory_that_was_deleted_is_written_again_from_the_record(logdir: Path) -> None:
    config = configured(logdir, {"x": {"discrete": [0.25, 0.5, 0.75]}}, sweep={"detail": "summary"})
    sweep(config)
    shutil.rmtree(logdir / "run-0002")
    sweep(config)
    assert_whole(logdir, 3)


def test_a_run_directory_deleted_while_its_trial_runs_is_no_loss(logdir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    (folder / "cruel.py").write_text(
        "import os, shutil\n"
        "def train(values, report):\n"
        "    shutil.rmtree(os.environ['DOOMED'])\n"
        "    return {'accuracy': values['x']}\n"
    )
    (folder / "sweep.toml").write_text(
        "[hparams]\nx = {discrete = [0.5]}\n[model]\nobjective = 'cruel:train'\n[sweep]\nworkers = 1\n"
    )
    doomed = Sweep(folder, {})
    os.environ["DOOMED"] = str(doomed.logdir / "run-0001")
    try:
        assert doomed.finish() == 0, doomed.said()
    finally:
        del os.environ["DOOMED"]
    assert_whole(doomed.logdir, 1)


def test_a_read_only_file_system_is_refused(tmp_path: Path, small_disk: Path) -> None:
    reading = sweep_in(tmp_path / "sweep", QUICK)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    reading.logdir.parent.mkdir()
    reading.logdir.symlink_to(small_disk, target_is_directory=True)
    assert reading.finish() == 2
    assert "--logdir" in reading.said()
    assert "Traceback" not in reading.said()


@pytest.mark.parametrize("name", ["with space", "a'; echo foo", 'quo"te', "new\nline", "Versüch 🐈", "100% [a] {b}"])
def test_a_home_may_have_any_name_from_start_to_dashboard(tmp_path: Path, name: str) -> None:
    logdir = tmp_path / name
    config = configured(logdir, {"x": {"discrete": [0.25, 0.5]}}, sweep={"executor": "processes", "workers": 1})
    assert len(sweep(config).record.trials) == 2
    assert (logdir / "run-0001" / "log.txt").exists()
    assert_whole(logdir, 2)
    assert Record.read(logdir).logdir == logdir

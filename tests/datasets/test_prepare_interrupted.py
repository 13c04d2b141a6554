"""A prepare that is interrupted, killed, or out of disk leaves nothing half, and the next one succeeds."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from picture_files import competition, tree, write_zip
from waiting import wait_until

from gridsearch.datasets import parallel
from gridsearch.datasets.inspection import inspect
from gridsearch.datasets.prepare import prepare
from gridsearch.errors import DataError


@pytest.fixture
def source(tmp_path):
    return write_zip(tmp_path / "train.zip", competition(40, 40))


def assert_whole(out):
    assert sorted(path.name for path in out.iterdir()) == ["prepare.json", "train", "validation"]
    assert inspect(out / "train", out / "validation", deep=True).train_total == 64


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_the_middle_leaves_nothing(stop, workers, source, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH_A_POOL", 1)

    def interrupt(done, total):
        if done == total // 2:
            raise stop

    with pytest.raises(stop):
        prepare(source, tmp_path / "data", workers=workers, on_progress=interrupt)
    assert not (tmp_path / "data").exists()
    assert prepare(source, tmp_path / "data").written == 80
    assert_whole(tmp_path / "data")


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_an_interrupt_between_the_last_renames_leaves_all_or_nothing(nth, source, tmp_path, monkeypatch):
    out = tmp_path / "data"
    moves = {"done": 0}

    def interrupting(original):
        def move(self, target):
            if Path(target).parent == out:
                moves["done"] += 1
                if moves["done"] == nth:
                    raise KeyboardInterrupt
            return original(self, target)

        return move

    monkeypatch.setattr(Path, "rename", interrupting(Path.rename))
    monkeypatch.setattr(Path, "replace", interrupting(Path.replace))
    with pytest.raises(KeyboardInterrupt):
        prepare(source, out)
    if nth == 1:
        assert not out.exists()
    else:
        assert_whole(out)


KILLED_BETWEEN_RENAMES = """
import os, sys
from pathlib import Path
from gridsearch.datasets.prepare import prepare
rename = Path.rename
def killing(self, target):
    if Path(target).name == sys.argv[3]:
        os._exit(9)
    return rename(self, target)
Path.rename = killing
prepare(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("name", [".prepare-ready", "train", "validation"])
def test_a_kill_between_the_last_renames_is_mended_by_the_next_run(name, source, tmp_path):
    out = tmp_path / "data"
    command = [sys.executable, "-c", KILLED_BETWEEN_RENAMES, str(source), str(out), name]
    assert subprocess.run(command, check=False).returncode == 9
    assert not (out / "prepare.json").exists()
    summary = prepare(source, out)
    assert summary.written == (80 if name == ".prepare-ready" else 0)
    assert_whole(out)


KILLED_AT_WORK = """
import sys, time
from pathlib import Path
from gridsearch.datasets import parallel
from gridsearch.datasets.prepare import prepare
def wait(done, total):
    if done == 20:
        print("halfway", flush=True)
        time.sleep(60)
if __name__ == "__main__":
    parallel._WORTH_A_POOL = 1
    prepare(Path(sys.argv[1]), Path(sys.argv[2]), workers=2, on_progress=wait)
"""


def test_a_kill_at_work_leaves_no_data_and_no_processes_and_the_next_run_cleans_up(source, tmp_path):
    script, out = tmp_path / "script.py", tmp_path / "data"
    script.write_text(KILLED_AT_WORK)
    with subprocess.Popen([sys.executable, script, source, out], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"halfway\n"
        children = psutil.Process(process.pid).children(recursive=True)
        with pytest.raises(DataError, match=f"process {process.pid} is preparing this folder"):
            prepare(source, out)
        process.send_signal(signal.SIGKILL)
    assert len(children) >= 2
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert [path.name for path in out.iterdir()] == [f".prepare-{process.pid}"]
    assert prepare(source, out).written == 80
    assert_whole(out)


def test_a_staging_folder_whose_number_went_to_another_process_is_removed(source, tmp_path):
    stale = tmp_path / "data" / f".prepare-{os.getppid()}"
    stale.mkdir(parents=True)
    before_that_process = psutil.Process(os.getppid()).create_time() - 100
    os.utime(stale, (before_that_process, before_that_process))
    prepare(source, tmp_path / "data")
    assert_whole(tmp_path / "data")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_fails_is_told_and_nothing_left(code, source, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/README.md").write_text("mine")
    replace, left = os.replace, {"good": 30}

    def failing(old, new):
        left["good"] -= 1
        if left["good"] < 0:
            raise OSError(code, os.strerror(code), str(new))
        return replace(old, new)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(DataError, match=os.strerror(code)):
        prepare(source, tmp_path / "data")
    assert tree(tmp_path / "data") == {"README.md": b"mine"}


def test_a_worker_that_is_killed_is_told_and_nothing_left(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH_A_POOL", 1)
    many = write_zip(tmp_path / "many.zip", competition(200, 200))  # more than can be in flight when 20 are done

    def kill_a_worker(done, total):
        if done == 20:
            killed = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
            for child in killed:
                child.kill()
            wait_until(lambda: not any(map(lives, killed)))

    def lives(child):
        try:
            return child.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    with pytest.raises(DataError, match="a process that decodes pictures died"):
        prepare(many, tmp_path / "data", workers=2, on_progress=kill_a_worker)
    assert not (tmp_path / "data").exists()

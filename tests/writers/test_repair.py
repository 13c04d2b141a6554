"""Event files that are damaged or gone are written again from the record, by a sweep and by `check --repair`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sweeps import configured

from gridsearch.record.reader import Record, read_histories
from gridsearch.runner.dashboard import repair_dashboard
from gridsearch.runner.sweep import sweep
from gridsearch.writers.tensorboard import event_files
from gridsearch.writers.tensorboard.check import check
from gridsearch.writers.tensorboard.differences import curve_differences, shown_curves
from gridsearch.writers.tensorboard.event_files import list_event_files, read_scalars
from gridsearch.writers.tensorboard.events import CURVES

HPARAMS = {"x": {"discrete": [0.25, 0.75]}}


def truncate(size: int) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(file.read_bytes()[: size if size >= 0 else len(file.read_bytes()) + size])


def other_bytes(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x40
    file.write_bytes(content)


DAMAGES = {
    "to 0": truncate(0),
    "to 30": truncate(30),
    "all but 5": truncate(-5),
    "deleted": Path.unlink,
    "other bytes": other_bytes,
    "directory gone": lambda file: shutil.rmtree(file.parent),
}


def shown(logdir: Path) -> dict[str, dict[str, dict[int, float]] | None]:
    runs = ["run-0001", "run-0002", *(f"run-000{n}/{part}" for n in (1, 2) for part in CURVES)]
    return {run: files for run in runs if (files := read_scalars(list_event_files(logdir / run))) != {}}


@pytest.mark.parametrize("by", ["sweep", "repair"])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("where", ["run-0001", "run-0002/train", "."])
def test_a_damaged_event_file_is_written_again(logdir: Path, where: str, damage: str, by: str) -> None:
    if (where, damage) == (".", "directory gone"):
        pytest.skip("that is the record itself")
    config = configured(logdir, HPARAMS)
    sweep(config)
    before = shown(logdir)
    assert None not in before.values()
    (file,) = list_event_files(logdir / where)
    whole = file.read_bytes()
    DAMAGES[damage](file)
    if by == "sweep":
        sweep(config)
    else:
        repair_dashboard(logdir)
    assert shown(logdir) == before
    (again,) = list_event_files(logdir / where)
    assert len(again.read_bytes()) == len(whole)


@pytest.mark.slow
def test_tensorboard_shows_what_was_written_again(logdir: Path) -> None:
    sweep(configured(logdir, HPARAMS))
    for number, where in enumerate(["run-0001", "run-0002/train"]):
        (file,) = list_event_files(logdir / where)
        truncate(30 * number)(file)
    damaged = check(logdir, patience=2)
    assert {one.partition(":")[0] for one in damaged.differences} == {"run-0001", "run-0002"}
    repair_dashboard(logdir)
    assert check(logdir, patience=2).differences == ()


def test_what_is_whole_is_not_written_again(logdir: Path) -> None:
    config = configured(logdir, HPARAMS)
    sweep(config)
    files = sorted(logdir.rglob("*.tfevents.*"))
    sweep(config)
    assert not repair_dashboard(logdir)
    assert sorted(logdir.rglob("*.tfevents.*")) == files


def test_an_end_is_on_disk_before_it_is_recorded_as_delivered(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: set[Path] = set()
    sync = event_files.sync_files

    def note(files: list[Path]) -> None:
        files = list(files)
        delivered = {session.name for session in Record.read(logdir).sessions if session.delivered}
        assert not any(file.parent.name in delivered for file in files if file not in synced)
        sync(files)
        synced.update(files)

    monkeypatch.setattr("gridsearch.writers.tensorboard.events.sync_files", note)
    sweep(configured(logdir, HPARAMS))
    assert set(logdir.rglob("*.tfevents.*")) <= synced


def test_every_difference_between_curves_is_found(logdir: Path) -> None:
    sweep(configured(logdir, HPARAMS))
    wanted = shown_curves(Record.read(logdir), ".", read_histories(logdir))

    def found() -> dict[str, dict[str, dict[int, float]]]:
        return {run: {t: dict(p) for t, p in tags.items()} for runs in wanted.values() for run, tags in runs.items()}

    assert curve_differences(wanted, found()) == []
    lies = found()
    lies["run-0001/train"]["epoch_accuracy"][1] = 0.1667
    del lies["run-0002/train"]["epoch_accuracy"][2]
    lies["run-0002/train"]["epoch_f1"] = {0: 0.5}
    lies["run-0001/ghost"] = lies["ghost"] = {"epoch_loss": {0: 0.5}}
    del lies["run-0002"]
    problems = "\n".join(curve_differences(wanted, lies))
    for words in (
        "run-0001: epoch_accuracy in run-0001/train is 0.1667 in step 1",
        "run-0002: epoch_accuracy in run-0002/train has steps 0 to 1 (2), recorded 0 to 2 (3)",
        "run-0002: epoch_f1 in run-0002/train is shown, but not recorded",
        "run-0001: run-0001/ghost is shown, but not recorded",
        "ghost is shown, but not recorded",
        "run-0002: accuracy in run-0002 is not shown",
    ):
        assert words in problems

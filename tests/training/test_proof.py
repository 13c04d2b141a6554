"""What a session proves of its pictures before it trains."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image
from sweeps import TESTS

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.datasets.fingerprints import compute_fingerprint, compute_names_fingerprint
from gridsearch.datasets.listing import list_pictures
from gridsearch.training.proof import PicturesChanged, PicturesProof
from gridsearch.training.session import run_session
from gridsearch.training.task import Task
from gridsearch.trials import Ended, Epoch, FailureKind, Message, Session, Trial


def task_of(data: Path, logdir: Path, fingerprint: str) -> Task:
    tables = {
        "hparams": {"width": {"discrete": [2]}},
        "data": {"train": str(data / "train"), "validation": str(data / "validation"), "image_size": 8},
        "model": {"build": "networks:tiny"},
        "sweep": {"logdir": str(logdir)},
    }
    config = SweepConfig.validate_tables(tables, where="test", folder=TESTS)
    trial = Trial(1, {"width": 2})
    settings = config.settings_for(trial.values)
    session = Session(trial, 0, 1, 0)
    return Task(session, trial.values, settings, config.objective, logdir, "epoch", None, fingerprint=fingerprint)


def folders(data: Path) -> dict[str, Path]:
    return {part: data / part for part in ("train", "validation")}


def test_pictures_of_the_record_are_proven_by_the_formula_of_its_fingerprint(pictures: Path, logdir: Path) -> None:
    parts = folders(pictures)
    older = compute_names_fingerprint({part: list_pictures(folder) for part, folder in parts.items()})
    for fingerprint in ("", compute_fingerprint(parts), older):
        PicturesProof(task_of(pictures, logdir, fingerprint)).prove()


def test_a_session_on_other_pictures_ends_before_it_trains(pictures: Path, logdir: Path) -> None:
    task = task_of(pictures, logdir, compute_fingerprint(folders(pictures)))
    file = pictures / "train" / "cat" / "cat.3.png"
    before = file.stat()
    Image.new("RGB", (12, 9), (1, 2, 3)).save(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(PicturesChanged, match="are not those that the record has: recorded v2:"):
        PicturesProof(task).prove()
    said: list[Message] = []
    run_session(task, said.append)
    (ended,) = said
    assert isinstance(ended, Ended)
    assert not any(isinstance(message, Epoch) for message in said)
    assert ended.outcome.pictures_changed
    assert (ended.outcome.kind, ended.outcome.charged) == (FailureKind.INTERRUPTED, False)


@pytest.mark.parametrize("change", ["removed", "added", "class removed", "exchanged"])
def test_every_change_is_found(pictures: Path, logdir: Path, change: str) -> None:
    task = task_of(pictures, logdir, compute_fingerprint(folders(pictures)))
    cat, dog = (pictures / "train" / name / f"{name}.0.png" for name in ("cat", "dog"))
    if change == "removed":
        cat.unlink()
    elif change == "added":
        shutil.copy(cat, dog.with_name("another.png"))
    elif change == "class removed":
        shutil.rmtree(dog.parent)
    else:
        cat.rename(cat.with_suffix(".tmp"))
        dog.rename(cat)
        cat.with_suffix(".tmp").rename(dog)
    with pytest.raises(PicturesChanged):
        PicturesProof(task).prove()


def test_a_training_that_changes_the_working_directory_changes_no_pictures(
    pictures: Path, logdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    proof = PicturesProof(task_of(Path("data"), logdir, compute_fingerprint(folders(pictures))))
    proof.prove()
    monkeypatch.chdir("/")
    proof.prove()


def test_a_folder_that_is_gone_is_a_change(pictures: Path, logdir: Path) -> None:
    task = task_of(pictures, logdir, compute_fingerprint(folders(pictures)))
    (pictures / "validation").rename(pictures / "elsewhere")
    with pytest.raises(PicturesChanged, match="validation"):
        PicturesProof(task).prove()

"""Pictures exchanged between two runs of a sweep, and records made before contents were fingerprinted."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

SWEEP = """
[hparams]
dropout = {{ discrete = {values} }}
[data]
train = "{data}/train"
validation = "{data}/validation"
image_size = 40
batch_size = 5
[training]
epochs = 1
[sweep]
logdir = "{logs}"
executor = "inline"
"""


def sweep(data: Path, values: list[float]) -> subprocess.CompletedProcess[str]:
    file = data.parent / "sweep.toml"
    file.write_text(SWEEP.format(data=data, values=values, logs=data.parent / "logs"))
    command = [sys.executable, "-m", "gridsearch", "sweep", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def recipe(data: Path) -> dict[str, object]:
    with closing(sqlite3.connect(data.parent / "logs" / "sweep.db")) as database:
        (text,) = database.execute("SELECT value FROM sweep WHERE key = 'recipe'").fetchone()
    found: dict[str, object] = json.loads(text)
    return found


@pytest.mark.slow
def test_exchanged_pictures_are_refused_and_an_older_record_is_accepted_and_upgraded(pictures: Path) -> None:
    cat, dog = (pictures / "train" / name / f"{name}.0.png" for name in ("cat", "dog"))
    longest = max(cat.stat().st_size, dog.stat().st_size)
    for path in (cat, dog):
        path.write_bytes(path.read_bytes().ljust(longest, b"\0"))
        os.utime(path, (1000, 1000))
    first = sweep(pictures, [0.1])
    assert first.returncode == 0, first.stderr
    recorded = str(recipe(pictures)["data.fingerprint"])

    older = recipe(pictures) | {"data.fingerprint": recorded.split(":")[2]}
    with closing(sqlite3.connect(pictures.parent / "logs" / "sweep.db")) as database, database:
        database.execute("UPDATE sweep SET value = ? WHERE key = 'recipe'", (json.dumps(older),))
    second = sweep(pictures, [0.1, 0.2])
    assert second.returncode == 0, second.stderr
    assert recipe(pictures)["data.fingerprint"] == recorded

    cat.rename(cat.with_suffix(".tmp"))
    dog.rename(cat)
    cat.with_suffix(".tmp").rename(dog)
    third = sweep(pictures, [0.1, 0.2, 0.3])
    assert third.returncode == 2
    assert "data.fingerprint: recorded" in third.stderr
    assert "other pictures than those recorded" in third.stderr

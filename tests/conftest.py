"""Fixtures that tests all over the house share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture(autouse=True, scope="session")
def picture_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Decoded pictures go to a folder of the tests' own, in this process and in those it starts."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRIDSEARCH_CACHE", str(folder))
        yield folder


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    """A log directory that does not exist yet."""
    return tmp_path / "logs" / "sweep"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium, without which tests in a browser cannot run: CI installs one."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A data folder of plain colours: 15 to train on, 10 to validate on; red cats and blue dogs."""
    data = tmp_path / "data"
    for part, count in (("train", {"cat": 8, "dog": 7}), ("validation", {"cat": 5, "dog": 5})):
        for name, number in count.items():
            folder = data / part / name
            folder.mkdir(parents=True)
            for n in range(number):
                colour = (200, 10 * n, 30) if name == "cat" else (30, 10 * n, 200)
                Image.new("RGB", (12, 9), colour).save(folder / f"{name}.{n}.png")
    return data


@pytest.fixture(scope="session", autouse=True)
def nobody_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever this machine's user has set up for W&B and MLflow is none of the tests' business, nor is any network."""
    own = tmp_path_factory.mktemp("settings")
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith(("WANDB_", "MLFLOW_"))]:
            patched.delenv(name)
        for kind in ("CONFIG", "CACHE", "DATA"):
            patched.setenv(f"WANDB_{kind}_DIR", str(own / kind.lower()))
        patched.setenv("WANDB_MODE", "offline")
        patched.setenv("WANDB_ERROR_REPORTING", "false")
        yield

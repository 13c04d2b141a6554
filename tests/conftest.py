"""Fixtures that tests all over the house share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def home(tmp_path: Path) -> Path:
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

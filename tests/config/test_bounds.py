"""Numbers that would fill the memory are refused before any list is built, with key and bound."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from sweeps import TESTS

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import SweepFileError
from gridsearch.hparams.domain import MOST_VALUES, Discrete, RealInterval

MEMORY = 4 * 2**30
"""Bytes of address space that a plan may take here."""

HUGE = [
    ("hparams.x={real_interval=[0.0,1.0],points=1000000000}", "hparams.x: points=1000000000: 100,000 at most"),
    ("hparams.x={int_interval=[0,1000000000],points=900000000}", "hparams.x: points=900000000: 100,000 at most"),
    ("training.repeats=1000000000", "training.repeats = 1000000000: input should be less than or equal to 1000"),
    ("training.epochs=1000000000000", "training.epochs = 1000000000000: input should be less than or equal to"),
    ("sweep.workers=1000000000", "sweep.workers = 1000000000: input should be less than or equal to 4096"),
    ("sweep.threads=1000000000", "sweep.threads = 1000000000: input should be less than or equal to 4096"),
    ("data.image_size=1000000000", "data.image_size = 1000000000: input should be less than or equal to 10000"),
    ("data.batch_size=1000000000000", "data.batch_size = 1000000000000: input should be less than or equal to"),
]


@pytest.mark.parametrize(("override", "message"), HUGE, ids=[override[:30] for override, _ in HUGE])
def test_a_huge_number_is_refused_with_its_bound(tmp_path: Path, override: str, message: str) -> None:
    (tmp_path / "sweep.toml").write_text("[hparams]\nx = { discrete = [0.5] }\n[model]\nbuild = 'objectives:numbers'\n")
    done = subprocess.run(
        [sys.executable, "-m", "gridsearch", "plan", "--set", override],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{TESTS}:{':'.join(sys.path)}"},
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def test_lists_and_points_have_one_bound() -> None:
    assert len(RealInterval(0.0, 1.0, points=MOST_VALUES).values) == MOST_VALUES
    assert len(Discrete(range(MOST_VALUES)).values) == MOST_VALUES
    with pytest.raises(ValueError, match="more than 100,000 values: declare an interval"):
        Discrete(iter(int, 1))  # endless
    with pytest.raises(ValueError, match="100,000 at most"):
        RealInterval(0.0, 1.0, points=MOST_VALUES + 1)


def test_a_long_list_of_one_value_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"named twice: 0.5$"):
        Discrete([0.5] * MOST_VALUES)
    with pytest.raises(ValueError, match=r"named twice: .* and 40 more$"):
        Discrete([n % 50 for n in range(MOST_VALUES)])


def test_a_bound_names_file_key_and_value() -> None:
    tables = {"hparams": {"x": {"discrete": [1]}}, "training": {"repeats": 10**9}}
    with pytest.raises(SweepFileError, match=r"^sweep\.toml: training\.repeats = 1000000000: .* 1000$"):
        SweepConfig.validate_tables(tables, where="sweep.toml", folder=TESTS)

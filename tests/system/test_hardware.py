"""What the machine grants: read from files and programs that a container or another machine would have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gridsearch.config.sections import Training
from gridsearch.config.sweep_config import SweepConfig
from gridsearch.system import hardware


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing is remembered from another test, nor for one."""
    remembered = (hardware.gpus, hardware.native_bfloat16, hardware.matrix_unit)
    for answer in remembered:
        answer.cache_clear()
    yield
    for answer in remembered:
        answer.cache_clear()


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two control groups, one in the other."""
    outer, inner = tmp_path, tmp_path / "inner"
    inner.mkdir()
    monkeypatch.setattr(hardware, "_control_groups", lambda: iter([inner, outer]))
    return outer, inner


def test_the_tightest_quota_of_time_counts(groups: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert hardware.processors() == 64
    groups[1].joinpath("cpu.max").write_text("max 100000\n")
    assert hardware.processors() == 64
    groups[0].joinpath("cpu.max").write_text("250000 100000\n")
    assert hardware.processors() == 3
    groups[1].joinpath("cpu.max").write_text("10000 100000\n")
    assert hardware.processors() == 1


def test_the_tightest_limit_of_memory_counts_and_file_pages_are_free(groups: tuple[Path, Path]) -> None:
    free = hardware.memory_available()
    assert abs(free - psutil.virtual_memory().available) < 2**30
    for group, limit in zip(groups, ("max", str(100 * 2**20)), strict=True):
        group.joinpath("memory.max").write_text(limit)
        group.joinpath("memory.current").write_text(str(90 * 2**20))
        group.joinpath("memory.stat").write_text(f"anon 1\ninactive_file {20 * 2**20}\nactive_file {10 * 2**20}\n")
    assert hardware.memory_available() == 40 * 2**20


def nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_gpus_are_those_that_the_driver_and_the_environment_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvidia_smi(tmp_path, monkeypatch, "echo '0, 9.0'; echo '1, 7.5'")
    assert hardware.gpus() == (hardware.Gpu("0", 9.0), hardware.Gpu("1", 7.5))
    assert not hardware.native_bfloat16(), "one of them cannot"
    for visible, expected in (("1", ["1"]), ("", []), ("-1", []), ("1,0", ["1", "0"]), ("GPU-abc", ["GPU-abc"])):
        hardware.gpus.cache_clear()
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert [gpu.index for gpu in hardware.gpus()] == expected
    hardware.gpus.cache_clear()
    hardware.native_bfloat16.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert hardware.native_bfloat16()
    monkeypatch.setattr(hardware, "_processor_flags", set)
    assert not hardware.native_bfloat16(with_gpus=False), "of GPUs that are not used nothing follows"
    training = {"training": {"precision": "auto"}}
    for number, precision in ((0, "float32"), (1, "mixed_bfloat16")):
        config = SweepConfig.validate_tables(
            {"hparams": {"dropout": {"discrete": [0.1]}}, "sweep": {"gpus": number}, **training},
            where="test",
            folder=tmp_path,
        )
        assert config.settings_for({"dropout": 0.1}).training.precision == precision
        assert config.recipe()["training.precision"] == precision


@pytest.mark.parametrize("script", ["exit 9", "echo 'No devices were found'", "echo '0, [N/A]'"])
def test_a_driver_that_does_not_answer_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    nvidia_smi(tmp_path, monkeypatch, script)
    assert hardware.gpus() == ()


@pytest.mark.parametrize(
    ("flags", "native"),
    [
        ({"avx2", "avx512_bf16"}, True),
        ({"amx_bf16"}, True),
        ({"bf16"}, True),
        ({"avx512f", "fma"}, False),
        (set(), False),
    ],
)
def test_without_gpus_the_processor_decides_and_auto_follows(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], native: bool
) -> None:
    monkeypatch.setattr(hardware, "_processor_flags", lambda: flags)
    monkeypatch.setenv("PATH", "")
    assert hardware.native_bfloat16() is native
    assert hardware.matrix_unit() is ("amx_bf16" in flags)
    assert Training().resolve().precision == ("mixed_bfloat16" if native else "float32")
    assert Training(precision="float32").resolve().precision == "float32"


def test_flags_are_read_where_there_are_some() -> None:
    if Path("/proc/cpuinfo").exists():
        assert hardware._processor_flags()

"""The figures as files: all that there is data for, and no others; the same record, the same file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hostile import HOSTILE
from PIL import Image
from records import made, record_of
from sweeps import configured

from gridsearch.hparams.domain import HParam, RealInterval
from gridsearch.record.reader import read_epochs
from gridsearch.report.facts import collect_facts
from gridsearch.report.figures import FIGURES, write_figures
from gridsearch.runner.sweep import sweep

X = HParam("x", RealInterval(0.0, 1.0, points=2))


def test_every_figure_of_a_sweep_with_hostile_names(logdir: Path, tmp_path: Path) -> None:
    record = sweep(configured(logdir, HOSTILE, "objectives:scored")).record
    facts = collect_facts(record, read_epochs(logdir))
    written = write_figures(facts, tmp_path / "one" / "two")
    assert sorted(file.name for file in written) == sorted(f"{n}.{kind}" for n in FIGURES for kind in ("png", "svg"))
    for file in written:
        if file.suffix == ".png":
            with Image.open(file) as picture:
                assert picture.width > 400
                assert len(picture.convert("L").getcolors()) > 10, "something is drawn"
        else:
            assert "<script" not in file.read_text()


@pytest.mark.parametrize(
    ("trials", "names"),
    [([], []), ([made(1, {"x": 0.1}, [{"accuracy": 0.5, "seconds": 1.0}])], ["effects", "parallel", "time"])],
)
def test_what_there_is_no_data_for_is_not_written(tmp_path: Path, trials: list[object], names: list[str]) -> None:
    facts = collect_facts(record_of([X], trials), {})  # type: ignore[arg-type]
    written = write_figures(facts, tmp_path / "one")
    assert sorted({file.stem for file in written}) == names
    again = write_figures(facts, tmp_path / "again")
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in written]


def test_without_matplotlib_the_cure_is_named(logdir: Path, tmp_path: Path) -> None:
    sweep(configured(logdir, {"x": {"discrete": [0.5]}}))
    hide = "import sys; sys.modules['matplotlib'] = None; from gridsearch.cli import main; main()"
    command = [sys.executable, "-c", hide, "report", str(logdir), "--figures", str(tmp_path / "figures")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "gridsearch: --figures: matplotlib is not installed\n"
        "  Install it: pip install 'gridsearch[figures]'; report.html shows the same without.\n"
    )
    assert (logdir / "report.html").exists()

"""Strategies on a table of what was trained: the benchmark's machinery, and what it must show."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

import pytest
from sweeps import configured

from benchmarks.recorded import kept, load
from benchmarks.search import STRATEGIES, found_by
from gridsearch.hparams.grid import Grid
from gridsearch.runner.sweep import sweep
from gridsearch.strategies.replay import ReplayedSweep

FIXTURE = Path(__file__).parent / "fixtures" / "recorded36.json"


def test_a_sweep_kept_as_a_table_answers_as_it_did(logdir: Path, tmp_path: Path) -> None:
    hparams = {"x": {"discrete": [n / 16 for n in range(12)]}, "seed": {"discrete": [1, 2, 3]}}
    record = sweep(configured(logdir, hparams, training={"epochs": 3})).record
    file = tmp_path / "table.json"
    file.write_text(json.dumps(kept(logdir)))
    table = load(file)
    assert len(table.curves) == 36
    assert table.epochs == 3
    assert table.best == 11 / 16
    for trial in record.trials:
        x = float(trial.trial.values["x"])
        assert table.curve(trial.trial.values) == pytest.approx([x / 3, 2 * x / 3, x])
    found = [found_by(STRATEGIES["grid"](table, seed), table) for seed in range(9)]
    assert all(one.epochs == 3 * one.trials and one.trials <= 36 for one in found)
    assert len(set(found)) > 1, "each seed is another order"
    halved = ReplayedSweep(table.curve, table.objective)
    strategy = STRATEGIES["grid with halving"](table, 0)
    epochs = 0
    while step := halved.step(strategy):
        epochs += step.epochs
    assert epochs == 36 * 1 + 12 * 2
    assert all(values in Grid(table.hparams) for values in (trial.trial.values for trial in halved.trials))


@pytest.mark.skipif(not FIXTURE.exists(), reason="the table of 36 trained combinations has not been recorded yet")
def test_a_grid_with_halving_finds_the_best_with_two_fifths_of_the_epochs() -> None:
    table = load(FIXTURE)
    assert len(table.curves) == 36
    epochs = [found_by(STRATEGIES["grid with halving"](table, seed), table).epochs for seed in range(50)]
    assert median(epochs) <= 0.4 * 36 * table.epochs

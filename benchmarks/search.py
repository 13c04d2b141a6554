"""How soon each strategy finds what a full grid would: on a table of 36 combinations that were all trained.

Nothing is trained here: strategies ask, and are answered from the table, epoch by epoch. The grid's values are declared
in another order for each seed, since a grid that happens to begin with its best combination shows nothing.
"""

from __future__ import annotations

import math
import os
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from benchmarks.recorded import Table, load
from gridsearch.hparams.domain import Discrete, HParam
from gridsearch.hparams.grid import Grid
from gridsearch.hparams.search_space import SearchSpace
from gridsearch.strategies import Strategy
from gridsearch.strategies.grid import GridStrategy
from gridsearch.strategies.random import RandomStrategy
from gridsearch.strategies.replay import ReplayedSweep
from gridsearch.strategies.successive_halving import SuccessiveHalving

__all__ = ["STRATEGIES", "Found", "found_by", "main"]

TABLE = Path(os.environ.get("TABLE", "tests/fixtures/recorded36.json"))
SEEDS = int(os.environ.get("SEEDS", "50"))
SHORT_OF_BEST = 0.01


@dataclass(frozen=True)
class Found:
    """What it took one strategy, with one seed, to come within 0.01 of the best; infinite if it did not."""

    trials: float
    epochs: float


def _shuffled(table: Table, seed: int) -> GridStrategy:
    generator = random.Random(seed)
    hparams = [HParam(h.name, Discrete(generator.sample(h.domain.values, len(h.domain.values)), h.domain.dtype))
               for h in table.hparams]  # fmt: skip
    return GridStrategy(Grid(hparams))


def _space(table: Table) -> SearchSpace:
    """The table's combinations: between the ends of an interval, nothing was trained."""
    return SearchSpace([[HParam(h.name, Discrete(h.domain.values, h.domain.dtype)) for h in table.hparams]])


def _bayesian(table: Table, seed: int) -> Strategy:
    from gridsearch.strategies.kerastuner import BayesianStrategy

    return BayesianStrategy(_space(table), table.objective, seed)


def _hyperband(table: Table, seed: int) -> Strategy:
    from gridsearch.strategies.kerastuner import HyperbandStrategy

    return HyperbandStrategy(_space(table), table.objective, seed, table.epochs, hyperband_iterations=20)


def _tpe(table: Table, seed: int) -> Strategy:
    from gridsearch.strategies.optuna import OptunaStrategy

    return OptunaStrategy(_space(table), table.objective, seed, "TPESampler", {})


STRATEGIES: dict[str, Callable[[Table, int], Strategy]] = {
    "grid": _shuffled,
    "random": lambda table, seed: RandomStrategy(_space(table), seed),
    "bayesian": _bayesian,
    "hyperband": _hyperband,
    "TPE": _tpe,
    "grid with halving": lambda table, seed: SuccessiveHalving(_shuffled(table, seed), table.objective, table.epochs),
}


def found_by(strategy: Strategy, table: Table) -> Found:
    """Rehearse a strategy until it has found what is good enough."""
    rehearsal, epochs = ReplayedSweep(table.curve, table.objective), 0
    good = table.best - SHORT_OF_BEST if table.objective.maximize else table.best + SHORT_OF_BEST
    while step := rehearsal.step(strategy):
        epochs += step.epochs
        if step.value is not None and (step.value == good or table.objective.better(step.value, good)):
            return Found(len(rehearsal.trials), epochs)
    return Found(math.inf, math.inf)


def main() -> None:
    """Print a row for each strategy."""
    if not TABLE.is_file():
        sys.exit(f"there is no {TABLE}: train a whole grid, then python -m benchmarks.recorded LOGDIR > {TABLE}")
    table = load(TABLE)
    whole = len(table.curves) * table.epochs
    print(f"{len(table.curves)} combinations of {table.epochs} epochs, best {table.best:.4f}; {SEEDS} seeds\n")
    print("| until 0.01 below the best | trials, median | epochs, median | quartiles | of the whole grid | not found |")
    print("|---|---|---|---|---|---|")
    for name, make in STRATEGIES.items():
        print(_row(name, [found_by(make(table, seed), table) for seed in range(SEEDS)], whole), flush=True)


def _row(name: str, found: Sequence[Found], whole: int) -> str:
    epochs = [one.epochs for one in found]
    middle, missed = median(epochs), sum(math.isinf(one) for one in epochs)
    low, _, high = quantiles(epochs, n=4) if len(epochs) > 1 else (middle,) * 3
    share = f"{100 * middle / whole:.0f}%" if math.isfinite(middle) else "-"
    trials = median(one.trials for one in found)
    return f"| {name} | {trials:g} | {middle:g} | {low:g} to {high:g} | {share} | {missed} of {len(found)} |"

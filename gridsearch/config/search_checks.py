"""What a search asks of a sweep file beyond what a grid does: checked before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gridsearch.hparams.domain import Combination, IntInterval, RealInterval
from gridsearch.hparams.key_errors import At
from gridsearch.hparams.search_space import SearchSpace

if TYPE_CHECKING:
    from gridsearch.config.sweep_config import SweepConfig

__all__ = ["bracket_trials", "check_search", "foreseen", "uses_rungs"]

CONTINUED = ("hyperband", "halving")
"""What trains a trial for a few epochs, puts it aside, and perhaps goes on with it later."""


def uses_rungs(config: SweepConfig) -> bool:
    """Whether trials are put aside at rungs, with a checkpoint to go on from."""
    return config.sweep.strategy in CONTINUED or config.sweep.pruner in CONTINUED


def bracket_trials(config: SweepConfig) -> int | None:
    """How many trials Hyperband's brackets begin with, as KerasTuner sizes them; None for any other strategy."""
    options, epochs = config.sweep.options, config.training.epochs
    factor, iterations = options.get("factor", 3), options.get("hyperband_iterations", 1)
    sound = type(factor) is int and factor > 1 and type(iterations) is int and iterations > 0
    if config.sweep.strategy != "hyperband" or not sound:  # the oracle says what is wrong with them
        return None
    last = math.ceil(1 + math.log(epochs, factor))
    brackets = range(next(n for n in range(1, 64) if epochs < factor**n))
    trials: int = iterations * sum(math.ceil(last / (n + 1) * factor**n) for n in brackets)
    return trials


def foreseen(config: SweepConfig) -> Iterable[Combination]:
    """What will be tried, as far as that does not depend on how it turns out."""
    territory, seed = config.territory, config.sweep.search_seed
    if not isinstance(territory, SearchSpace):
        return territory
    return (
        territory.sampled(config.training.seed if seed is None else seed) if config.sweep.strategy == "random" else ()
    )


def check_search(config: SweepConfig) -> None:
    """Refuse a search that could not end, or whose trials could not be compared.

    Raises:
        At: with the key.
    """
    sweep = config.sweep
    if sweep.strategy == "grid":
        _check_grid(config)
    elif config.most_trials is None and sweep.strategy != "hyperband":
        raise At("sweep.trials", ValueError("missing: an interval has no end of values, so say how many: trials = 20"))
    if sweep.options and sweep.strategy in ("grid", "random"):
        raise At("sweep.options", ValueError(f"the {sweep.strategy} strategy takes none"))
    if sweep.pruner_options and sweep.pruner is None:
        raise At("sweep.pruner_options", ValueError("there is no pruner that could take them: set sweep.pruner"))
    if sweep.strategy == "hyperband" and sweep.pruner:
        raise At("sweep.pruner", ValueError("hyperband decides itself which trials go on; leave the pruner out"))
    if uses_rungs(config):
        what = "hyperband" if sweep.strategy == "hyperband" else "halving"
        if config.training.repeats > 1:
            raise At("training.repeats", ValueError(f"{what} compares single trainings: 1, or another way to search"))
        if any(hparam.name == "epochs" for grid in config.hparams for hparam in grid):
            raise At("hparams.epochs", ValueError(f"{what} decides itself how many epochs a trial is trained for"))


def _check_grid(config: SweepConfig) -> None:
    most, size = config.sweep.trials, len(config.space)
    if most is None or most <= size:
        return
    for hparam in config.space.hparams:
        domain = hparam.domain
        if isinstance(domain, IntInterval | RealInterval) and domain.points is None and _holds_more(domain):
            problem = (
                f"{most} trials, but the grid has {size} combinations: the interval {hparam.name} counts with its two "
                f"endpoints only; give it points = k, or search it with strategy = 'random'"
            )
            raise At("sweep.trials", ValueError(problem))


def _holds_more(domain: IntInterval | RealInterval) -> bool:
    """Whether there is anything between the endpoints."""
    return bool(domain.max_value - domain.min_value > (1 if isinstance(domain, IntInterval) else 0))

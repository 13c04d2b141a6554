"""Check that a search can end and that its trials can be compared, before anything is trained."""

from __future__ import annotations

import math

from gridsearch.config.sections import Sweep, Training
from gridsearch.hparams.domain import HParam, IntInterval, RealInterval
from gridsearch.hparams.grid import Space
from gridsearch.hparams.key_errors import KeyedError

__all__ = ["check_search", "count_bracket_trials", "pauses_trials"]

PAUSING = ("hyperband", "halving")
"""Strategies and pruners that train a trial for a few epochs, pause it at a rung, and may resume it later."""


def pauses_trials(sweep: Sweep) -> bool:
    """Return whether trials are paused at rungs, each with a checkpoint to resume from."""
    return sweep.strategy in PAUSING or sweep.pruner in PAUSING


def count_bracket_trials(sweep: Sweep, training: Training) -> int | None:
    """Return how many trials Hyperband's brackets begin with, as KerasTuner sizes them; None for other strategies."""
    options, epochs = sweep.options, training.epochs
    factor, iterations = options.get("factor", 3), options.get("hyperband_iterations", 1)
    sound = type(factor) is int and factor > 1 and type(iterations) is int and iterations > 0
    if sweep.strategy != "hyperband" or not sound:  # the oracle says what is wrong with them
        return None
    last = math.ceil(1 + math.log(epochs, factor))
    brackets = range(next(n for n in range(1, 64) if epochs < factor**n))
    trials: int = iterations * sum(math.ceil(last / (n + 1) * factor**n) for n in brackets)
    return trials


def check_search(sweep: Sweep, training: Training, space: Space, most_trials: int | None) -> None:
    """Refuse a search that could not end, or whose trials could not be compared.

    Args:
        sweep: the section.
        training: the section.
        space: the combinations of the grid, or of a search's lists and endpoints.
        most_trials: how many trials there will be at most; None if that is not known.

    Raises:
        At: with the key.
    """
    if sweep.strategy == "grid":
        _check_grid(sweep.trials, space)
    elif most_trials is None and sweep.strategy != "hyperband":
        raise KeyedError(
            "sweep.trials", ValueError("missing: an interval has no end of values, so say how many: trials = 20")
        )
    if sweep.options and sweep.strategy in ("grid", "random"):
        raise KeyedError("sweep.options", ValueError(f"the {sweep.strategy} strategy takes none"))
    if sweep.pruner_options and sweep.pruner is None:
        raise KeyedError(
            "sweep.pruner_options", ValueError("there is no pruner that could take them: set sweep.pruner")
        )
    if sweep.strategy == "hyperband" and sweep.pruner:
        raise KeyedError(
            "sweep.pruner", ValueError("hyperband decides itself which trials go on; leave the pruner out")
        )
    if pauses_trials(sweep):
        what = "hyperband" if sweep.strategy == "hyperband" else "halving"
        if training.repeats > 1:
            raise KeyedError(
                "training.repeats", ValueError(f"{what} compares single trainings: 1, or another way to search")
            )
        if any(hparam.name == "epochs" for hparam in space.hparams):
            raise KeyedError(
                "hparams.epochs", ValueError(f"{what} decides itself how many epochs a trial is trained for")
            )


def _check_grid(most: int | None, space: Space) -> None:
    size = len(space)
    if most is None or most <= size:
        return
    for hparam in space.hparams:
        if _holds_more_than_endpoints(hparam):
            problem = (
                f"{most} trials, but the grid has {size} combinations: the interval {hparam.name} counts with its two "
                f"endpoints only; give it points = k, or search it with strategy = 'random'"
            )
            raise KeyedError("sweep.trials", ValueError(problem))


def _holds_more_than_endpoints(hparam: HParam) -> bool:
    domain = hparam.domain
    if not isinstance(domain, IntInterval | RealInterval) or domain.points is not None:
        return False
    return bool(domain.max_value - domain.min_value > (1 if isinstance(domain, IntInterval) else 0))

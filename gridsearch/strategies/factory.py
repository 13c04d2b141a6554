"""Make the strategy that a sweep file names; import what it needs only when it is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from gridsearch.config.sections import OF_OPTUNA
from gridsearch.errors import UserError
from gridsearch.hparams.search_space import SearchSpace
from gridsearch.strategies import Strategy
from gridsearch.strategies.grid import GridStrategy
from gridsearch.strategies.random import RandomStrategy
from gridsearch.strategies.trial_limit import TrialLimit

if TYPE_CHECKING:
    from gridsearch.config.sweep_config import SweepConfig

__all__ = ["choose_strategy", "make_or_refuse"]

T = TypeVar("T")

SAMPLERS = {"tpe": "TPESampler", "gp": "GPSampler", "cmaes": "CmaEsSampler"}
"""Short names for samplers of Optuna's."""

EXTRAS = {"keras_tuner": "keras-tuner", "sklearn": "keras-tuner", "optuna": "optuna", "cmaes": "optuna"}
"""Which extra installs what."""


def choose_strategy(config: SweepConfig) -> Strategy:
    """Return the strategy of a sweep, fresh, with its limit and its pruner around it.

    Raises:
        UserError: a package is not installed, or there is no such sampler, pruner or option.
    """
    strategy = _make(config)
    if config.sweep.trials is not None and config.sweep.strategy != "hyperband":  # which counts for itself
        strategy = TrialLimit(strategy, config.search_space, config.sweep.trials)
    return _add_pruner(strategy, config) if config.sweep.pruner else strategy


def _make(config: SweepConfig) -> Strategy:
    name, options, search_space = config.sweep.strategy, config.sweep.options, config.search_space
    if not isinstance(search_space, SearchSpace):
        return GridStrategy(search_space)
    seed = config.training.seed if config.sweep.search_seed is None else config.sweep.search_seed
    if name == "random":
        return RandomStrategy(search_space, seed)
    if name in ("bayesian", "hyperband"):
        return make_or_refuse("sweep.strategy", options, lambda: _of_kerastuner(name, config, search_space, seed))
    return make_or_refuse("sweep.strategy", options, lambda: _of_optuna(name, config, search_space, seed))


def _of_kerastuner(name: str, config: SweepConfig, space: SearchSpace, seed: int) -> Strategy:
    from gridsearch.strategies.kerastuner import BayesianStrategy, HyperbandStrategy

    if name == "bayesian":
        return BayesianStrategy(space, config.objective, seed, **config.sweep.options)
    return HyperbandStrategy(space, config.objective, seed, config.training.epochs, config.sweep.trials,
                     **config.sweep.options)  # fmt: skip


def _of_optuna(name: str, config: SweepConfig, space: SearchSpace, seed: int) -> Strategy:
    from gridsearch.strategies.optuna import OptunaStrategy

    sampler = SAMPLERS.get(name, name.removeprefix(OF_OPTUNA))
    return OptunaStrategy(space, config.objective, seed, sampler, config.sweep.options)


def _add_pruner(strategy: Strategy, config: SweepConfig) -> Strategy:
    name, options, objective = str(config.sweep.pruner), config.sweep.pruner_options, config.objective

    def make() -> Strategy:
        if name == "median":
            from gridsearch.strategies.median_stopping import MedianStopping

            return MedianStopping(strategy, objective, **options)
        if name == "halving":
            from gridsearch.strategies.successive_halving import SuccessiveHalving

            return SuccessiveHalving(strategy, objective, config.training.epochs, **options)
        from gridsearch.strategies.optuna import OptunaPruner

        return OptunaPruner(strategy, objective, name.removeprefix(OF_OPTUNA), options)

    return make_or_refuse("sweep.pruner", options, make)


def make_or_refuse(key: str, options: Mapping[str, Any], make: Callable[[], T]) -> T:
    """Return what is made, or what is wrong with its options or missing from this environment."""
    try:
        return make()
    except UserError:
        raise
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        extra = EXTRAS.get(package)
        cure = f"pip install 'gridsearch[{extra}]'" if extra else f"pip install {package}"
        raise UserError(f"it needs {package or error}, which is not installed", where=key, cure=cure) from None
    except (TypeError, ValueError) as error:
        shown = f" with {dict(options)!r}" if options else ""
        raise UserError(f"cannot be had{shown}: {error}", where=key) from None

"""Turn domains into Optuna's distributions, and a study's distributions into domains."""

from __future__ import annotations

from typing import Any

import optuna

from gridsearch.hparams.domain import Discrete, Domain, IntInterval, RealInterval

__all__ = ["distribution_of", "domain_of"]


def distribution_of(domain: Domain) -> Any:
    """Return how Optuna draws from a domain: ordered numbers as such, other lists as unordered choices."""
    if isinstance(domain, Discrete):
        ordered = domain.dtype in (int, float) and sorted(domain.values) in (
            list(domain.values),
            list(reversed(domain.values)),
        )
        if ordered:
            return optuna.distributions.IntDistribution(0, len(domain.values) - 1)
        return optuna.distributions.CategoricalDistribution(range(len(domain.values)))
    interval: Any = domain
    if isinstance(domain, IntInterval):
        return optuna.distributions.IntDistribution(interval.min_value, interval.max_value, log=interval.log)
    return optuna.distributions.FloatDistribution(interval.min_value, interval.max_value, log=interval.log)


def domain_of(distribution: Any) -> Domain:
    """Return a distribution of a study as a domain.

    Raises:
        TypeError, ValueError: a choice that is no value of an HParam, such as None.
    """
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return Discrete(distribution.choices)
    interval = IntInterval if isinstance(distribution, optuna.distributions.IntDistribution) else RealInterval
    return interval(distribution.low, distribution.high, log=distribution.log)

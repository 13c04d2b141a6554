"""Use Optuna's samplers as strategies, and its pruners around any strategy.

A sampler keeps its state in its study. A fresh one is asked again, and answered from the record where the record knows
the answer: so it comes to where the old one stood. It hears at the
end of what it never asks for, such as an imported trial.
"""

from __future__ import annotations

import importlib.util
import inspect
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import optuna
from optuna.trial import TrialState

from gridsearch.hparams.combination import Combination, combination_id
from gridsearch.hparams.search_space import SearchSpace
from gridsearch.strategies import Strategy, SupportsExplanation, Wait
from gridsearch.strategies.optuna_distributions import distribution_of
from gridsearch.strategies.optuna_internals import suggest
from gridsearch.strategies.parameters import GRID, ParameterCodec
from gridsearch.trials import Objective, Session, Status, TrialRecord, Verdict

__all__ = ["OptunaPruner", "OptunaStrategy"]

MOST_REPEATS = 20
"""Proposals in a row that had been made before, after which a random combination takes their place."""


def _study(objective: Objective, **kind: Any) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(direction="maximize" if objective.maximize else "minimize", **kind)


def _make(module: Any, name: str, options: Mapping[str, Any], **defaults: Any) -> Any:
    """Return an object of a class of Optuna's.

    Raises:
        ValueError: there is no such class.
        TypeError: an option that it does not take.
        ImportError: it needs a package that is not installed.
    """
    kind = getattr(module, name, None)
    if not inspect.isclass(kind) or name.startswith("Base"):
        there = sorted(n for n in module.__all__ if not n.startswith("Base") and n[0].isupper())
        raise ValueError(f"{module.__name__} has no {name!r}; it has {', '.join(there)}")
    for class_name, package in (("GPSampler", "torch"), ("CmaEsSampler", "cmaes")):
        if name == class_name and importlib.util.find_spec(package) is None:
            raise ImportError(f"{name} needs {package}", name=package)
    taken = {key: value for key, value in defaults.items() if key in inspect.signature(kind).parameters}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return kind(**{**taken, **options})


class OptunaStrategy:
    """Proposes what a sampler of Optuna's does.

    Args:
        space: what to search.
        objective: what to improve.
        seed: of the sampler, and of what takes its place when it repeats itself.
        sampler: a class of ``optuna.samplers``, by name.
        options: its arguments.

    Raises:
        ValueError, TypeError, ImportError: there is no such sampler, it does not take these, or it misses a package.
    """

    def __init__(
        self, space: SearchSpace, objective: Objective, seed: int, sampler: str, options: Mapping[str, Any]
    ) -> None:
        self._space, self._objective, self.over = space, objective, ""
        self._codec = ParameterCodec(space)
        self._study = _study(objective, sampler=_make(optuna.samplers, sampler, options, seed=seed))
        self._random = space.sample(seed)
        self._heard: dict[str, TrialRecord] = {}
        self._planned: set[str] = set()
        self._seen: set[str] = set()
        self._open: dict[str, optuna.Trial] = {}
        self._repeats = 0

    def tell(self, trial: TrialRecord) -> None:
        """Hear that a trial is planned or ended."""
        identity = combination_id(self._space.with_defaults(trial.trial.values))
        if not trial.sessions:
            self._planned.add(identity)
            return
        self._planned.discard(identity)
        self._heard[identity] = trial
        if identity in self._open:
            self._learn(self._open.pop(identity), trial)

    def ask(self) -> Combination | None:
        """Return what the sampler proposes, or a random combination where it repeats itself; None at the end."""
        while True:
            trial = self._trial()
            if trial is None:
                size = self._space.size
                self.over = f"space exhausted: {size} of {size}" if size is not None else "space exhausted"
                return None
            values = self._suggest_combination(trial)
            identity = combination_id(values)
            allowed = values in self._space
            self._repeats = 0 if allowed and identity not in self._seen else self._repeats + 1
            known = identity in self._heard or identity in self._seen or identity in self._planned
            if allowed and not known:
                self._add_what_was_never_asked()
                self._seen.add(identity)
                self._open[identity] = trial
                return values
            self._answer(trial, identity, allowed)

    def _answer(self, trial: optuna.Trial, identity: str, allowed: bool) -> None:
        """Answer the sampler at once: from the record, or that this one is of no use."""
        if allowed and identity in self._heard:
            self._learn(trial, self._heard[identity])
        elif allowed and identity in self._planned and identity not in self._seen:
            self._open[identity] = trial
        else:
            self._study.tell(trial, state=TrialState.FAIL)
        self._seen |= {identity} if allowed else set()

    def _trial(self) -> optuna.Trial | None:
        if self._repeats < MOST_REPEATS:
            return self._study.ask()
        for values in self._random:
            if combination_id(values) not in self._seen:
                self._repeats = 0
                self._study.enqueue_trial(self._codec.encode(values))
                return self._study.ask()
        return None

    def _add_what_was_never_asked(self) -> None:
        for identity, heard in self._heard.items():
            values = self._space.with_defaults(heard.trial.values)
            value = heard.mean(self._objective.metric)
            if identity in self._seen or values not in self._space:
                continue
            self._seen.add(identity)
            if value is not None:
                parameters = self._codec.of_grid(self._codec.grid_of(values))
                distributions = {parameter.name: distribution_of(parameter.domain) for parameter in parameters}
                if self._codec.grids > 1:
                    distributions[GRID] = optuna.distributions.CategoricalDistribution(range(self._codec.grids))
                known = optuna.trial.create_trial(
                    params=self._codec.encode(values), distributions=distributions, value=value
                )
                self._study.add_trial(known)

    def _learn(self, trial: optuna.Trial, heard: TrialRecord) -> None:
        value = heard.mean(self._objective.metric)
        if value is None:
            self._study.tell(trial, state=TrialState.FAIL)
        elif heard.status is Status.STOPPED:
            trial.report(value, max(s.outcome.epochs or 1 for s in heard.results))
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, value)

    def _suggest_combination(self, trial: optuna.Trial) -> Combination:
        number = 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a sampler falls back to random for a list of values
            if self._codec.grids > 1:
                number = trial.suggest_categorical(GRID, range(self._codec.grids))
            found = {p.name: suggest(trial, p.name, distribution_of(p.domain)) for p in self._codec.of_grid(number)}
        return self._codec.decode({GRID: number, **found})


class OptunaPruner:
    """A strategy whose trials a pruner of Optuna's stops.

    Args:
        strategy: what proposes.
        objective: what is reported.
        pruner: a class of ``optuna.pruners``, by name.
        options: its arguments.

    Raises:
        ValueError, TypeError: there is no such pruner, or it does not take these.
    """

    def __init__(self, strategy: Strategy, objective: Objective, pruner: str, options: Mapping[str, Any]) -> None:
        self._strategy, self._objective = strategy, objective
        self._study = _study(objective, pruner=_make(optuna.pruners, pruner, options))
        self._open: dict[str, optuna.Trial] = {}

    @property
    def over(self) -> str:
        """What the strategy says."""
        return self._strategy.over if isinstance(self._strategy, SupportsExplanation) else ""

    def ask(self) -> Combination | Literal[Wait.WAIT] | None:
        """Return what the strategy proposes."""
        return self._strategy.ask()

    def report(self, session: Session, epoch: int, value: float) -> Verdict:
        """Return whether the pruner would stop it."""
        trial = self._open.get(session.name) or self._open.setdefault(session.name, self._study.ask())
        trial.report(value, epoch)
        return Verdict.STOP if trial.should_prune() else Verdict.GO_ON

    def tell(self, trial: TrialRecord) -> None:
        """Close the trial's sessions in the study: those that were trained to their end are compared with."""
        for session in trial.sessions:
            known = self._open.pop(session.name, None)
            value = session.outcome.metrics.get(self._objective.metric)
            if known is not None and session.status is Status.COMPLETED and value is not None:
                self._study.tell(known, value)
            elif known is not None:
                stopped = session.status is Status.STOPPED
                self._study.tell(known, state=TrialState.PRUNED if stopped else TrialState.FAIL)
        self._strategy.tell(trial)

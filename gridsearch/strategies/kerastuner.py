"""Use KerasTuner's oracles as strategies: Gaussian processes (``bayesian``) and ``hyperband``.

An oracle keeps its state in files of its own, and loses track when it is killed. Here it is made afresh and hears of
every trial; what it proposes is taken as numbers of values and of grids, so that neither types nor names can be lost.
"""

from __future__ import annotations

import itertools
import warnings
from typing import Any, Literal

import keras_tuner

from gridsearch.hparams.combination import Combination, combination_id
from gridsearch.hparams.domain import Discrete, IntInterval, RealInterval
from gridsearch.hparams.search_space import SearchSpace
from gridsearch.strategies import WAIT, Wait
from gridsearch.strategies.kerastuner_internals import add_trial, keep_no_files
from gridsearch.strategies.parameters import GRID, ParameterCodec
from gridsearch.strategies.random import RandomStrategy
from gridsearch.trials import Objective, Session, TrialRecord, Verdict

__all__ = ["BayesianStrategy", "HyperbandStrategy"]

FOREVER = 10**9


def _declare(codec: ParameterCodec) -> keras_tuner.HyperParameters:
    """Return a codec's parameters as KerasTuner's hyperparameters: lists as the numbers of their values."""
    declared = keras_tuner.HyperParameters()
    if codec.grids > 1:
        declared.Int(GRID, 0, codec.grids - 1)
    for parameter in codec:
        name, domain = parameter.name, parameter.domain
        parent = {"parent_name": GRID, "parent_values": [parameter.grid]} if codec.grids > 1 else {}
        if isinstance(domain, Discrete):
            declared.Int(name, 0, len(domain.values) - 1, **parent)
        elif isinstance(domain, IntInterval | RealInterval):
            declare = declared.Int if isinstance(domain, IntInterval) else declared.Float
            declare(name, domain.min_value, domain.max_value, sampling="log" if domain.log else "linear", **parent)
    return declared


def _objective(objective: Objective) -> keras_tuner.Objective:
    return keras_tuner.Objective("objective", "max" if objective.maximize else "min")


class BayesianStrategy:
    """Proposes where a Gaussian process sees the best upper confidence bound, after some points at random.

    What it proposes is a function of its seed and of the trials that it knows: for each question it makes an oracle
    of its own.

    Args:
        space: what to search.
        objective: what to improve.
        seed: of the random points and of the search for the best bound.
        num_initial_points: how many points at random; None is three for each dimension, as KerasTuner has it.
        options: ``alpha`` and ``beta`` of ``keras_tuner.oracles.BayesianOptimizationOracle``.

    Raises:
        TypeError: an option that there is not.
        ImportError: scikit-learn is missing.
    """

    def __init__(
        self,
        space: SearchSpace,
        objective: Objective,
        seed: int,
        *,
        num_initial_points: int | None = None,
        **options: Any,
    ) -> None:
        self._space, self._objective, self._seed, self._options = space, objective, seed, options
        self._codec = ParameterCodec(space)
        self._declared = _declare(self._codec)
        self._initial = num_initial_points or max(3, 3 * len(self._declared.space))
        self._random = RandomStrategy(space, seed)
        self._running: dict[str, Combination] = {}
        self._results: dict[str, tuple[int, Combination, float]] = {}
        self._oracle()  # an option that it does not know is refused now

    @property
    def over(self) -> str:
        """That the space is exhausted, if it is."""
        return self._random.over

    def _oracle(self) -> Any:
        return keras_tuner.oracles.BayesianOptimizationOracle(
            objective=_objective(self._objective),
            hyperparameters=self._declared.copy(),
            num_initial_points=1,
            seed=1 + (self._seed + len(self._random.known)) % (2**31 - 1),
            **self._options,
        )

    def tell(self, trial: TrialRecord) -> None:
        """Hear that a trial is planned or ended; one without a result is only not proposed again."""
        values = self._space.with_defaults(trial.trial.values)
        identity, value = combination_id(values), trial.mean(self._objective.metric)
        self._random.tell(trial)
        self._running.pop(identity, None)
        if values in self._space and value is not None:
            self._results[identity] = trial.trial.number, values, value
        elif values in self._space and not trial.sessions:
            self._running[identity] = values

    def ask(self) -> Combination | None:
        """Return the best guess, or a random point while little is known, or if the guess has been tried."""
        values = self._guess() if len(self._results) >= self._initial else None
        if values is None or values not in self._space or combination_id(values) in self._random.known:
            values = self._random.ask()
        if values is not None:
            identity = combination_id(values)
            self._random.known.add(identity)
            self._running[identity] = values
        return values

    def _guess(self) -> Combination:
        oracle = self._oracle()
        for number, values, value in sorted(self._results.values(), key=lambda result: result[0]):
            self._put(oracle, str(number), values, "COMPLETED").score = value
        for identity, values in self._running.items():
            oracle.ongoing_trials[identity] = self._put(oracle, identity, values, "RUNNING")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a kernel whose length scale is at its bound: what scikit-learn says of it
            return self._codec.decode(oracle.populate_space("next")["values"])

    def _put(self, oracle: Any, name: str, values: Combination, status: str) -> Any:
        return add_trial(oracle, self._declared.copy(), self._codec.encode(values), name, status)


class HyperbandStrategy:
    """KerasTuner's Hyperband: brackets of trials that are compared after a few epochs, of which the best go on.

    A trial that is promoted goes on from its checkpoint. What a fresh oracle proposes and the record can answer is
    answered at once, so that it comes to where the old one stood.

    Li and others, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 18 (2018).

    Args:
        space: what to search.
        objective: what to compare.
        seed: of the random trials that begin a bracket.
        epochs: of a trial that is trained to its end.
        trials: how many there may be at most; None is as many as the brackets have.
        options: ``factor`` and ``hyperband_iterations`` of ``keras_tuner.oracles.HyperbandOracle``.

    Raises:
        TypeError, ValueError: an option that there is not, or a factor below 2.
    """

    def __init__(
        self,
        space: SearchSpace,
        objective: Objective,
        seed: int,
        epochs: int,
        trials: int | None = None,
        **options: Any,
    ) -> None:
        self._space, self._objective, self._epochs, self._most = space, objective, epochs, trials
        self._codec = ParameterCodec(space)
        self._oracle = keras_tuner.oracles.HyperbandOracle(
            objective=_objective(objective),
            max_epochs=epochs,
            seed=1 + seed,
            hyperparameters=_declare(self._codec),
            max_consecutive_failed_trials=FOREVER,
            **options,
        )
        self._oracle.verbose = 0
        keep_no_files(self._oracle)
        self._slots = itertools.count()
        self._curves: dict[str, dict[int, float]] = {}
        """The objective of each trial after so many epochs."""
        self._ended: dict[str, float | None] = {}
        """What came of each trial that will not go on."""
        self._planned: set[str] = set()
        self._open: dict[str, Any] = {}
        """The oracle's trials that wait for a result, by combination."""
        self._ready: list[Combination] = []
        self._tried: set[str] = set()

    def tell(self, trial: TrialRecord) -> None:
        """Hear that a trial is planned, paused at its rung, or ended."""
        identity = combination_id(self._space.with_defaults(trial.trial.values))
        if not trial.sessions:
            self._planned.add(identity)
            return
        self._planned.discard(identity)
        if trial.paused is None:
            self._ended[identity] = trial.mean(self._objective.metric)
        if identity in self._open:
            self._settle(identity, self._open.pop(identity))

    def report(self, session: Session, epoch: int, value: float) -> Verdict:
        """Pause a trial at the end of the epochs that the oracle gave it."""
        identity, done = combination_id(self._space.with_defaults(session.trial.values)), epoch + 1
        self._curves.setdefault(identity, {})[done] = value
        while identity in self._planned and identity not in self._open and len(self._ready) < 2:
            values = self._next()  # an earlier run planned it: find out where in the brackets it is
            if values is None or isinstance(values, Wait):
                break
            self._ready.append(values)
        budget = self._budget(self._open[identity]) if identity in self._open else self._epochs
        return Verdict.PAUSE if budget <= done < self._epochs else Verdict.GO_ON

    def ask(self) -> Combination | Literal[Wait.WAIT] | None:
        """Return a new trial, or one that is promoted; WAIT while a rung is not complete."""
        return self._ready.pop(0) if self._ready else self._next()

    def _next(self) -> Combination | Literal[Wait.WAIT] | None:
        while True:
            proposed = self._create_trial()
            if proposed.status == "STOPPED":
                return WAIT if self._open else None
            if proposed.status == "IDLE":
                return WAIT
            values = self._codec.decode(proposed.hyperparameters.values)
            identity = combination_id(values)
            if values not in self._space or self._too_many(identity):
                self._end(proposed, None)
                continue
            self._tried.add(identity)
            answered = identity in self._ended or self._budget(proposed) in self._curves.get(identity, {})
            if answered and identity not in self._planned:
                self._settle(identity, proposed)
                continue
            self._open[identity] = proposed
            if identity not in self._planned:
                return values

    def _create_trial(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the oracle asks threading for its old names
            return self._oracle.create_trial(f"slot {next(self._slots)}")

    def _too_many(self, identity: str) -> bool:
        return self._most is not None and identity not in self._tried and len(self._tried) >= self._most

    def _settle(self, identity: str, proposed: Any) -> None:
        """Tell the oracle what a trial came to with the epochs that it was given, or in the end."""
        curve, final = self._curves.get(identity, {}), self._ended.get(identity)
        failed = identity in self._ended and final is None
        last = curve[max(curve)] if curve else final
        self._end(proposed, None if failed else curve.get(self._budget(proposed), last))

    def _end(self, proposed: Any, value: float | None) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            if value is not None:
                self._oracle.update_trial(proposed.trial_id, {"objective": value}, step=self._budget(proposed))
            proposed.status = "FAILED" if value is None else "COMPLETED"
            self._oracle.end_trial(proposed)

    @staticmethod
    def _budget(proposed: Any) -> int:
        return int(proposed.hyperparameters.values["tuner/epochs"])

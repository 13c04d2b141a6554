"""Wrap a strategy for the runner: what it hears, what it is asked, and what happens when it raises."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Literal, ParamSpec, TypeVar

from gridsearch.errors import GridsearchError, StrategyError
from gridsearch.hparams.combination import Combination
from gridsearch.strategies import Strategy, SupportsExplanation, SupportsVerdicts, Wait
from gridsearch.trials import Objective, Session, TrialRecord, Verdict, is_finite

__all__ = ["GuardedStrategy"]

P = ParamSpec("P")
T = TypeVar("T")

Epochs = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Every session's epochs, see ``read_epochs``."""


class GuardedStrategy:
    """Wrap a strategy: convert its exceptions to StrategyError and stop calling it afterwards.

    Args:
        strategy: fresh.
        objective: what it hears of.
        name: as the sweep file calls it.
    """

    def __init__(self, strategy: Strategy, objective: Objective, name: str) -> None:
        self._strategy, self._objective, self._name = strategy, objective, name
        self._verdicts = strategy if isinstance(strategy, SupportsVerdicts) else None
        self._failure: StrategyError | None = None

    @property
    def supports_verdicts(self) -> bool:
        """Whether it looks at running trials."""
        return self._verdicts is not None

    @property
    def over(self) -> str:
        """Why there is nothing more to ask for, or nothing."""
        return self._strategy.over if isinstance(self._strategy, SupportsExplanation) else ""

    def take_over(self, trials: Iterable[TrialRecord], epochs: Epochs, unfinished: Collection[int]) -> None:
        """Tell what earlier runs know: each trial's epochs, then the trial; as planned if its number is unfinished."""
        for trial in trials:
            for session in trial.sessions if self._verdicts else ():
                for epoch, metrics in epochs.get(session.name, {}).items():
                    self.verdict(session.session, epoch, metrics)
            self.tell(TrialRecord(trial.trial, ()) if trial.trial.number in unfinished else trial)

    def ask(self) -> Combination | Literal[Wait.WAIT] | None:
        """Return what comes next, see ``Strategy``.

        Raises:
            StrategyError: it has failed.
        """
        if self._failure:
            raise self._failure
        proposed = self._call(self._strategy.ask)
        return proposed if proposed is None or isinstance(proposed, Wait) else Combination.of(proposed)

    def tell(self, trial: TrialRecord) -> None:
        """Pass on how a trial stands.

        Raises:
            StrategyError: it has failed.
        """
        if not self._failure:
            self._call(self._strategy.tell, trial)

    def verdict(self, session: Session, epoch: int, metrics: Mapping[str, float]) -> Verdict:
        """Return what becomes of a session after an epoch; it goes on where nobody gives verdicts, or on no value.

        Raises:
            StrategyError: it has failed.
        """
        value = self._objective.of(metrics)
        if self._verdicts is None or self._failure or value is None or not is_finite(value):
            return Verdict.GO_ON
        return self._call(self._verdicts.report, session, epoch, value)

    def _call(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return question(*args, **kwargs)
        except GridsearchError:
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {' '.join(str(error).split())}"
            problem = f"the {self._name} strategy has failed, but everything is recorded: {said}"
            self._failure = StrategyError(f"{problem}\n  The same command goes on from here.")
            raise self._failure from error

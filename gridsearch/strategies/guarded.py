"""The runner's side of a strategy: what it is told and asked, and what becomes of it when it raises."""

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
    """A strategy, asked with care; one that has failed is told nothing more.

    Args:
        strategy: fresh.
        objective: what it hears of.
        name: as the sweep file calls it.
    """

    def __init__(self, strategy: Strategy, objective: Objective, name: str) -> None:
        self._strategy, self._objective, self._name = strategy, objective, name
        self._judge = strategy if isinstance(strategy, SupportsVerdicts) else None
        self._failure: StrategyError | None = None

    @property
    def supports_verdicts(self) -> bool:
        """Whether it looks at running trials."""
        return self._judge is not None

    @property
    def over(self) -> str:
        """Why there is nothing more to ask for, or nothing."""
        return self._strategy.over if isinstance(self._strategy, SupportsExplanation) else ""

    def take_over(self, trials: Iterable[TrialRecord], epochs: Epochs, unfinished: Collection[int]) -> None:
        """Tell what earlier runs know: each trial's epochs, then the trial; as planned if its number is unfinished."""
        for trial in trials:
            for session in trial.sessions if self._judge else ():
                for epoch, metrics in epochs.get(session.name, {}).items():
                    self.verdict(session.session, epoch, metrics)
            self.tell(TrialRecord(trial.trial, ()) if trial.trial.number in unfinished else trial)

    def ask(self) -> Combination | Literal[Wait.WAIT] | None:
        """What comes next, see ``Strategy``.

        Raises:
            StrategyError: it has failed.
        """
        if self._failure:
            raise self._failure
        proposed = self._asked(self._strategy.ask)
        return proposed if proposed is None or isinstance(proposed, Wait) else Combination.of(proposed)

    def tell(self, trial: TrialRecord) -> None:
        """How a trial stands.

        Raises:
            StrategyError: it has failed.
        """
        if not self._failure:
            self._asked(self._strategy.tell, trial)

    def verdict(self, session: Session, epoch: int, metrics: Mapping[str, float]) -> Verdict:
        """What becomes of a session after an epoch; it goes on where there is nobody to judge, or nothing to judge by.

        Raises:
            StrategyError: it has failed.
        """
        value = self._objective.of(metrics)
        if self._judge is None or self._failure or value is None or not is_finite(value):
            return Verdict.GO_ON
        return self._asked(self._judge.report, session, epoch, value)

    def _asked(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return question(*args, **kwargs)
        except GridsearchError:
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {' '.join(str(error).split())}"
            problem = f"the {self._name} strategy has failed, but everything is recorded: {said}"
            self._failure = StrategyError(f"{problem}\n  The same command goes on from here.")
            raise self._failure from error

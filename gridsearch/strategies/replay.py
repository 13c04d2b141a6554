"""Drive a strategy without training anything: its questions are answered from recorded curves.

replay = ReplayedSweep(curve, objective)         curve(values): the objective after each epoch; () fails the trial
while step := replay.step(strategy):          ask, report every epoch, tell
...
replay.brief(fresh)                           what a fresh strategy hears when a sweep resumes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gridsearch.hparams.combination import Combination, combination_id
from gridsearch.strategies import Strategy, SupportsVerdicts, Wait
from gridsearch.trials import (
    FailureKind,
    Objective,
    Outcome,
    Session,
    SessionRecord,
    Status,
    Trial,
    TrialRecord,
    Verdict,
)

__all__ = ["ReplayedStep", "ReplayedSweep"]


@dataclass(frozen=True)
class ReplayedStep:
    """One training: of a new trial, or of one that resumes after a pause."""

    values: Combination
    first: int
    """The epoch it began with, from 0."""
    epochs: int
    """How many it was trained for."""
    value: float | None
    """The objective at the end; None if it failed."""
    verdict: Verdict


class ReplayedSweep:
    """A sweep with one worker, in no time at all.

    Args:
        curve: the objective of a combination after each epoch; an empty one is a trial that fails.
        objective: the metric.
    """

    def __init__(self, curve: Callable[[Combination], Sequence[float]], objective: Objective) -> None:
        self._curve, self._objective = curve, objective
        self._trials: dict[str, TrialRecord] = {}

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """What came of every trial, in order of planning."""
        return tuple(self._trials.values())

    def brief(self, strategy: Strategy) -> None:
        """Tell a fresh strategy the facts as a runner that takes over does: of each trial its epochs, then itself."""
        for record in self._trials.values():
            for session in record.sessions:
                curve = self._curve(record.trial.values)[: self._done(record)]
                for epoch, value in enumerate(curve):
                    if isinstance(strategy, SupportsVerdicts):
                        strategy.report(session.session, epoch, value)
            strategy.tell(record)

    def step(self, strategy: Strategy) -> ReplayedStep | None:
        """Ask for a combination and train it as far as the strategy lets it; None when it has no more.

        Raises:
            ValueError: it proposed a trial that has ended, or waits though nothing runs.
        """
        values = strategy.ask()
        if values is None:
            return None
        if isinstance(values, Wait):
            raise ValueError("the strategy waits, but nothing is running")
        identity = combination_id(values)
        known = self._trials.get(identity)
        if known is not None and known.paused is None:
            raise ValueError(f"{dict(values)!r} was proposed again")
        trial = known.trial if known else Trial(len(self._trials) + 1, values)
        first, verdict, curve = self._done(known), Verdict.GO_ON, self._curve(values)
        session, done = Session(trial, 0, 1, 0), first
        while done < len(curve) and verdict is Verdict.GO_ON:
            if isinstance(strategy, SupportsVerdicts):
                verdict = strategy.report(session, done, curve[done])
            done += 1
        value = curve[done - 1] if done else None
        record = SessionRecord(session, self._outcome(value, done, verdict), 0.0, 1.0, delivered=True)
        self._trials[identity] = TrialRecord(trial, (record,))
        strategy.tell(self._trials[identity])
        return ReplayedStep(values, first, done - first, value, verdict)

    def _outcome(self, value: float | None, epochs: int, verdict: Verdict) -> Outcome:
        if value is None:
            return Outcome.failed(FailureKind.EXCEPTION, "it failed")
        status = Status.COMPLETED if verdict is Verdict.GO_ON else Status.STOPPED
        return Outcome(status, metrics={self._objective.metric: value}, paused=verdict is Verdict.PAUSE, epochs=epochs)

    @staticmethod
    def _done(record: TrialRecord | None) -> int:
        return record.sessions[0].outcome.epochs if record else 0

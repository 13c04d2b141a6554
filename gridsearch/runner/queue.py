"""The sessions that are still to be trained, and the trials that they belong to."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from gridsearch.trials import Session, SessionRecord, Status, TrialRecord

__all__ = ["SessionQueue"]


class SessionQueue:
    """Sessions waiting to be trained, in order, and every trial with a session that waits or runs."""

    def __init__(self) -> None:
        self._waiting: deque[Session] = deque()
        self._waiting_of: Counter[int] = Counter()
        self._trials: dict[int, TrialRecord] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def trials(self) -> dict[int, TrialRecord]:
        """The trials with a session that waits or runs, by number, with their sessions as the record has them."""
        return self._trials

    @property
    def trial_names(self) -> set[str]:
        """Names of those trials."""
        return {trial.trial.name for trial in self._trials.values()}

    def add(self, trial: TrialRecord, sessions: Iterable[Session]) -> None:
        """Put a trial's sessions at the end."""
        self._trials[trial.trial.number] = trial
        for session in sessions:
            self._waiting.append(session)
            self._waiting_of[session.trial.number] += 1

    def add_first(self, sessions: Iterable[Session]) -> None:
        """Put sessions of a known trial before all others: another attempt after a failure."""
        for session in sessions:
            self._waiting.appendleft(session)
            self._waiting_of[session.trial.number] += 1

    def take(self) -> Session:
        """Return the next session and forget that it waits."""
        session = self._waiting.popleft()
        self._waiting_of[session.trial.number] -= 1
        return session

    def note(self, session: SessionRecord) -> TrialRecord:
        """Keep a session as the record has it now, and return its trial."""
        trial = self._trials[session.session.trial.number]
        others = [s for s in trial.sessions if s.name != session.name]
        ordered = sorted([*others, session], key=lambda s: (s.session.repeat, s.session.attempt))
        self._trials[trial.trial.number] = TrialRecord(trial.trial, tuple(ordered))
        return self._trials[trial.trial.number]

    def pop_finished(self, number: int) -> TrialRecord | None:
        """Return and forget a trial that nothing waits or runs of; None while something does."""
        if self._waiting_of[number] or self._trials[number].status is Status.RUNNING:
            return None
        del self._waiting_of[number]
        return self._trials.pop(number)

    def clear(self) -> None:
        """Forget what waits; what runs is still known."""
        self._waiting.clear()
        self._waiting_of.clear()

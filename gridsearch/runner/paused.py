"""Sessions that are paused at a rung: recorded as stopped, ready to resume from their checkpoints.

running ──PAUSE──► stopped, paused ──asked for again──► running, from its checkpoint
                                   └─nothing more to ask──► stopped, and TensorBoard is told
"""

from __future__ import annotations

from collections.abc import Iterable

from gridsearch.hparams.combination import Combination
from gridsearch.hparams.grid import Space
from gridsearch.hparams.search_space import SearchSpace
from gridsearch.trials import SessionRecord, TrialRecord

__all__ = ["PausedTrials"]


class PausedTrials:
    """The paused sessions, by combination.

    Args:
        space: how a combination reads today.
    """

    def __init__(self, space: Space | SearchSpace) -> None:
        self._space = space
        self._sessions: dict[str, SessionRecord] = {}

    def put(self, session: SessionRecord) -> None:
        """Keep a paused session."""
        self._sessions[self._key(session.session.trial.values)] = session

    def put_all(self, trials: Iterable[TrialRecord]) -> None:
        """Keep the sessions that earlier runs paused."""
        for trial in trials:
            if trial.paused:
                self.put(trial.paused)

    def take(self, values: Combination) -> SessionRecord | None:
        """Return the paused session of a combination and forget it; None if there is none."""
        return self._sessions.pop(self._key(values), None)

    def clear(self) -> list[SessionRecord]:
        """Return every session and forget them all."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        return sessions

    @property
    def trials(self) -> set[str]:
        """Names of the trials, whose checkpoints must be kept."""
        return {session.session.trial.name for session in self._sessions.values()}

    def _key(self, values: Combination) -> str:
        return self._space.with_defaults(values).id

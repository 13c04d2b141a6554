"""Sessions that a strategy has put aside at a rung: recorded as stopped, known to nobody else, ready to go on.

running ──PAUSE──► stopped, paused ──asked for again──► running, from its checkpoint
                                   └─nothing more to ask──► stopped, and TensorBoard is told
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from gridsearch.hparams.domain import Combination, combination_id
from gridsearch.hparams.grid import Space
from gridsearch.hparams.search_space import SearchSpace
from gridsearch.trials import Outcome, SessionRecord, Status, TrialRecord

__all__ = ["PausedTrials", "finalize_session", "resume_session"]


class PausedTrials:
    """What was put aside, by combination.

    Args:
        space: how a combination reads today.
    """

    def __init__(self, space: Space | SearchSpace) -> None:
        self._space = space
        self._sessions: dict[str, SessionRecord] = {}

    def put(self, session: SessionRecord) -> None:
        """Put a session aside."""
        self._sessions[self._key(session.session.trial.values)] = session

    def put_all(self, trials: Iterable[TrialRecord]) -> None:
        """Put aside what earlier runs did."""
        for trial in trials:
            if trial.paused:
                self.put(trial.paused)

    def take(self, values: Combination) -> SessionRecord | None:
        """The session of a combination, if it was put aside; it is no longer."""
        return self._sessions.pop(self._key(values), None)

    def clear(self) -> list[SessionRecord]:
        """Take everything."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        return sessions

    @property
    def trials(self) -> set[str]:
        """Names of the trials, whose checkpoints must be kept."""
        return {session.session.trial.name for session in self._sessions.values()}

    def _key(self, values: Combination) -> str:
        return combination_id(self._space.completed(values))


def resume_session(session: SessionRecord, facts: Mapping[str, Any]) -> SessionRecord:
    """A session that was put aside as it runs again; how long it has been trained is among its facts."""
    spent = session.outcome.metrics.get("seconds", 0.0)
    running = Outcome(Status.RUNNING, facts={**facts, "continued": True, "spent": spent, "resumed": time.time()})
    return replace(session, outcome=running, ended=None, told=False)


def finalize_session(session: SessionRecord) -> SessionRecord:
    """A session that was put aside as it stands when it will not go on."""
    facts = {key: value for key, value in session.outcome.facts.items() if key != "paused"}
    return replace(session, outcome=replace(session.outcome, facts=facts))

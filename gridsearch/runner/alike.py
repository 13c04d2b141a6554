"""Recognise a mistake that fails every trial in the same way, so that a sweep stops after a few of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gridsearch.trials import FailureKind, SessionRecord, TrialRecord

__all__ = ["MOST_ALIKE", "EarlyFailures", "describe_failure"]

MOST_ALIKE = 3
"""Trials that may fail alike before any has a result."""

MISTAKES = (FailureKind.EXCEPTION, FailureKind.KILLED)
"""Failures that a mistake in the user's code explains; a divergence or a timeout may well be due to the values."""

NUMBER = re.compile(r"\d[\d.,e+-]*")


def describe_failure(session: SessionRecord) -> str:
    """Return kind and message of a failed session without numbers: the same for all that failed alike."""
    return f"{session.outcome.kind}: {NUMBER.sub('#', session.outcome.message)}"


class EarlyFailures:
    """The trials that failed in this run before any trial had a result.

    Args:
        trials: those of earlier runs.
        keep_going: whether the sweep goes on whatever fails.
    """

    def __init__(self, trials: Iterable[TrialRecord] = (), *, keep_going: bool = False) -> None:
        self._over = keep_going or any(trial.results for trial in trials)
        self._failures: dict[int, SessionRecord] = {}

    def note(self, ended: SessionRecord) -> None:
        """Take the end of a trial's session into account; of a failed one, if the trial is not tried again."""
        if ended.status.has_result:
            self._over = True
        else:
            self._failures[ended.session.trial.number] = ended

    @property
    def problem(self) -> str:
        """What all of them failed with, if they are enough to stop the sweep; empty otherwise."""
        found = list(self._failures.values())
        if self._over or len(found) < MOST_ALIKE or len(set(map(describe_failure, found))) > 1:
            return ""
        if found[0].outcome.kind not in MISTAKES:
            return ""
        return f"the first {len(found)} trials failed alike, so the sweep stops: {found[0].outcome.message}"

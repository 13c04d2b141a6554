"""Keep the models of the k best trials and the checkpoints of trials still to be trained; delete all others."""

from __future__ import annotations

import math
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from statistics import fmean

from gridsearch.trials import Objective, Session, SessionRecord

__all__ = ["ModelRetention", "remove_checkpoints"]


class ModelRetention:
    """Which sessions' models stay in ``LOGDIR/models``: one model of each of the k best trials.

    Trials rank as in ``Record.ranked``, which ``best`` prints: by the mean of their repeats, equal ones in order of
    planning, whichever ended first. Of a trial's repeats the best one's model stays; while others are still to be
    trained, every one stays.

    Args:
        logdir: the log directory.
        objective: what "best" means: its value at the end of a session.
        keep: how many; 0 keeps none.
        repeats: sessions of each trial.
    """

    def __init__(self, logdir: Path, objective: Objective, keep: int, repeats: int = 1) -> None:
        self._folder, self._objective, self._keep, self._repeats = logdir / "models", objective, keep, repeats
        self._values: dict[int, dict[Session, float]] = {}
        """The objective of every session with a result, by number of trial."""
        self._models: set[Session] = set()
        """Sessions that have left a model which is still there."""

    def bar(self, session: Session) -> float | None:
        """Return what a session must beat for its model to be worth writing.

        It is infinite if any result is worth it, None if none is. A trial that was planned before the last of the best
        wins a tie, so its bar is the next number below.
        """
        if self._keep == 0:
            return None
        best = self._rank()
        if len(best) < self._keep or self._repeats > 1:  # the mean is not known before the last repeat
            return math.inf
        last = best[self._keep - 1]
        value = self._mean(last)
        if session.trial.number < last:
            value = math.nextafter(value, -math.inf if self._objective.maximize else math.inf)
        return value

    def consider(self, sessions: Iterable[SessionRecord]) -> None:
        """Take ended sessions with a result into account."""
        for session in sessions:
            value = session.outcome.metrics.get(self._objective.ranking)
            if value is not None:
                self._values.setdefault(session.session.trial.number, {})[session.session] = value
                if (self._folder / f"{session.name}.keras").exists():
                    self._models.add(session.session)

    def withdraw(self, session: Session) -> None:
        """Forget the model of a session that resumes: only what it comes to now counts."""
        self._values.get(session.trial.number, {}).pop(session, None)
        self._models.discard(session)

    def prune(self, running: Collection[str], unfinished: Collection[str] = ()) -> None:
        """Delete the models, whole or half written, of sessions that neither run nor are among the best.

        Args:
            running: names of sessions.
            unfinished: names of trials with a session that runs or waits.
        """
        self._models = self._choose(unfinished)
        kept = {session.name for session in self._models} | set(running)
        for file in self._folder.iterdir() if self._folder.is_dir() else ():
            if file.name.startswith("run-") and file.name.partition(".")[0] not in kept:
                file.unlink(missing_ok=True)

    def _choose(self, unfinished: Collection[str]) -> set[Session]:
        """Return the sessions whose models stay; an unfinished trial takes no place, for its mean may still change."""
        chosen: set[Session] = set()
        left = self._keep
        for number in self._rank() if self._keep else []:
            models = [session for session in self._models if session.trial.number == number]
            if models[0].trial.name in unfinished:
                chosen.update(models)
            elif left:
                chosen.add(min(models, key=lambda one: (self._sign * self._values[one.trial.number][one], one.repeat)))
                left -= 1
        return chosen

    def _rank(self) -> list[int]:
        """Return the numbers of the trials with a model, best first."""
        numbers = {session.trial.number for session in self._models}
        return sorted(numbers, key=lambda number: (self._sign * self._mean(number), number))

    def _mean(self, number: int) -> float:
        return fmean(self._values[number].values())

    @property
    def _sign(self) -> float:
        return -1.0 if self._objective.maximize else 1.0


def remove_checkpoints(logdir: Path, remaining: Collection[str]) -> None:
    """Remove all checkpoints but those of the named trials, which are still to be trained."""
    folder = logdir / "checkpoints"
    for checkpoints in folder.iterdir() if folder.is_dir() else ():
        if checkpoints.name.partition("-r")[0] not in remaining:
            shutil.rmtree(checkpoints, ignore_errors=True)

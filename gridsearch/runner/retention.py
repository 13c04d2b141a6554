"""What stays on disk besides the record: the best k models, and checkpoints of trials that are still owed something."""

from __future__ import annotations

import math
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from gridsearch.trials import Objective, SessionRecord

__all__ = ["ModelRetention", "remove_checkpoints"]


class ModelRetention:
    """Which sessions' models stay in ``LOGDIR/models``.

    Args:
        logdir: the log directory.
        objective: what "best" means: its value at the end of a session.
        keep: how many; 0 keeps none.
    """

    def __init__(self, logdir: Path, objective: Objective, keep: int) -> None:
        self._folder, self._objective, self._keep = logdir / "models", objective, keep
        self._best: list[tuple[float, str]] = []

    @property
    def bar(self) -> float | None:
        """What a session must beat for its model to be worth writing; infinite if anything does, None if nothing."""
        if self._keep == 0:
            return None
        return math.inf if len(self._best) < self._keep else self._best[-1][0]

    def consider(self, sessions: Iterable[SessionRecord]) -> None:
        """Take ended sessions into account that have left a model; of equal ones the earlier stays."""
        for session in sessions:
            value = session.outcome.metrics.get(self._objective.metric)
            if value is not None and (self._folder / f"{session.name}.keras").exists():
                self.withdraw(session.name)
                self._best.append((value, session.name))
        self._best.sort(key=lambda pair: -pair[0] if self._objective.maximize else pair[0])
        del self._best[self._keep :]

    def withdraw(self, session: str) -> None:
        """A session that was put aside goes on: what it comes to now is all that counts."""
        self._best = [(value, name) for value, name in self._best if name != session]

    def prune(self, running: Collection[str]) -> None:
        """Delete the models, whole or half written, of sessions that neither run nor are among the best."""
        kept = {name for _, name in self._best} | set(running)
        for file in self._folder.iterdir() if self._folder.is_dir() else ():
            if file.name.startswith("run-") and file.name.partition(".")[0] not in kept:
                file.unlink(missing_ok=True)


def remove_checkpoints(logdir: Path, owed: Collection[str]) -> None:
    """Remove all checkpoints but those of the named trials, which are still to be trained."""
    folder = logdir / "checkpoints"
    for checkpoints in folder.iterdir() if folder.is_dir() else ():
        if checkpoints.name.partition("-r")[0] not in owed:
            shutil.rmtree(checkpoints, ignore_errors=True)

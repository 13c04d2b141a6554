"""Say all that a process needs to train one session.

Task ──► worker ──► training, or the user's objective
                      └─ Reporter ── Epoch, Heartbeat ──► emit
                                  └─ run-0007/train, validation/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gridsearch.config.sections import Settings
from gridsearch.hparams.combination import Combination
from gridsearch.trials import Objective, Session

__all__ = ["Task"]


@dataclass(frozen=True, slots=True)
class Task:
    """Everything that a process needs to train one session; pickled on its way there."""

    session: Session
    values: Combination
    settings: Settings
    objective: Objective
    logdir: Path
    detail: str
    keep_above: float | None
    """The model is saved if its objective is better than this; None saves none, see ``Reporter.worth_keeping``."""
    judged: bool = False
    """Whether to wait after each epoch for what the strategy says."""
    pausable: bool = False
    """Whether it may be paused, to resume later from a checkpoint."""
    trained_before: float | None = None
    """Seconds that it was trained for before it was paused; None if it only begins."""

    @property
    def checkpoints(self) -> Path | None:
        """Where the trial's state is kept, whichever attempt it is; None if it is not."""
        if self.settings.training.checkpoint == "none" and not self.pausable:
            return None
        return self.logdir / "checkpoints" / Session(self.session.trial, self.session.repeat, 1, 0).name

    @property
    def directory(self) -> Path:
        """The session's own directory."""
        return self.logdir / self.session.name

    @property
    def model_file(self) -> Path:
        """Where its model is kept, if it is among the best."""
        return self.logdir / "models" / f"{self.session.name}.keras"

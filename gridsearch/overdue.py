"""When a running session is given up: it takes too long, or shows no sign of life."""

from __future__ import annotations

from gridsearch.config import SweepConfig
from gridsearch.trials import FailureKind, Outcome

__all__ = ["overdue"]


def overdue(config: SweepConfig, running: float, silent: float) -> Outcome | None:
    """How a session ends that has been running, and silent, for so many seconds; None if it may go on."""
    timeout, stall_after = config.training.timeout, config.stall_after
    if timeout is not None and running > timeout:
        return Outcome.failed(FailureKind.TIMEOUT, f"still running after training.timeout = {timeout:g} s")
    if stall_after is not None and silent > stall_after:
        return Outcome.failed(FailureKind.STALLED, f"no sign of life for training.stall_after = {stall_after:g} s")
    return None

"""End trials that take too long or show no sign of life, and read their ends while a sweep stops."""

from __future__ import annotations

import time

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.trials import Ended, FailureKind, Message, Outcome

__all__ = ["INTERRUPTED", "WakingClock", "find_missed_deadline", "reclassify_during_shutdown"]

INTERRUPTED = Outcome.failed(FailureKind.INTERRUPTED, "the sweep was stopped", charged=False)

STOOD_STILL = 5.0
"""Seconds between two ticks beyond which it was the runner that stood still: frozen, or waiting for a lock."""


class WakingClock:
    """A clock that stands still while the runner does, so that no trial misses a deadline because the machine slept."""

    def __init__(self) -> None:
        self._lost, self._ticked = 0.0, time.monotonic()

    def tick(self) -> None:
        """Say that the runner is awake; to be called every second or so."""
        now = time.monotonic()
        if now - self._ticked > STOOD_STILL:
            self._lost += now - self._ticked
        self._ticked = now

    def now(self) -> float:
        """Return seconds since some instant."""
        return time.monotonic() - self._lost


def reclassify_during_shutdown(message: Message) -> Message:
    """During shutdown, reclassify killed and crashed sessions as interrupted."""
    failed = isinstance(message, Ended) and message.outcome.kind in (FailureKind.KILLED, FailureKind.EXCEPTION)
    return Ended(message.session, INTERRUPTED) if failed else message


def find_missed_deadline(config: SweepConfig, running: float, silent: float) -> Outcome | None:
    """Return how a session ends that has missed a deadline; None if it may go on.

    Args:
        config: says the deadlines.
        running: seconds since it began.
        silent: seconds since its last sign of life.
    """
    timeout, stall_after = config.training.timeout, config.stall_after
    if timeout is not None and running > timeout:
        return Outcome.failed(FailureKind.TIMEOUT, f"still running after training.timeout = {timeout:g} s")
    if stall_after is not None and silent > stall_after:
        return Outcome.failed(FailureKind.STALLED, f"no sign of life for training.stall_after = {stall_after:g} s")
    return None

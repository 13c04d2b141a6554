"""Ends that do not come from a trial itself: it takes too long, shows no sign of life, or the sweep is to stop."""

from __future__ import annotations

import time

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.trials import Ended, FailureKind, Message, Outcome

__all__ = ["INTERRUPTED", "WakingClock", "find_missed_deadline", "reclassify_during_shutdown"]

INTERRUPTED = Outcome.failed(FailureKind.INTERRUPTED, "the sweep was stopped", charged=False)

STOOD_STILL = 5.0
"""Seconds between two ticks beyond which it was the runner that stood still: frozen, or waiting for a lock."""


class WakingClock:
    """Seconds for which the runner was awake: what it slept through, no trial has to answer for."""

    def __init__(self) -> None:
        self._lost, self._ticked = 0.0, time.monotonic()

    def tick(self) -> None:
        """Say that the runner is awake; to be called every second or so."""
        now = time.monotonic()
        if now - self._ticked > STOOD_STILL:
            self._lost += now - self._ticked
        self._ticked = now

    def now(self) -> float:
        """Seconds since some instant."""
        return time.monotonic() - self._lost


def reclassify_during_shutdown(message: Message) -> Message:
    """What is believed while the sweep stops: a worker, or what a trial had started, that died then was stopped."""
    failed = isinstance(message, Ended) and message.outcome.kind in (FailureKind.KILLED, FailureKind.EXCEPTION)
    return Ended(message.session, INTERRUPTED) if failed else message


def find_missed_deadline(config: SweepConfig, running: float, silent: float) -> Outcome | None:
    """How a session ends that has been running, and silent, for so many seconds; None if it may go on."""
    timeout, stall_after = config.training.timeout, config.stall_after
    if timeout is not None and running > timeout:
        return Outcome.failed(FailureKind.TIMEOUT, f"still running after training.timeout = {timeout:g} s")
    if stall_after is not None and silent > stall_after:
        return Outcome.failed(FailureKind.STALLED, f"no sign of life for training.stall_after = {stall_after:g} s")
    return None

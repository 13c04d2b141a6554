"""Wait for a fact, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY = 0.02
"""Seconds between two looks."""


def wait_until(condition: Callable[[], object], seconds: float = 60.0, otherwise: Callable[[], str] = str) -> None:
    """Block until the condition holds.

    Args:
        condition: looked at every 20 ms.
        seconds: how long to wait; generous, since processors are shared.
        otherwise: what to say when it does not hold by then.

    Raises:
        AssertionError: it does not hold by then.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {otherwise()}"
        time.sleep(EVERY)

"""Heed Ctrl-C and SIGTERM: the first asks the sweep to stop in order, the second ends it at once.

One request may come as several signals: `timeout` and `make` pass theirs on to processes that have had it already.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["STOP_SIGNALS", "StopRequest"]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

ONE_REQUEST = 0.5
"""Seconds within which further signals are the same request."""


class StopRequest:
    """Holds the signal handlers while a sweep runs.

    Attributes:
        requested: True after the first signal.
        at_once: called before the process leaves on the second signal, to end what must not outlive it.
    """

    def __init__(self) -> None:
        self.requested = False
        self.at_once: Callable[[], None] = lambda: None
        self._raises = False
        self._asked = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._on_signal) for number in STOP_SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            if time.monotonic() - self._asked < ONE_REQUEST:
                return
            self.at_once()
            os._exit(130)
        self.requested, self._asked = True, time.monotonic()
        if self._raises:
            raise KeyboardInterrupt

    @contextmanager
    def interrupts(self) -> Iterator[None]:
        """Let the first signal raise KeyboardInterrupt inside: for a trial that runs in this very process."""
        self._raises = True
        try:
            if self.requested:  # just before
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = False

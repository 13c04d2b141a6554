"""What signals mean, by when they come."""

from __future__ import annotations

import signal

import pytest

from gridsearch.system.signals import ONE_REQUEST, StopRequest


def test_signals_at_once_are_one_request_and_a_later_one_ends_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    now, done = [100.0], []
    monkeypatch.setattr("gridsearch.system.signals.time.monotonic", lambda: now[0])
    monkeypatch.setattr("gridsearch.system.signals.os._exit", lambda status: done.append(status))
    with StopRequest() as stop:
        stop.at_once = lambda: done.append("at once")
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
            now[0] += ONE_REQUEST / 3
            assert stop.requested
            assert done == []
        now[0] += ONE_REQUEST
        signal.raise_signal(signal.SIGINT)
        assert done == ["at once", 130]

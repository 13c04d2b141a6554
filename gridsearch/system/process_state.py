"""Put a process back as it was before a user's function ran in it.

    before = ProcessState(settings) ──► the user's function ──► before.restore() ──► Changes(restored, left)

A warm worker trains one trial after the other, so what one of them changes would reach the next: a working directory,
an environment variable, a log handler. ``python_settings`` lists what Python and the system keep for each process;
``training.library_state`` lists what the libraries keep. Nothing can be known of what a function changes in modules of
its own, such as a variable or a replaced method.

Own code: no library does this, and test runners only do it for what a test changed through them.
"""

from __future__ import annotations

import gc
import locale
import logging
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import ne
from typing import Any

__all__ = ["UNKNOWN", "Changes", "ProcessState", "Setting", "python_settings", "thread_setting"]

SECONDS_TO_END = 1.0
"""How long threads that a trial has started may take to end with it."""

UNKNOWN: Any = object()
"""What a setting reads that cannot be read; it is left alone."""


@dataclass(frozen=True)
class Setting:
    """One thing that a process has one of, and that a function may change.

    Args:
        name: for people.
        read: returns its value, which later changes do not reach; ``UNKNOWN`` where there is nothing to read.
        write: makes this its value; what it raises means that it cannot.
        differs: tells a changed value from the one before.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], None]
    differs: Callable[[Any, Any], bool] = ne


@dataclass(frozen=True)
class Changes:
    """The names of what was changed: what is as before again, and what is not."""

    restored: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class ProcessState:
    """What the settings of this process are at one moment."""

    def __init__(self, settings: Iterable[Setting]) -> None:
        self._values = [(setting, _read(setting)) for setting in settings]

    def restore(self) -> Changes:
        """Write back each setting that has another value now, and return which those were."""
        restored: list[str] = []
        left: list[str] = []
        for setting, value in self._values:
            if _differs(setting, value):
                try:
                    setting.write(value)
                except Exception:  # a limit that may not be raised, a device that is in use: the caller says so
                    left.append(setting.name)
                else:
                    (left if _differs(setting, value) else restored).append(setting.name)
        return Changes(tuple(restored), tuple(left))


def _read(setting: Setting) -> Any:
    try:
        return setting.read()
    except (AttributeError, OSError):  # a module of that name without it; no folder for temporary files
        return UNKNOWN


def _differs(setting: Setting, before: Any) -> bool:
    now = _read(setting)
    return before is not UNKNOWN and now is not UNKNOWN and now is not before and setting.differs(before, now)


def python_settings() -> list[Setting]:
    """Return what Python and the system keep for each process, for one ``ProcessState``."""
    settings = [
        Setting("working directory", _read_folder, os.chdir),
        Setting("environment", lambda: dict(os.environ), _write_environment),
        Setting("umask", _read_umask, _write_umask),
        Setting("resource limits", _read_limits, _write_limits),
        Setting("nice value", lambda: os.getpriority(os.PRIO_PROCESS, 0), _write_priority),
        Setting("locale", lambda: locale.setlocale(locale.LC_ALL), _write_locale),
        Setting("sys.path", lambda: list(sys.path), lambda value: _fill(sys.path, value)),
        Setting("sys.argv", lambda: list(sys.argv), lambda value: _fill(sys.argv, value)),
        Setting("recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
        Setting("excepthook", lambda: sys.excepthook, lambda value: setattr(sys, "excepthook", value)),
        Setting("trace function", sys.gettrace, sys.settrace),
        Setting("warning filters", lambda: list(warnings.filters), _write_filters),
        Setting("garbage collection", _read_collection, _write_collection),
        Setting("socket timeout", socket.getdefaulttimeout, socket.setdefaulttimeout),
        Setting("temporary folder", tempfile.gettempdir, lambda value: setattr(tempfile, "tempdir", value)),
        _logging_setting(),
    ]
    if hasattr(os, "sched_getaffinity"):
        affinity = Setting("processors", lambda: os.sched_getaffinity(0), lambda value: os.sched_setaffinity(0, value))
        settings.append(affinity)
    if threading.current_thread() is threading.main_thread():  # where alone they can be set
        settings.append(Setting("signal handlers", _read_handlers, _write_handlers))
        settings.append(Setting("alarm", _read_alarm, _write_alarm, _alarm_differs))
    return settings


def thread_setting(*own: str) -> Setting:
    """Return the threads of this process: those that are new have a second to end, and cannot be ended.

    Args:
        own: how the names of threads begin that may stay.
    """
    # Threads of C++ that once called Python never end here, and tqdm's monitor only looks at its bars.
    may_stay = ("Dummy-", *own)

    def read() -> frozenset[threading.Thread]:
        return frozenset(
            thread
            for thread in threading.enumerate()
            if not thread.name.startswith(may_stay) and not type(thread).__module__.startswith("tqdm")
        )

    def await_end(before: frozenset[threading.Thread]) -> None:
        deadline = time.monotonic() + SECONDS_TO_END
        for thread in read() - before:
            thread.join(max(0.0, deadline - time.monotonic()))

    return Setting("threads", read, await_end, lambda before, now: bool(now - before))


def _read_folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was removed
        return ""


def _write_locale(value: str) -> None:
    locale.setlocale(locale.LC_ALL, value)


def _fill(items: list[Any], value: list[Any]) -> None:
    items[:] = value


def _write_environment(value: dict[str, str]) -> None:
    for name in set(os.environ) - set(value):
        del os.environ[name]
    for name, text in value.items():
        if os.environ.get(name) != text:
            os.environ[name] = text
    time.tzset()  # TZ may be among them


def _read_umask() -> int:
    mask = os.umask(0o077)  # there is no other way; a file that a thread makes right now is too private, not too public
    os.umask(mask)
    return mask


def _write_umask(value: int) -> None:
    os.umask(value)


_LIMITS = {name: getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}


def _read_limits() -> dict[str, tuple[int, int]]:
    return {name: resource.getrlimit(number) for name, number in _LIMITS.items()}


def _write_limits(value: dict[str, tuple[int, int]]) -> None:
    now = _read_limits()
    for name, limits in value.items():
        if now[name] != limits:
            resource.setrlimit(_LIMITS[name], limits)


def _write_priority(value: int) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, value)


def _write_filters(value: list[Any]) -> None:
    warnings.resetwarnings()  # which also forgets what the filters before had decided
    warnings.filters[:] = value  # type: ignore[index]  # typed as a sequence; it is the list that Python looks at


def _read_collection() -> tuple[bool, tuple[int, int, int]]:
    return gc.isenabled(), gc.get_threshold()


def _write_collection(value: tuple[bool, tuple[int, int, int]]) -> None:
    (gc.enable if value[0] else gc.disable)()
    gc.set_threshold(*value[1])


def _read_handlers() -> dict[int, Any]:
    handlers = {int(number): signal.getsignal(number) for number in signal.valid_signals()}
    return {number: handler for number, handler in handlers.items() if handler is not None}  # None: set by C


def _write_handlers(value: dict[int, Any]) -> None:
    now = _read_handlers()
    for number, handler in value.items():
        if now.get(number) is not handler:
            signal.signal(number, handler)
            if callable(handler):
                signal.siginterrupt(number, False)


def _read_alarm() -> float | None:
    """Return when the timer of real time sends its signal, by the monotonic clock; None if it is not set."""
    remaining = signal.getitimer(signal.ITIMER_REAL)[0]
    return time.monotonic() + remaining if remaining else None


def _write_alarm(value: float | None) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.0 if value is None else max(0.001, value - time.monotonic()))


def _alarm_differs(before: float | None, now: float | None) -> bool:
    return abs(before - now) > 1.0 if before is not None and now is not None else before != now


_Logger = tuple[int, bool, bool, tuple[Any, ...], tuple[Any, ...]]
UNTOUCHED: _Logger = (logging.NOTSET, True, False, (), ())


def _logging_setting() -> Setting:
    """Return levels, handlers and filters of all loggers; those of packages that are imported later are left out."""
    imported = set(sys.modules)

    def read() -> tuple[int, dict[str, _Logger]]:
        found = {"": _logger_state(logging.root)}
        for name, logger in list(logging.root.manager.loggerDict.items()):
            package = name.partition(".")[0]
            if isinstance(logger, logging.Logger) and (package in imported or package not in sys.modules):
                found[name] = _logger_state(logger)
        return logging.root.manager.disable, {name: state for name, state in found.items() if state != UNTOUCHED}

    def write(value: tuple[int, dict[str, _Logger]]) -> None:
        logging.disable(value[0])
        for name in {"", *read()[1], *value[1]}:
            logger = logging.getLogger(name or None)
            level, logger.propagate, logger.disabled, handlers, filters = value[1].get(name, UNTOUCHED)
            logger.setLevel(level)
            logger.handlers[:], logger.filters[:] = handlers, filters

    return Setting("logging", read, write)


def _logger_state(logger: logging.Logger) -> _Logger:
    return logger.level, logger.propagate, logger.disabled, tuple(logger.handlers), tuple(logger.filters)

"""Show the report as a tab of TensorBoard: the same page, live, for every sweep below its log directory.

    GET index.js, style.css      the page
        sweeps                   names of the sweeps, paths relative to the log directory
        facts?sweep=&version=    one sweep's facts, or only its version where that is still the one named

TensorBoard loads this module when it starts, so nothing is imported here that it has not imported itself; the
analyses are, when somebody looks. Records are opened read-only, and nothing outside the log directory is served: a
sweep is named by what was found below it, never by a path that a request makes up.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tensorboard.plugins import base_plugin

__all__ = ["SweepPlugin", "sweeps_below"]

DATABASE = "sweep.db"

DEEPEST = 4
"""Folders below the log directory in which a sweep is looked for."""

MOST_FOLDERS = 5000
"""Folders looked into, in all; a log directory is no file system."""

LOOK_AGAIN = 3.0
"""Seconds for which the list of sweeps is kept."""

Respond = Callable[[Mapping[str, Any], Callable[..., Any]], Iterable[bytes]]


class SweepPlugin(base_plugin.TBPlugin):  # type: ignore[misc]  # tensorboard is not typed
    """What TensorBoard finds under the entry point ``tensorboard_plugins``."""

    plugin_name = "gridsearch"

    def __init__(self, context: Any) -> None:
        """Keep the log directory; ``--logdir_spec`` and remote ones, which have none, show no tab."""
        local = context.logdir and "://" not in context.logdir
        self._logdir = Path(context.logdir).expanduser().absolute() if local else None
        self._lock = threading.Lock()
        self._found: tuple[float, dict[str, Path]] = (-LOOK_AGAIN, {})
        self._made: dict[str, tuple[str, bytes]] = {}
        self._locks: dict[str, threading.Lock] = {}

    def is_active(self) -> bool:
        """Return whether there is a sweep to show."""
        return bool(self._sweeps())

    def frontend_metadata(self) -> Any:
        """Return the tab: its title, and the module that draws it in a frame; it refreshes by itself."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Sweep", disable_reload=True)

    def get_plugin_apps(self) -> dict[str, Respond]:
        """Return routes to what answers them."""
        return {
            "/index.js": self._script,
            "/style.css": self._style,
            "/sweeps": self._list,
            "/facts": self._facts,
        }

    def _sweeps(self) -> dict[str, Path]:
        """Return log directories by name; they are looked for again every few seconds."""
        with self._lock:
            at, found = self._found
            if self._logdir is not None and time.monotonic() - at >= LOOK_AGAIN:
                found = sweeps_below(self._logdir)
                self._found = (time.monotonic(), found)
            return found

    def _script(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        from gridsearch.report.assets import script

        text = f"{script()}\nexport const render = showLive;\n"
        return _answer(start_response, "text/javascript", text.encode())

    def _style(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        from gridsearch.report.assets import style

        return _answer(start_response, "text/css", style().encode())

    def _list(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return _answer(start_response, "application/json", json.dumps(list(self._sweeps())).encode())

    def _facts(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        from urllib.parse import parse_qs

        query = parse_qs(str(environ.get("QUERY_STRING", "")))
        name, known = query.get("sweep", [""])[0], query.get("version", [""])[0]
        logdir = self._sweeps().get(name)
        if logdir is None:
            problem = {"problem": "There is no such sweep in this log directory."}
            return _answer(start_response, "application/json", json.dumps(problem).encode(), "404 Not Found")
        return _answer(start_response, "application/json", self._answer_for(name, logdir, known))

    def _answer_for(self, name: str, logdir: Path, known: str) -> bytes:
        """Return a sweep's facts as JSON, made once for each state of its record."""
        from gridsearch.errors import GridsearchError
        from gridsearch.record.reader import Record, read_epochs

        try:
            with self._lock_of(name):
                version = _version(logdir)
                record = Record.read(logdir)
                version += "+" * record.held  # a runner that has left changes nothing but this
                if version == known:
                    return json.dumps({"version": version, "sweep": name, "running": record.held}).encode()
                if self._made.get(name, ("", b""))[0] != version:
                    from gridsearch.report.facts import collect_facts
                    from gridsearch.report.page import as_json

                    self._made[name] = version, as_json(collect_facts(record, read_epochs(logdir))).encode()
                facts = self._made[name][1]
        except (GridsearchError, OSError) as error:
            return json.dumps({"problem": str(error)}).encode()
        head = json.dumps({"version": version, "sweep": name, "running": record.held})
        return head[:-1].encode() + b', "facts": ' + facts + b"}"

    def _lock_of(self, name: str) -> threading.Lock:
        """Return the lock by which one page of a sweep is made at a time: trials need the processors."""
        with self._lock:
            return self._locks.setdefault(name, threading.Lock())


def _version(logdir: Path) -> str:
    state = (logdir / DATABASE).stat()
    return f"{state.st_mtime_ns:x}-{state.st_size:x}"


def sweeps_below(logdir: Path) -> dict[str, Path]:
    """Return every sweep's log directory in a log directory, by its path relative to it; the directory itself is ".".

    Links that lead out of the log directory are not followed, whether of folders or of ``sweep.db`` itself; below a
    logdir there is no other.
    """
    root, found, looked = logdir.resolve(), dict[str, Path](), 0
    for folder, below, files in os.walk(logdir):
        here, looked = Path(folder), looked + 1
        depth = len(here.relative_to(logdir).parts)
        if DATABASE in files and (here / DATABASE).resolve().is_relative_to(root):
            found[here.relative_to(logdir).as_posix()] = here
            below.clear()
        if depth >= DEEPEST or looked >= MOST_FOLDERS:
            below.clear()
        below.sort()
        below[:] = [name for name in below if not name.startswith(".")]
    return found


def _answer(start_response: Callable[..., Any], kind: str, body: bytes, status: str = "200 OK") -> Iterable[bytes]:
    headers = [
        ("Content-Type", f"{kind}; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    start_response(status, headers)
    return [body]

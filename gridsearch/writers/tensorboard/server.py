"""Start a real TensorBoard on a log directory: in the foreground for people, or on loopback for questions.

serve(logdir)           replaces this process by TensorBoard, with enough file descriptors for every trial
Dashboard(logdir)       starts a server on a free port, asks its HTTP API, ends it with the block
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gridsearch.errors import GridsearchError

__all__ = ["Dashboard", "raise_file_limit", "serve"]

STATUSES = ("STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING")
QUICK = ["--reload_interval", "1", "--samples_per_plugin", "scalars=1000000"]
"""Look for news every second, and keep every point of a curve."""

QUESTIONED = """
import sys, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("tensorboard.compat.notf")
from tensorboard.main import run_main
run_main()
"""
"""TensorBoard without TensorFlow: by the presence of this module it knows a build without it (``tensorboard.compat``).

TensorFlow takes it 5 s and 770 MB to import (two shared cores), and reads none of what is asked for here.
"""

MOST_RUNS = 2000
"""Runs whose curves are asked for at a time."""

SECONDS_TO_START = 90.0
SECONDS_TO_ANSWER = 60.0


def raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard one.

    TensorBoard keeps every event file open. Without free descriptors it leaves rows out, with only a line on stderr.
    """
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def serve(logdir: Path, arguments: Sequence[str] = ()) -> None:
    """Replace this process by TensorBoard on a log directory; never return."""
    raise_file_limit()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), *arguments]
    os.execv(command[0], command)


class Dashboard:
    """A TensorBoard on loopback and a free port, for as long as the block lasts.

    Raises:
        GridsearchError: it does not start. The message has what it printed.
    """

    def __init__(self, logdir: Path) -> None:
        raise_file_limit()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the block
        self._process = subprocess.Popen(
            [sys.executable, "-c", QUESTIONED, "--logdir", str(logdir), "--host", "127.0.0.1", "--port", "0", *QUICK],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
        )
        self.url = ""
        self._loopback = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by way of a proxy

    def __enter__(self) -> Self:
        try:
            self.url = self._wait_for_address()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def _printed(self) -> str:
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    def _wait_for_address(self) -> str:
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            found = re.search(r"at (http://[^\s]+)", self._printed())
            if found:
                return found.group(1).rstrip("/")
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise GridsearchError(f"TensorBoard did not start:\n{self._printed()}")

    def _end(self) -> None:
        self._process.terminate()  # not kill: it ends its own data server on the way out
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    def _ask(self, route: str, body: bytes | None = None, kind: str = "application/json") -> Any:
        request = urllib.request.Request(f"{self.url}/data/plugin/{route}", body, {"Content-Type": kind})
        with self._loopback.open(request, timeout=SECONDS_TO_ANSWER) as answer:
            return json.load(answer)

    def experiment(self) -> dict[str, Any]:
        """Return the experiment as the plugin shows it, or {} while it has read none."""
        return dict(self._ask_or_empty("hparams/experiment", {"experimentName": ""}))

    def session_groups(self, columns: Sequence[str], most: int = 1_000_000) -> list[dict[str, Any]]:
        """Return the rows of the table, of every status, with the given metric columns."""
        body = {
            "experimentName": "",
            "allowedStatuses": STATUSES,
            "colParams": [{"metric": {"tag": column, "group": ""}} for column in columns],
            "aggregationType": "AGGREGATION_AVG",
            "startIndex": 0,
            "sliceSize": most,
        }
        return list(self._ask_or_empty("hparams/session_groups", body).get("sessionGroups", []))

    def scalars(self) -> dict[str, dict[str, dict[int, float]]]:
        """Return every curve, and every single value: run -> tag -> step -> value."""
        tags: dict[str, list[str]] = {}
        found: dict[str, dict[str, dict[int, float]]] = {}
        for run, known in self._ask_or_empty("scalars/tags").items():
            found[run] = {}
            for tag in known:
                tags.setdefault(tag, []).append(run)
        for tag, runs in tags.items():
            for first in range(0, len(runs), MOST_RUNS):
                form = urllib.parse.urlencode({"tag": tag, "runs": runs[first : first + MOST_RUNS]}, doseq=True)
                kind = "application/x-www-form-urlencoded"
                for run, points in self._ask_or_empty("scalars/scalars_multirun", form.encode(), kind).items():
                    found[run][tag] = {int(step): float(value) for _, step, value in points}
        return found

    def _ask_or_empty(
        self, route: str, body: dict[str, Any] | bytes | None = None, kind: str = "application/json"
    ) -> dict[str, Any]:
        """Return the answer; {} if the plugin has read nothing yet, which it answers with an error."""
        try:
            return dict(self._ask(route, json.dumps(body).encode() if isinstance(body, dict) else body, kind))
        except urllib.error.HTTPError as error:
            if error.code in (400, 404):
                return {}
            raise GridsearchError(f"TensorBoard answered {error.code} to {route}: {error.read()[:300]!r}") from None
        except (OSError, http.client.HTTPException) as error:
            raise GridsearchError(f"TensorBoard does not answer: {error}\n{self._printed()}") from None

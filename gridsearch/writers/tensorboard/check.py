"""Compare a real TensorBoard's answers with the record, row by row and curve by curve.

The log directory is a sweep's, or a folder of several.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gridsearch.record.folders import require_sweeps
from gridsearch.record.reader import Record, read_histories
from gridsearch.trials import Status
from gridsearch.writers.tensorboard.differences import curve_differences, differences, shown_curves
from gridsearch.writers.tensorboard.event_files import OWN_NAME, list_event_files
from gridsearch.writers.tensorboard.events import CURVES
from gridsearch.writers.tensorboard.mixture import describe_mixture
from gridsearch.writers.tensorboard.server import Dashboard

__all__ = ["CheckResult", "check", "differences"]

PATIENCE = 15.0
"""Seconds for which a difference must last before it counts: TensorBoard loads bit by bit."""


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        agreeing: how many rows agree with the record.
        rows: how many rows the record has.
        differences: a sentence for each difference.
        notes: what TensorBoard cannot show of several sweeps at once, a sentence each.
    """

    agreeing: int
    rows: int
    differences: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the dashboard shows exactly what is recorded."""
        return not self.differences


def check(
    logdir: Path, *, patience: float = PATIENCE, on_wait: Callable[[int, int], None] | None = None
) -> CheckResult:
    """Start a TensorBoard and compare it with the record until it agrees or its differences last.

    TensorBoard loads bit by bit, and the sweep may be running. So a difference counts only if it lasts ``patience``
    seconds in which no other difference has gone away.

    Args:
        logdir: the log directory, or a folder of several.
        patience: seconds for which differences must last.
        on_wait: called with rows agreeing and rows expected.

    Raises:
        LogdirError: there is no record, or one is damaged.
        GridsearchError: TensorBoard does not start.
    """
    records = _read(logdir)
    lasting: list[str] = []
    with Dashboard(logdir) as dashboard:
        since = time.monotonic()
        while True:
            columns = dict.fromkeys(column for record in records.values() for column in record.columns)
            experiment, groups = dashboard.experiment(), dashboard.session_groups(list(columns))
            curves = dashboard.scalars()
            records = _read(logdir)  # read after the answers, so that no record is older than they are
            found = differences(records, experiment, groups)
            found += _curve_differences(records, curves)
            found = list(dict.fromkeys(found))  # a row shown thrice is one line
            verdict = _verdict(logdir, records, found)
            if on_wait:
                on_wait(verdict.agreeing, verdict.rows)
            if verdict.ok:
                return verdict
            still = set(found) & set(lasting)
            if not lasting or len(still) < len(lasting):
                lasting, since = [one for one in found if one in still] or found, time.monotonic()
            elif time.monotonic() - since > patience:
                return _verdict(logdir, records, lasting)
            time.sleep(0.5)


def _read(logdir: Path) -> dict[str, Record]:
    return {sweep: Record.read(path) for sweep, path in require_sweeps(logdir).items()}


def _verdict(logdir: Path, records: Mapping[str, Record], found: Sequence[str]) -> CheckResult:
    expected = [
        t.trial.name if sweep == "." else f"{sweep}/{t.trial.name}"
        for sweep, record in records.items()
        for t in record.trials
        if t.sessions
    ]
    wrong = {_row_of(one.partition(": ")[0]) for one in found}
    notes = tuple(describe_mixture(logdir, records))
    return CheckResult(sum(name not in wrong for name in expected), len(expected), tuple(found), notes)


def _row_of(session: str) -> str:
    """Return the row of a session: ``run-0007`` of ``run-0007-r1-a2``."""
    folder, slash, name = session.rpartition("/")
    return f"{folder}{slash}{'-'.join(name.split('-')[:2])}"


def _curve_differences(
    records: Mapping[str, Record], shown: Mapping[str, Mapping[str, Mapping[int, float]]]
) -> list[str]:
    found = []
    for sweep, record in records.items():
        before = "" if sweep == "." else f"{sweep}/"
        found += curve_differences(
            shown_curves(record, sweep, read_histories(record.logdir)),
            {run: tags for run, tags in shown.items() if sweep == "." or run.startswith(before)},
            busy=[f"{before}{s.name}" for s in record.sessions if s.status is Status.RUNNING or s.paused],
            others=_runs_of_keras(record, before, shown),
            optional=record.tables.get("sweep", {}).get("detail") == "summary",
        )
    return found


def _runs_of_keras(record: Record, before: str, shown: Mapping[str, object]) -> list[str]:
    """Return the runs of which Keras's own callback wrote a file."""
    runs = [f"{session.name}/{part}" for session in record.sessions for part in CURVES]
    return [
        f"{before}{run}"
        for run in runs
        if f"{before}{run}" in shown
        and any(not OWN_NAME.fullmatch(file.name) for file in list_event_files(record.logdir / run))
    ]

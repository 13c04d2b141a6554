"""Write again, from the record, every event file that does not read back as recorded.

    session's own file     compared byte by byte with what the record makes of it
    curves                 read back point by point; those of Keras's callback may hold more than the record

A file that has not changed since the last look is not read again: its change time says so, which no program can set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gridsearch.trials import Epoch, SessionRecord, Status
from gridsearch.writers.tensorboard.event_files import MARK, OWN_NAME, list_event_files, read_scalars
from gridsearch.writers.tensorboard.events import CURVES, EventsWriter, curve_of, curve_points, rewrite_curves

__all__ = ["Repaired", "repair_events", "repair_session"]

FLOAT32 = 1e-6


@dataclass
class Repaired:
    """The names of sessions whose files were written again."""

    rows: list[str] = field(default_factory=list)
    curves: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rows or self.curves)

    def __str__(self) -> str:
        found = [*dict.fromkeys([*self.rows, *self.curves])]
        shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        return f"event files written again from the record: {shown}"


def repair_events(
    writer: EventsWriter,
    sessions: Iterable[SessionRecord],
    metric_names: Mapping[str, frozenset[str]],
    read_history: Callable[[str], Sequence[Epoch]],
    *,
    curves: bool = True,
    since: float | None = None,
) -> Repaired:
    """Check the event files of sessions that do not run, and write again those that are not as recorded.

    Args:
        writer: of these sessions.
        sessions: what is recorded; those that run are left alone.
        metric_names: what each session has reported, see ``read_metric_names``.
        read_history: returns the epochs of a session.
        curves: whether sessions without curves get them.
        since: only files that were changed after this time are read, in seconds since 1970; None reads all.
    """
    repaired = Repaired()
    for session in sessions:
        if session.status is Status.RUNNING:
            continue
        undelivered = session.ended is not None and not session.delivered  # its row is written when it is delivered
        directory = writer.logdir / session.name
        found = _look(directory)
        wanted = {curve_of(name)[0] for name in metric_names.get(session.name, ())} if curves else set()
        changed = undelivered or since is None or max(found.values(), default=since) > since
        if not undelivered and ("" not in found or (changed and not writer.is_whole(session))):
            writer.rewrite(session)
            repaired.rows.append(session.name)
        if (wanted or len(found) > 1) and (changed or not wanted <= set(found)):
            epochs = read_history(session.name)
            if not curves_are_whole(directory, epochs, wanted=curves):
                rewrite_curves(directory, epochs)
                repaired.curves.append(session.name)
    return repaired


def repair_session(writer: EventsWriter, session: SessionRecord, epochs: Sequence[Epoch], *, curves: bool) -> None:
    """Write a session and, if they are wanted, its curves as they are recorded."""
    if curves and not curves_are_whole(writer.logdir / session.name, epochs, wanted=True):
        rewrite_curves(writer.logdir / session.name, epochs)
    writer.rewrite(session)


def _look(directory: Path) -> dict[str, float]:
    """Return when the event files of a session last changed, by the directory they are in: "" is the session's own."""
    found: dict[str, float] = {}
    for part in ("", *CURVES):
        try:
            with os.scandir(directory / part) as entries:
                for entry in entries:
                    if MARK in entry.name:
                        found[part] = max(found.get(part, 0.0), entry.stat(follow_symlinks=False).st_ctime)
        except (FileNotFoundError, NotADirectoryError):
            continue
    return found


def curves_are_whole(directory: Path, epochs: Iterable[Epoch], *, wanted: bool) -> bool:
    """Return whether a session's curves read back as they are recorded.

    Args:
        directory: of the session.
        epochs: what is recorded.
        wanted: whether missing curves are a fault.
    """
    recorded = curve_points(epochs)
    for part in CURVES:
        files = list_event_files(directory / part)
        if not files and not wanted:
            continue
        found, expected = read_scalars(files), recorded.get(part, {})
        if found is None or (not files and part in recorded):
            return False
        # Keras's own callback, with detail = "full", writes more than the record has.
        exact = all(OWN_NAME.fullmatch(file.name) for file in files)
        if exact and set(found) != set(expected):
            return False
        if any(not same_points(points, found.get(tag, {})) for tag, points in expected.items()):
            return False
    return True


def same_points(recorded: Mapping[int, float], found: Mapping[int, float]) -> bool:
    """Return whether two curves have the same steps, and the same values within float32."""
    return recorded.keys() == found.keys() and all(is_close(value, found[step]) for step, value in recorded.items())


def is_close(recorded: float, found: float) -> bool:
    """Return whether two values are the same to TensorBoard, which keeps float32."""
    return abs(recorded - found) <= max(FLOAT32 * max(abs(recorded), abs(found)), 1e-12)

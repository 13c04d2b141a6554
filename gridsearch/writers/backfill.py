"""Write from the record what a writer has missed: at any time, as often as you like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gridsearch.errors import GridsearchError, UserError
from gridsearch.record.reader import Record, read_history
from gridsearch.trials import FailureKind, Outcome, SessionRecord, Status
from gridsearch.writers import SupportsBackfill, SupportsClose, Writer, describe_sweep, replay_session
from gridsearch.writers.factory import load_writer, refuse_unknown

__all__ = ["BackfillResult", "backfill"]


@dataclass(frozen=True)
class BackfillResult:
    """What a backfill did.

    Attributes:
        runs: how many runs the writer has now.
        written: how many of them were missing or incomplete before.
        uri: where the runs are, if the writer knows it.
    """

    runs: int
    written: int
    uri: str = ""


def backfill(name: str, logdir: Path, **options: Any) -> BackfillResult:
    """Write every ended session that the writer has no complete run of; leave those in training to their runner.

    Args:
        name: of the writer's entry point.
        logdir: the log directory.
        options: override those in the sweep file's table of the writer.

    Raises:
        SweepFileError: no writer has the name, or its package is not installed.
        LogdirError: there is no record, or it cannot be read.
        UserError: the writer does not take its options, or its server does not answer.
    """
    refuse_unknown([name], f"gridsearch {name}")
    record = Record.read(logdir)
    try:
        return _write_missing(load_writer(name)(describe_sweep(record, name, **options)), record)
    except GridsearchError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(
            said, where=f"gridsearch {name}", cure="Run the same command again: it goes on from here."
        ) from error


def _write_missing(writer: Writer, record: Record) -> BackfillResult:
    written = 0
    sessions = _select_last_of_each_key(writer, _list_ended(record))
    try:
        for session in sessions:
            epochs = read_history(record.logdir, session.name)
            if not (isinstance(writer, SupportsBackfill) and writer.has(session, len(epochs))):
                replay_session(writer, session, epochs)
                written += 1
    finally:
        if isinstance(writer, SupportsClose):
            writer.close()
    return BackfillResult(len(sessions), written, getattr(writer, "uri", ""))


def _list_ended(record: Record) -> Iterable[SessionRecord]:
    """Yield every session that has ended; one that a dead runner left running counts as interrupted."""
    cut_off = Outcome.failed(FailureKind.INTERRUPTED, "the runner died")
    for session in record.sessions:
        if session.status is not Status.RUNNING:
            yield session
        elif not record.held:
            yield replace(session, outcome=replace(cut_off, provenance=session.outcome.provenance), ended=session.began)


def _select_last_of_each_key(writer: Writer, sessions: Iterable[SessionRecord]) -> list[SessionRecord]:
    """Return the last session of each key: it would replace the runs of the others."""
    if not isinstance(writer, SupportsBackfill):
        return list(sessions)
    return list({writer.key(session): session for session in sessions}.values())

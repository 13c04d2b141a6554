"""Telling an outside writer, from the record, what it has missed: at any time, and as often as one likes."""

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
    """How many runs the writer has now, how many of them were missing or not complete, and where, if it says so."""

    runs: int
    written: int
    uri: str = ""


def backfill(name: str, logdir: Path, **options: Any) -> BackfillResult:
    """Tell a writer every session that it has no complete account of; those in training are left to their runner.

    Args:
        name: of the writer's entry point.
        logdir: the log directory.
        options: in place of those in the sweep file's table of the writer.

    Raises:
        SweepFileError: the writer cannot be had.
        LogdirError: there is no record, or it cannot be read.
        UserError: the writer does not take its options, or its server does not answer.
    """
    refuse_unknown([name], f"gridsearch {name}")
    record = Record.read(logdir)
    try:
        return _told(load_writer(name)(describe_sweep(record, name, **options)), record)
    except GridsearchError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(said, where=f"gridsearch {name}", cure="The same again goes on from here.") from error


def _told(writer: Writer, record: Record) -> BackfillResult:
    written = 0
    sessions = _accounts(writer, _ended(record))
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


def _ended(record: Record) -> Iterable[SessionRecord]:
    """Every session that has ended; one that a dead runner left running ended as the next runner will say."""
    cut_off = Outcome.failed(FailureKind.INTERRUPTED, "the runner died")
    for session in record.sessions:
        if session.status is not Status.RUNNING:
            yield session
        elif not record.held:
            yield replace(session, outcome=replace(cut_off, provenance=session.outcome.provenance), ended=session.began)


def _accounts(writer: Writer, sessions: Iterable[SessionRecord]) -> list[SessionRecord]:
    """The last session of each key: the others' accounts would only be replaced by it."""
    if not isinstance(writer, SupportsBackfill):
        return list(sessions)
    return list({writer.key(session): session for session in sessions}.values())

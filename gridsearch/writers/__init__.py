"""Report a sweep to other tools: one file per tool, every writer a ``Writer``.

    runner ──► EventsWriter                            TensorBoard, in the runner's own process
           └─► IsolatedWriter ──queue──► process ──► WandbWriter, MlflowWriter, a user's own

The runner notifies its writers after the record has the fact on disk. A session's begin, epochs and end arrive in
this order and in one process. The next runner reports a session that a dead runner began again, from its beginning.
A writer must then show the session once.

A writer of your own is an entry point of the group ``gridsearch.writers``: a function or class that takes a
``SweepInfo`` and returns a ``Writer``. It runs in a process of its own. Ten lines make one::

    class Lines:
        def __init__(self, info): self.file = info.logdir / "lines.txt"
        def begin(self, session): self.say(f"{session.name} begins")
        def epoch(self, epoch): self.say(f"{epoch.session} {epoch.epoch} {dict(epoch.metrics)}")
        def end(self, session): self.say(f"{session.name} {session.status}")
        def say(self, line):
            with self.file.open("a") as file:
                print(line, file=file)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gridsearch.hparams.domain import HParam
from gridsearch.record.reader import Record
from gridsearch.trials import Epoch, Objective, Outcome, SessionRecord, Status

__all__ = ["SupportsBackfill", "SupportsClose", "SweepInfo", "Writer", "describe_sweep", "replay_session"]


class Writer(Protocol):
    """Receive every session's begin, epochs and end, in this order."""

    def begin(self, session: SessionRecord) -> None:
        """Report that a session is about to be trained."""

    def epoch(self, epoch: Epoch) -> None:
        """Report that a session finished an epoch."""

    def end(self, session: SessionRecord) -> None:
        """Report that a session ended.

        The session may have ended in an earlier run that died before it could report the end.
        """


@runtime_checkable
class SupportsClose(Protocol):
    """A writer that must finish its work when the sweep has ended, well or not."""

    def close(self) -> None:
        """Finish; no further call follows."""


@runtime_checkable
class SupportsBackfill(Protocol):
    """A writer whose runs stay where it wrote them, so that a backfill writes only what is missing."""

    def key(self, session: SessionRecord) -> str:
        """Return the key of a session's run; of several sessions with one key, the last one's run stays."""

    def has(self, session: SessionRecord, epochs: int) -> bool:
        """Return whether the run of this ended session, with so many epochs, is complete."""


@dataclass(frozen=True)
class SweepInfo:
    """What a writer knows of a sweep before its first session.

    Args:
        logdir: the log directory, in which the writer may keep files.
        identity: hexadecimal digits that no other sweep has. They stay the same when this sweep is resumed.
        hparams: as declared.
        objective: the metric and its direction. Its ``columns`` are the names of a session's final metrics.
        recipe: everything besides HParam values that decides a result: a flat dictionary of JSON values.
        options: the writer's own table of the sweep file, ``[writers.NAME]``.
    """

    logdir: Path
    identity: str
    hparams: tuple[HParam, ...]
    objective: Objective
    recipe: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The sweep's name for people: its log directory's name and the first digits of its identity."""
        return f"{self.logdir.resolve().name[:64]}-{self.identity[:8]}"

    @property
    def home(self) -> Path:
        """The log directory, by the name ``home`` that it had for the writers of 0.1.0."""
        return self.logdir


def describe_sweep(record: Record, writer: str, **options: Any) -> SweepInfo:
    """Return the sweep info of a record for the writer of this name; ``options`` override those of its table."""
    table = {**record.tables.get("writers", {}).get(writer, {}), **options}
    return SweepInfo(record.logdir, record.identity, record.hparams, record.objective, record.recipe, table)


def replay_session(writer: Writer, session: SessionRecord, epochs: Iterable[Epoch]) -> None:
    """Report an ended session to a writer: its begin, its epochs and its end."""
    writer.begin(replace(session, outcome=Outcome(Status.RUNNING), ended=None))
    for epoch in epochs:
        writer.epoch(epoch)
    writer.end(session)

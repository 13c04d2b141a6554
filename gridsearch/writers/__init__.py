"""Telling someone outside what happened: one file per kind, all of them ``Writer``.

    runner ──► EventsWriter                     TensorBoard, in the runner's own process
           └─► Outside ──queue──► process ──► WandbWriter, MlflowWriter, a user's own     (outside, child)

The runner tells its writers after the record has it. A session's begin, epochs and end come in this order and in one
process. A session that a dead runner began is told again from its beginning by the next one, which must come to the
same as if it had been told once.

An outside writer is an entry point of the group ``gridsearch.writers``: a function or class that takes a
``SweepInfo`` and returns a ``Writer``. Ten lines make one::

    class Lines:
        def __init__(self, background): self.file = background.logdir / "lines.txt"
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
    """Learns of every session, in this order."""

    def begin(self, session: SessionRecord) -> None:
        """A session is about to be trained."""

    def epoch(self, epoch: Epoch) -> None:
        """A session finished an epoch."""

    def end(self, session: SessionRecord) -> None:
        """A session ended, in this run or, found out only now, in an earlier one."""


@runtime_checkable
class SupportsClose(Protocol):
    """A writer with something left to do when the sweep has ended, well or not."""

    def close(self) -> None:
        """Nothing more will be told."""


@runtime_checkable
class SupportsBackfill(Protocol):
    """A writer whose accounts of sessions stay, so that only what is missing need be told again."""

    def key(self, session: SessionRecord) -> str:
        """What a session's account is kept under; of several sessions with one key, that of the last stays."""

    def has(self, session: SessionRecord, epochs: int) -> bool:
        """Whether its account of this ended session, with so many epochs, is complete."""


@dataclass(frozen=True)
class SweepInfo:
    """What an outside writer knows of a sweep before its first session.

    Args:
        logdir: the log directory, where it may keep files.
        identity: hexadecimal digits that no other sweep has, the same whenever this one is continued.
        hparams: as declared.
        objective: the metric and its direction; its ``columns`` are the names of a session's final metrics.
        recipe: everything besides HParam values that decides a result, flat, as JSON has it.
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
        """The sweep's name for people: that of its log directory, and enough of its identity to be the only one."""
        return f"{self.logdir.resolve().name[:64]}-{self.identity[:8]}"


def describe_sweep(record: Record, writer: str, **options: Any) -> SweepInfo:
    """The background of a recorded sweep for the writer of this name; ``options`` take precedence over its table's."""
    table = {**record.tables.get("writers", {}).get(writer, {}), **options}
    return SweepInfo(record.logdir, record.identity, record.hparams, record.objective, record.recipe, table)


def replay_session(writer: Writer, session: SessionRecord, epochs: Iterable[Epoch]) -> None:
    """Tell a session that has ended from its beginning."""
    writer.begin(replace(session, outcome=Outcome(Status.RUNNING), ended=None))
    for epoch in epochs:
        writer.epoch(epoch)
    writer.end(session)

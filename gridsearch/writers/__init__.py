"""Telling someone outside what happened: one file per kind, all of them ``Writer``.

The runner tells its writers after the record has it. A writer may be told the end of a session that it never saw
begin, by a runner that takes over after a crash, and must then tell the whole session.
"""

from __future__ import annotations

from typing import Protocol

from gridsearch.record import SessionRecord
from gridsearch.trials import Epoch

__all__ = ["Writer"]


class Writer(Protocol):
    """Learns of every session, in this order."""

    def begin(self, session: SessionRecord) -> None:
        """A session is about to be trained."""

    def epoch(self, epoch: Epoch) -> None:
        """A session finished an epoch."""

    def end(self, session: SessionRecord) -> None:
        """A session ended, in this run or, found out only now, in an earlier one."""

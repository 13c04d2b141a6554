"""Keep the record and its writers in step: the record first, then writers and displays.

    begin, resume ──► record ──► announce ──► writers and displays
    add_epoch     ──► record ──► writers and displays
    end           ──► record ──► deliver_end ──► writers and displays ──► mark_delivered ──► record

Whoever trains uses it: the runner for many sessions at a time, KerasTuner's bridge for one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import methodcaller
from typing import Any

from gridsearch.record.journal import Journal
from gridsearch.system.files import is_full
from gridsearch.system.liveness import boot_id
from gridsearch.trials import Epoch, OracleEntry, Outcome, Session, SessionRecord, Status
from gridsearch.writers import SupportsSync, Writer

__all__ = ["SessionBook", "end_record"]

SECONDS_TO_RECORD = 2.0
MOST_UNRECORDED = 500
"""How long, and how many, ends may wait until they are recorded as delivered."""


def end_record(
    running: SessionRecord, outcome: Outcome, ended: float, oracle: Sequence[OracleEntry] = ()
) -> SessionRecord:
    """Return a session as it stands after its end.

    Args:
        running: as it was begun or resumed.
        outcome: how it ended; its provenance is added to what it was begun with.
        ended: when, in seconds since 1970.
        oracle: what a KerasTuner oracle has heard of it since it began or resumed.
    """
    provenance = {**running.outcome.provenance, **outcome.provenance}
    return replace(
        running,
        outcome=replace(outcome, provenance=provenance),
        ended=ended,
        oracle=(*running.oracle, *oracle),
    )


class SessionBook:
    """Every session's way through record and writers.

    Args:
        journal: the record.
        writers: notified in order; if one fails, the next run notifies all of them again.
        displays: notified likewise; nothing is lost if one fails.
        provenance: kept with every session, such as host and command line.
        warn: says a line to the user.
    """

    def __init__(
        self,
        journal: Journal,
        writers: Sequence[Writer],
        *,
        displays: Sequence[Writer] = (),
        provenance: Mapping[str, Any] | None = None,
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._journal, self._warn = journal, warn
        self.writers, self.displays = list(writers), list(displays)
        self._listeners: list[Writer] = [*writers, *displays]
        self._provenance, self._boot = dict(provenance or {}), boot_id()
        self._delivered: list[str] = []
        self._recorded = time.monotonic()
        self._switched_off = False

    # Inside a transaction of the caller.

    def begin(self, session: Session) -> SessionRecord:
        """Record that a session is about to be trained for the first time."""
        running = Outcome(Status.RUNNING, provenance=self._provenance)
        begun = SessionRecord(session, running, time.time(), None, delivered=False, boot=self._boot)
        self._journal.begin(begun)
        return begun

    def resume(self, paused: SessionRecord) -> SessionRecord:
        """Record that a paused session is about to be trained further."""
        resumed = replace(
            paused,
            outcome=Outcome(Status.RUNNING, provenance=self._provenance),
            ended=None,
            delivered=False,
            boot=self._boot,
            resumed=time.time(),
            trained_before=paused.outcome.metrics.get("seconds", 0.0),
        )
        self._journal.resume(resumed)
        return resumed

    def add_epoch(self, epoch: Epoch) -> None:
        """Record an epoch."""
        self._journal.add_epoch(epoch)

    def end(self, session: str, outcome: Outcome, ended: float, oracle: Iterable[OracleEntry] = ()) -> None:
        """Record how a session ended, see ``Journal.end``."""
        self._journal.end(session, outcome, ended, oracle)

    def record_delivered(self, *, all_of_them: bool = False) -> None:
        """Record the ends that were delivered to every writer, once there are many or some time has passed.

        What was delivered is on disk first. Waiting for the disk takes milliseconds, so it is done for many at a time;
        an end that is not recorded as delivered is delivered again by the next run.

        Args:
            all_of_them: whether to record them now, however few they are.
        """
        waited = time.monotonic() - self._recorded >= SECONDS_TO_RECORD
        if self._delivered and (all_of_them or waited or len(self._delivered) >= MOST_UNRECORDED):
            for writer in self.writers:
                if isinstance(writer, SupportsSync):
                    writer.sync()
            self._journal.mark_delivered(self._delivered)
            self._delivered.clear()
            self._recorded = time.monotonic()

    # After it.

    def mark_delivered(self) -> None:
        """Do ``record_delivered`` in a transaction of its own, if there is anything to record."""
        if self._delivered:
            with self._journal.transaction():
                self.record_delivered(all_of_them=True)

    def deliver_abandoned(self) -> None:
        """Close what a dead runner left running, and tell the writers every end that was never delivered."""
        for session in self._journal.close_abandoned():
            if not session.paused:
                self.deliver_end(session)
        self.mark_delivered()

    def announce(self, session: SessionRecord) -> None:
        """Tell that a session begins; one that resumes is news to the displays only."""
        self._tell(methodcaller("begin", session), self._listeners if session.resumed is None else self.displays)

    def tell_epoch(self, epoch: Epoch) -> None:
        """Tell an epoch."""
        self._tell(methodcaller("epoch", epoch), self._listeners)

    def deliver_end(self, session: SessionRecord) -> None:
        """Tell a session's end; a paused one's only to the displays, since writers take an end only once."""
        self._tell(methodcaller("end", session), self.displays if session.paused else self._listeners)
        self._note_delivery(session)

    def finalize(self, paused: Iterable[SessionRecord]) -> None:
        """Record that paused sessions will not resume, and tell the writers their ends."""
        final = [replace(session, outcome=replace(session.outcome, paused=False)) for session in paused]
        if not final:
            return
        with self._journal.transaction():
            for session in final:
                self._journal.finalize(session.name)
        for session in final:
            self._tell(methodcaller("end", session), self.writers)
            self._note_delivery(session)

    def _note_delivery(self, session: SessionRecord) -> None:
        if not self._switched_off and not session.paused:
            self._delivered.append(session.name)

    def _tell(self, say: Callable[[Writer], None], listeners: Sequence[Writer]) -> None:
        """Tell some listeners; one that fails is switched off with a line, and the sweep goes on.

        Raises:
            OSError: the disk is full.
        """
        for listener in [one for one in self._listeners if one in listeners]:
            try:
                say(listener)
            except Exception as error:
                if is_full(error):
                    raise
                self._listeners.remove(listener)
                self._switched_off |= listener in self.writers
                name = type(listener).__name__
                self._warn(f"{name} is switched off, the record goes on without it: {type(error).__name__}: {error}")

"""Bring TensorBoard's event files in step with the record, and keep them so.

open_dashboard ──► the sweep's group ──► experiment record ──► damaged and missing files ──► EventsWriter
close_dashboard    remembers what was written whole, so that the next run need not read it back
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.record.journal import Journal
from gridsearch.record.place import settle_group
from gridsearch.record.reader import MOST_COLUMNS, read_histories, read_history, read_metric_names
from gridsearch.runner.plan import load_config
from gridsearch.trials import SessionRecord, Status

if TYPE_CHECKING:
    from gridsearch.writers.tensorboard.events import EventsWriter
    from gridsearch.writers.tensorboard.repair import Repaired

__all__ = ["Dashboard", "open_dashboard", "repair_dashboard"]

MARGIN = 2.0
"""Seconds by which a file system's clock may be behind this machine's."""


class Dashboard:
    """The event files of an open record.

    Args:
        journal: the record, which has adopted the sweep's declaration.
        config: the sweep.
        taken: groups of other sweeps below the same folder.

    Attributes:
        events: the writer of further sessions.
    """

    def __init__(self, journal: Journal, config: SweepConfig, taken: Collection[str] = ()) -> None:
        from gridsearch.writers.tensorboard.events import EventsWriter

        self._journal, self._config = journal, config
        self._curves = config.sweep.detail != "summary"
        self.events: EventsWriter = EventsWriter(
            journal.logdir,
            config.objective,
            group=settle_group(journal, taken),
            complete=config.search_space.with_defaults,
            on_columns=self._add_columns,
        )
        self._extra = [name for name in journal.record().columns if name not in config.objective.columns]
        self._repairing = False
        self.write_experiment()

    def extend(self, config: SweepConfig) -> None:
        """Declare a larger space: hyperparameters that trials were the first to ask for become columns."""
        self._config = config
        self.write_experiment()

    def write_experiment(self, *, outside: bool = False) -> None:
        """Write TensorBoard's experiment record, if what it declares has changed or it is damaged or gone.

        Args:
            outside: whether trials have been recorded since that lie outside of what is declared.
        """
        from gridsearch.writers.tensorboard.event_files import list_event_files, read_events
        from gridsearch.writers.tensorboard.events import write_experiment

        known, logdir = self._journal.properties(), self._journal.logdir
        columns = [*self._config.objective.columns, *self._extra[:MOST_COLUMNS]]
        declared = {"hparams": known["tables"]["hparams"], "objective": known["objective"], "columns": columns}
        files = list_event_files(logdir)
        whole = len(files) == 1 and read_events(files[0]) is not None
        if known.get("experiment") != declared or not whole or outside:
            write_experiment(logdir, self._config.search_space.hparams, columns, self._journal.record().trials)
            with self._journal.transaction():
                self._journal.set_property("experiment", declared)

    def _add_columns(self, names: Collection[str]) -> None:
        """Declare metrics that no session before had; at once, unless many sessions are being written."""
        self._extra = sorted({*self._extra, *names})
        if not self._repairing:
            self.write_experiment()

    def repair(self, *, thorough: bool = False) -> Repaired:
        """Write again what does not read back as recorded, of sessions that do not run.

        Args:
            thorough: whether to read files that have not changed since they were last found whole, too.
        """
        from gridsearch.writers.tensorboard.repair import repair_events

        known = self._journal.properties().get("events_verified")
        since: float | None = None
        if isinstance(known, dict) and known.get("format") == self._format() and type(known.get("at")) is float:
            since = None if thorough else known["at"]
        logdir = self._journal.logdir
        self._repairing = True
        repaired = repair_events(
            self.events,
            self._journal.record().sessions,
            read_metric_names(logdir),
            lambda session: read_history(logdir, session),
            curves=self._curves,
            since=since,
        )
        self._repairing = False
        self.events.sync()
        self.write_experiment()
        return repaired

    def _format(self) -> dict[str, Any]:
        """Return what the content of event files depends on besides the sessions."""
        defaults = any(hparam.default is not None for hparam in self._config.search_space.hparams)
        tables = self._journal.properties()["tables"]["hparams"] if defaults else None
        return {"group": self.events.group, "hparams": tables, "curves": self._curves}

    def deliver(self, sessions: Sequence[SessionRecord]) -> None:
        """Write sessions that have ended, with their curves, and record them as delivered.

        Args:
            sessions: what an earlier runner has left of their files is replaced.
        """
        from gridsearch.writers.tensorboard.repair import repair_session

        self._repairing = True
        histories = read_histories(self._journal.logdir) if sessions else {}
        for session in sessions:
            repair_session(self.events, session, histories.get(session.name, ()), curves=self._curves)
        self._repairing = False
        if sessions:
            self.events.sync()
            self.write_experiment()
            with self._journal.transaction():
                self._journal.mark_delivered([session.name for session in sessions])

    def finish(self, since: float) -> None:
        """Complete the curves of sessions that were ended from outside, and remember that all files are whole.

        Args:
            since: when this run began, in seconds since 1970.
        """
        from gridsearch.writers.tensorboard.repair import repair_events

        logdir = self._journal.logdir
        cut_off = [s for s in self._journal.record().sessions if _was_cut_off(s, since)]
        self._repairing = True
        if cut_off:
            names = read_metric_names(logdir)
            repair_events(
                self.events,
                cut_off,
                names,
                lambda session: read_history(logdir, session),
                curves=self._curves,
            )
        self._repairing = False
        self.events.sync()
        self.write_experiment()
        with self._journal.transaction():
            self._journal.set_property("events_verified", {"at": time.time() - MARGIN, "format": self._format()})


def _was_cut_off(session: SessionRecord, since: float) -> bool:
    return session.status is Status.FAILED and (session.ended or 0.0) >= since


def _is_undelivered(session: SessionRecord) -> bool:
    return session.ended is not None and not session.delivered and not session.paused


@contextmanager
def open_dashboard(
    journal: Journal, config: SweepConfig, warn: Callable[[str], None] = lambda line: None
) -> Iterator[Dashboard]:
    """Yield the event files of a record, as they are to be: with their group, whole, and declared.

    Args:
        journal: the record, which has adopted the sweep's declaration.
        config: the sweep.
        warn: called with a line about files that were written again.
    """
    began, dashboard = time.time(), Dashboard(journal, config)
    journal.close_abandoned()
    repaired = dashboard.repair()
    if repaired:
        warn(f"{repaired}; a TensorBoard that is running shows them once it is started again")
    try:
        yield dashboard
    finally:
        dashboard.events.close()
    dashboard.finish(began)  # not after an error: this runner may have lost the log directory, or the disk be full


def repair_dashboard(logdir: Path, taken: Collection[str] = (), warn: Callable[[str], None] = lambda line: None) -> Any:
    """Write again every event file of a log directory that does not read back as recorded.

    Args:
        logdir: the log directory.
        taken: groups of other sweeps below the same folder.
        warn: says a line to the user.

    Returns:
        The names of what was written, as ``Repaired``.

    Raises:
        LogdirError: there is no record, it is damaged, or a runner is at work.
    """
    from gridsearch.record.reader import Record

    config = load_config(Record.read(logdir))
    config = config.model_copy(update={"sweep": config.sweep.model_copy(update={"logdir": logdir})})
    began = time.time()
    with Journal(logdir, warn) as journal:
        journal.close_abandoned()
        dashboard = Dashboard(journal, config, taken)
        dashboard.deliver([s for s in journal.record().sessions if _is_undelivered(s)])
        repaired = dashboard.repair(thorough=True)
        dashboard.finish(began)
    return repaired

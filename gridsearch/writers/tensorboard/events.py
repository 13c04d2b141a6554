"""Write TensorBoard's event files without TensorFlow.

    LOGDIR/events.out.tfevents.*             experiment: HParams with their domains, metric columns   (write_experiment)
    LOGDIR/run-0007/events.out.tfevents.*    session start | final metrics | session end              (EventsWriter)
    LOGDIR/run-0007/train, validation/       per-epoch scalars, under Keras's own tags                (EpochEvents)

TensorBoard keeps the first metadata that it finds for a tag. So the runner, which outlives its trials, writes start
and end once each. Only after a crash does a second file repeat the first one's start, byte for byte, because the
first file may end in the middle of a record.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from gridsearch.hparams.domain import Discrete, HParam, Value
from gridsearch.trials import Epoch, Objective, SessionRecord, Status, TrialRecord, is_finite

__all__ = ["EpochEvents", "EventsWriter", "write_experiment"]

MOST_DISCRETE_NUMBERS = 9
"""TensorBoard answers its own filter box of ten or more numbers with an error, so those are declared as an interval."""

STATUSES = {
    Status.RUNNING: api_pb2.STATUS_RUNNING,
    Status.COMPLETED: api_pb2.STATUS_SUCCESS,
    Status.STOPPED: api_pb2.STATUS_SUCCESS,
    Status.FAILED: api_pb2.STATUS_FAILURE,
}
TYPES = {
    bool: api_pb2.DATA_TYPE_BOOL,
    int: api_pb2.DATA_TYPE_FLOAT64,
    float: api_pb2.DATA_TYPE_FLOAT64,
    str: api_pb2.DATA_TYPE_STRING,
}

_serial = itertools.count()


class EventFile:
    """An event file that this process writes, under a new name, so that it never overwrites another."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        file = _open_new(directory)
        self._records = RecordWriter(file)
        self.path = Path(file.name).resolve()  # an objective in this very process may change the working directory
        self.add(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, event: Event) -> None:
        """Append a record; it can be read after ``flush``."""
        self._records.write(event.SerializeToString())

    def scalar(self, tag: str, value: float, step: int, at: float) -> None:
        """Append a scalar as Keras writes it; leave out NaN and infinity, which the dashboard cannot sort."""
        if is_finite(value):
            self.add(Event(wall_time=at, step=step, summary=scalar_pb(tag, value)))

    def hparams(self, tag: str, data: HParamsPluginData, at: float) -> None:
        """Append a record of the HParams plugin."""
        summary = Summary()
        summary.value.add(tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR)
        self.add(Event(wall_time=at, summary=summary))

    def flush(self) -> None:
        """Make what was added visible to readers."""
        self._records.flush()

    def close(self) -> None:
        """Flush and close."""
        self._records.close()

    def reopen(self) -> None:
        """Open the file again after ``close``, to append."""
        self._records = RecordWriter(self.path.open("ab"))


def _open_new(directory: Path) -> BinaryIO:
    # TensorBoard reads the files of a directory in name order, so the counter is padded: .10 would come before .9.
    while True:
        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{next(_serial):06d}"
        with contextlib.suppress(FileExistsError):
            return (directory / name).open("xb")


def write_experiment(
    logdir: Path, hparams: Iterable[HParam], objective: Objective, trials: Iterable[TrialRecord] = ()
) -> None:
    """Write, or replace, the one experiment record of a log directory.

    Args:
        logdir: the log directory.
        hparams: as declared today. Those with more than one value are marked as differing, which puts their columns
            first.
        objective: its metric becomes the first column.
        trials: recorded trials. The declared domain covers their values as well, since TensorBoard hides rows with
            values outside of it.
    """
    recorded = list(trials)
    experiment = api_pb2.Experiment(
        hparam_infos=[_hparam_info(h, [t.trial.values[h.name] for t in recorded if h.name in t.trial.values])
                      for h in {h.name: h for h in hparams}.values()],
        metric_infos=[
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=column), display_name=column) for column in objective.columns
        ],
        time_created_secs=time.time(),
    )  # fmt: skip
    old = [file for file in logdir.iterdir() if file.is_file() and ".tfevents." in file.name]
    file = EventFile(logdir)
    file.hparams(metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=experiment), experiment.time_created_secs)
    file.close()
    for stale in old:
        stale.unlink()


def _hparam_info(hparam: HParam, tried: Sequence[Value]) -> api_pb2.HParamInfo:
    values = list(dict.fromkeys([*hparam.domain.values, *tried]))
    info = api_pb2.HParamInfo(
        name=hparam.name,
        display_name=hparam.display_name or "",
        description=hparam.description or "",
        type=TYPES[hparam.domain.dtype],
        differs=len(values) > 1,
    )
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    as_interval = not isinstance(hparam.domain, Discrete) or len(values) > MOST_DISCRETE_NUMBERS
    if as_interval and hparam.domain.dtype in (int, float) and len(numbers) == len(values):
        info.domain_interval.min_value, info.domain_interval.max_value = min(numbers), max(numbers)
    else:
        info.domain_discrete.extend(values)
    return info


class EventsWriter:
    """Writes each session's start, final metrics and end into the session's directory; a ``Writer``.

    Args:
        logdir: the log directory, with its experiment record written.
        objective: its columns are the metrics written.
    """

    def __init__(self, logdir: Path, objective: Objective) -> None:
        self._logdir, self._objective = logdir, objective
        self._begun: dict[str, EventFile] = {}
        """Files with a start record, closed until the session ends: thousands of sessions may be paused."""

    def begin(self, session: SessionRecord) -> None:
        """Write the session's event file with its start record."""
        file = EventFile(self._logdir / session.name)
        start = SessionStartInfo(group_name=session.session.trial.name, start_time_secs=session.began)
        for name, value in session.session.trial.values.items():
            _set(start, name, value)
        file.hparams(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start), session.began)
        file.close()
        self._begun[session.name] = file

    def epoch(self, epoch: Epoch) -> None:
        """Do nothing: the process that trains writes its epochs itself."""

    def end(self, session: SessionRecord) -> None:
        """Add final metrics and end to the file; write a new file for a session that a dead runner began."""
        if session.name not in self._begun or not self._begun[session.name].path.exists():  # deleted meanwhile
            self.begin(session)
        file, ended = self._begun.pop(session.name), session.ended or time.time()
        file.reopen()
        if session.status.has_result:
            step = session.outcome.epochs or int(session.outcome.metrics.get("best_epoch", 0))
            for column in self._objective.columns:
                if column in session.outcome.metrics:
                    file.scalar(column, session.outcome.metrics[column], step, ended)
        end = SessionEndInfo(status=STATUSES[session.status], end_time_secs=ended)
        file.hparams(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end), ended)
        file.close()

    def lost(self, sessions: Iterable[SessionRecord]) -> list[str]:
        """List ended sessions whose event file was written and is gone."""
        return [s.name for s in sessions if s.ended and s.delivered and not _has_events(self._logdir / s.name)]

    def close(self) -> None:
        """Forget sessions whose end this runner will not see; the next runner writes them whole."""
        self._begun.clear()


def _has_events(directory: Path) -> bool:
    try:
        return any(".tfevents." in name for name in os.listdir(directory))
    except FileNotFoundError:
        return False


def _set(start: SessionStartInfo, name: str, value: Value) -> None:
    target = start.hparams[name]
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, str):
        target.string_value = value
    else:
        target.number_value = float(value)


class EpochEvents:
    """A session's per-epoch scalars, in ``train/`` and ``validation/`` under the tags of Keras's TensorBoard callback.

    The process that trains writes them, so that a curve costs the runner nothing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, EventFile] = {}

    def add(self, epoch: int, metrics: Mapping[str, float], at: float) -> None:
        """Write an epoch: ``val_loss`` becomes ``epoch_loss`` in ``validation/``, ``loss`` the same in ``train/``."""
        for name, value in metrics.items():
            part = "validation" if name.startswith("val_") else "train"
            if part not in self._files:
                self._files[part] = EventFile(self._directory / part)
            self._files[part].scalar(f"epoch_{name.removeprefix('val_')}", value, epoch, at)
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

"""Write TensorBoard's event files without TensorFlow.

    LOGDIR/events.out.tfevents.*             experiment: HParams with their domains, metric columns   (write_experiment)
    LOGDIR/run-0007/events.out.tfevents.*    session start | final metrics | session end              (EventsWriter)
    LOGDIR/run-0007/train, validation/       per-epoch scalars, under Keras's own tags                (EpochEvents)

TensorBoard keeps the first metadata that it finds for a tag. So the runner, which outlives its trials, writes start
and end once each. After a crash, or where a file does not read back as recorded, a new file replaces the old ones: a
TensorBoard that is running keeps the metadata of the old one until it is started again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

from gridsearch.hparams.domain import Discrete, HParam, Value
from gridsearch.system.files import remove
from gridsearch.trials import Epoch, Objective, SessionRecord, Status, Trial, TrialRecord, is_finite
from gridsearch.writers.tensorboard.event_files import (
    OWN_NAME,
    EventFile,
    encode_header,
    encode_hparams,
    encode_scalar,
    list_event_files,
    read_whole,
    replace_event_files,
    sync_files,
)

__all__ = [
    "CURVES",
    "EpochEvents",
    "EventsWriter",
    "curve_of",
    "curve_points",
    "rewrite_curves",
    "row_name",
    "write_experiment",
]

CURVES = ("train", "validation")
"""Directories of curves below a session's."""

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


def row_name(trial: Trial, group: str) -> str:
    """Return the name of a trial's row: unique over sweeps where ``group`` is.

    TensorBoard makes one row of all sessions with one name, and shows the mean of their metrics.
    """
    return f"{trial.name} {group}" if group else trial.name


def write_experiment(
    logdir: Path, hparams: Iterable[HParam], columns: Iterable[str], trials: Iterable[TrialRecord] = ()
) -> None:
    """Write, or replace, the one experiment record of a log directory.

    Args:
        logdir: the log directory.
        hparams: as declared today. Those with more than one value are marked as differing, which puts their columns
            first.
        columns: the metrics, in order.
        trials: recorded trials. The declared domain covers their values as well, since TensorBoard hides rows with
            values outside of it.
    """
    recorded, now = list(trials), time.time()
    experiment = api_pb2.Experiment(
        hparam_infos=[_hparam_info(h, [t.trial.values[h.name] for t in recorded if h.name in t.trial.values])
                      for h in {h.name: h for h in hparams}.values()],
        metric_infos=[
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=column), display_name=column) for column in columns
        ],
        time_created_secs=now,
    )  # fmt: skip
    record = encode_hparams(metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=experiment), now)
    sync_files([replace_event_files(logdir, record, now, foreign=True)])


def _hparam_info(hparam: HParam, tried: Sequence[Value]) -> api_pb2.HParamInfo:
    default = () if hparam.default is None else (hparam.default,)
    values = list(dict.fromkeys([*hparam.domain.values, *tried, *default]))
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
        objective: its columns come first among the metrics.
        group: ends the name of every row, see ``row_name``.
        complete: adds to a trial's values the defaults of HParams that were declared later.
        on_columns: called with the names of metrics that no session before had, and that are none of the objective's.
    """

    def __init__(
        self,
        logdir: Path,
        objective: Objective,
        *,
        group: str = "",
        complete: Callable[[Mapping[str, Value]], Mapping[str, Value]] = dict,
        on_columns: Callable[[Sequence[str]], None] = lambda names: None,
    ) -> None:
        self.logdir, self.group = logdir, group
        self._objective, self._complete, self._on_columns = objective, complete, on_columns
        self._columns = set(objective.columns)
        self._begun: dict[str, EventFile] = {}
        """Files with a start record, closed until the session ends: thousands of sessions may be paused."""
        self._unsynced: list[Path] = []

    def begin(self, session: SessionRecord) -> None:
        """Write the session's event file with its start record."""
        file = EventFile(self.logdir / session.name, session.began)
        file.write(self._encode_start(session))
        file.close()
        self._begun[session.name] = file

    def epoch(self, epoch: Epoch) -> None:
        """Do nothing: the process that trains writes its epochs itself."""

    def end(self, session: SessionRecord) -> None:
        """Add final metrics and end to the file; write a new file for a session that a dead runner began."""
        file = self._begun.pop(session.name, None)
        if file is None or not file.path.exists():  # deleted meanwhile
            self.rewrite(session)
            return
        file.append(self._encode_end(session))
        self._unsynced.append(file.path)

    def rewrite(self, session: SessionRecord) -> None:
        """Write the event file of a session as it is recorded, and delete those that were there.

        That of a session that runs, or is paused, has its start only; ``end`` then writes it once more.
        """
        self._begun.pop(session.name, None)
        path = replace_event_files(self.logdir / session.name, self._encode_records(session), session.began)
        self._unsynced.append(path)

    def is_whole(self, session: SessionRecord) -> bool:
        """Return whether the session's directory has one event file of this class, with exactly what is recorded."""
        files = [file for file in list_event_files(self.logdir / session.name) if OWN_NAME.fullmatch(file.name)]
        wanted = encode_header(session.began) + self._encode_records(session)
        return len(files) == 1 and read_whole(files[0]) == wanted

    def sync(self) -> None:
        """Wait until the files of every session that has ended are on disk, those of its curves among them."""
        written, self._unsynced = self._unsynced, []
        curves = (file for path in written for part in CURVES for file in list_event_files(path.parent / part))
        sync_files([*written, *curves])

    def close(self) -> None:
        """Forget sessions whose end this runner will not see; the next runner writes them whole."""
        self._begun.clear()

    def _encode_records(self, session: SessionRecord) -> bytes:
        running = session.ended is None or session.paused
        return self._encode_start(session) + (b"" if running else self._encode_end(session))

    def _encode_start(self, session: SessionRecord) -> bytes:
        trial = session.session.trial
        start = SessionStartInfo(group_name=row_name(trial, self.group), start_time_secs=session.began)
        for name, value in self._complete(trial.values).items():
            _set(start, name, value)
        data = HParamsPluginData(session_start_info=start)
        return encode_hparams(metadata.SESSION_START_INFO_TAG, data, session.began)

    def _encode_end(self, session: SessionRecord) -> bytes:
        ended = session.began if session.ended is None else session.ended
        info = SessionEndInfo(status=STATUSES[session.status], end_time_secs=ended)
        end = encode_hparams(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=info), ended)
        return b"".join((*self._encode_metrics(session, ended), end))

    def _encode_metrics(self, session: SessionRecord, ended: float) -> Iterator[bytes]:
        if not session.status.has_result:
            return
        metrics = session.outcome.metrics
        step = session.outcome.epochs or int(metrics.get("best_epoch", 0))
        if new := [name for name in metrics if name not in self._columns]:
            self._columns.update(new)
            self._on_columns(new)
        first = [name for name in self._objective.columns if name in metrics]
        for name in dict.fromkeys([*first, *metrics]):
            yield encode_scalar(name, metrics[name], step, ended)


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
            part, tag = curve_of(name)
            if part not in self._files:
                self._files[part] = EventFile(self._directory / part, at)
            self._files[part].write(encode_scalar(tag, value, epoch, at))
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()


def curve_of(metric: str) -> tuple[str, str]:
    """Return a metric's directory below its session's, and its tag there."""
    return "validation" if metric.startswith("val_") else "train", f"epoch_{metric.removeprefix('val_')}"


def curve_points(epochs: Iterable[Epoch]) -> dict[str, dict[str, dict[int, float]]]:
    """Return the points of a session's curves: directory -> tag -> epoch -> value; NaN and infinity are no points."""
    curves: dict[str, dict[str, dict[int, float]]] = {}
    for epoch in epochs:
        for name, value in epoch.metrics.items():
            part, tag = curve_of(name)
            points = curves.setdefault(part, {})
            if is_finite(value):
                points.setdefault(tag, {})[epoch.epoch] = value
    return curves


def rewrite_curves(directory: Path, epochs: Iterable[Epoch]) -> None:
    """Write a session's curves as they are recorded, and delete the event files that were there.

    Graphs and histograms of Keras's callback (``detail = "full"``) in these files are lost: the record has none.
    """
    records: dict[str, list[bytes]] = {}
    times: dict[str, float] = {}
    for epoch in epochs:
        for name, value in epoch.metrics.items():
            part, tag = curve_of(name)
            times.setdefault(part, epoch.time)
            records.setdefault(part, []).append(encode_scalar(tag, value, epoch.epoch, epoch.time))
    written = [
        replace_event_files(directory / part, b"".join(parts), times[part], foreign=True)
        for part, parts in records.items()
    ]
    sync_files(written)
    for ghost in set(CURVES) - set(records):
        for stale in list_event_files(directory / ghost):
            remove(stale)

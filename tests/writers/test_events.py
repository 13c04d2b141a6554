"""What is in the event files, read back with TensorBoard's own loader."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sweeps import configured
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util import tensor_util

from gridsearch.hparams.domain import Discrete, HParam, IntInterval, RealInterval
from gridsearch.runner.sweep import sweep
from gridsearch.trials import FailureKind, Objective, Outcome, Session, SessionRecord, Status, Trial, TrialRecord
from gridsearch.writers.tensorboard.events import EpochEvents, EventsWriter, write_experiment

VALUES = {"units": 256, "rate": 0.1, "optimizer": "adam", "flip": True}
GOOD = Outcome(Status.COMPLETED, metrics={"accuracy": 0.75, "best_accuracy": 0.8, "loss": 0.5, "seconds": 2.0})
STARTED_AND_ENDED = ["session_start_info", "session_end_info"]


def events(directory: Path) -> Iterator[Event]:
    for file in sorted(directory.glob("*.tfevents.*")):
        for raw in RawEventFileLoader(str(file)).Load():
            yield Event.FromString(raw)


def plugin_data(directory: Path) -> list[HParamsPluginData]:
    values = [value for event in events(directory) for value in event.summary.value]
    return [
        HParamsPluginData.FromString(value.metadata.plugin_data.content)
        for value in values
        if value.metadata.plugin_data.plugin_name == "hparams"
    ]


def scalars(directory: Path) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events(directory):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "scalars":
                found.setdefault(value.tag, []).append((event.step, float(tensor_util.make_ndarray(value.tensor))))
    return found


def session(outcome: Outcome, *, attempt: int = 1) -> SessionRecord:
    trial = Trial(7, VALUES)
    return SessionRecord(Session(trial, 0, attempt, 0), outcome, 100.0, 200.0, delivered=False)


def running(ended: SessionRecord) -> SessionRecord:
    return SessionRecord(ended.session, Outcome(Status.RUNNING), ended.began, None, delivered=False)


def experiment(logdir: Path) -> dict[str, Any]:
    (data,) = plugin_data(logdir)
    return {info.name: info for info in data.experiment.hparam_infos}


@pytest.fixture
def made(logdir: Path) -> Path:
    logdir.mkdir(parents=True)
    return logdir


def test_a_session_has_one_start_its_final_metrics_and_one_end(made: Path) -> None:
    writer, good = EventsWriter(made, Objective()), session(GOOD)
    writer.begin(running(good))
    writer.end(good)
    start, end = plugin_data(made / "run-0007")
    assert start.session_start_info.group_name == "run-0007"
    assert start.session_start_info.start_time_secs == 100.0
    shown = start.session_start_info.hparams
    assert (shown["units"].number_value, shown["rate"].number_value) == (256.0, 0.1)
    assert (shown["optimizer"].string_value, shown["flip"].bool_value) == ("adam", True)
    assert (end.session_end_info.status, end.session_end_info.end_time_secs) == (api_pb2.STATUS_SUCCESS, 200.0)
    assert {tag: points[0][1] for tag, points in scalars(made / "run-0007").items()} == pytest.approx(GOOD.metrics)


def test_a_failed_session_is_a_failure_without_metrics(made: Path) -> None:
    writer, bad = EventsWriter(made, Objective()), session(Outcome.failed(FailureKind.DIVERGED, "nan"))
    writer.begin(running(bad))
    writer.end(bad)
    assert plugin_data(made / "run-0007")[-1].session_end_info.status == api_pb2.STATUS_FAILURE
    assert scalars(made / "run-0007") == {}


def test_a_session_stopped_by_a_strategy_is_a_success(made: Path) -> None:
    writer = EventsWriter(made, Objective())
    writer.end(session(Outcome(Status.STOPPED, metrics=GOOD.metrics)))
    assert plugin_data(made / "run-0007")[-1].session_end_info.status == api_pb2.STATUS_SUCCESS


def test_a_session_that_another_runner_began_is_written_whole_in_a_new_file(made: Path) -> None:
    good = session(GOOD)
    first = EventsWriter(made, Objective())
    first.begin(running(good))
    first.close()
    (file,) = (made / "run-0007").iterdir()
    file.write_bytes(file.read_bytes()[:-7])
    EventsWriter(made, Objective()).end(good)
    (whole,) = (made / "run-0007").iterdir()
    assert whole != file, "TensorBoard remembers how far it has read a file"
    kinds = [event.summary.value[0].tag for raw in RawEventFileLoader(str(whole)).Load()
             if (event := Event.FromString(raw)).summary.value]  # fmt: skip
    assert (kinds[0], kinds[-1]) == ("_hparams_/session_start_info", "_hparams_/session_end_info")


def test_a_session_that_runs_or_was_put_aside_holds_no_file_open(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made.parent)
    writer, good = EventsWriter(Path(made.name), Objective()), session(GOOD)
    writer.begin(running(good))
    assert [file.path for file in psutil.Process().open_files() if ".tfevents." in file.path] == []
    monkeypatch.chdir("/")
    writer.end(good)
    assert len(list((made / "run-0007").iterdir())) == 1
    assert [data.WhichOneof("data") for data in plugin_data(made / "run-0007")] == STARTED_AND_ENDED


@pytest.mark.parametrize("beside", [True, False])
def test_a_session_whose_file_was_deleted_while_it_was_trained_is_told_whole(made: Path, beside: bool) -> None:
    writer, good = EventsWriter(made, Objective()), session(GOOD)
    writer.begin(running(good))
    shutil.rmtree(made / "run-0007")
    if beside:
        (made / "run-0007").mkdir()
        (made / "run-0007" / "events.out.tfevents.1.another").touch()
    writer.end(good)
    assert [data.WhichOneof("data") for data in plugin_data(made / "run-0007")] == STARTED_AND_ENDED
    assert scalars(made / "run-0007")["accuracy"][0][1] == 0.75


def test_the_experiment_declares_domains_and_what_differs(made: Path) -> None:
    hparams = [
        HParam("units", Discrete([512, 256]), "Units", "how many"),
        HParam("rate", RealInterval(0.1, 0.2)),
        HParam("depth", IntInterval(1, 3)),
        HParam("optimizer", Discrete(["sgd", "adam"])),
        HParam("flip", Discrete([True, False])),
        HParam("fixed", Discrete([1])),
        HParam("many", Discrete(list(range(12)))),
    ]
    write_experiment(made, hparams, Objective("accuracy").columns)
    shown = experiment(made)
    assert list(shown["units"].domain_discrete) == [512, 256]
    assert (shown["units"].display_name, shown["units"].description) == ("Units", "how many")
    assert (shown["rate"].domain_interval.min_value, shown["rate"].domain_interval.max_value) == (0.1, 0.2)
    assert (shown["depth"].domain_interval.min_value, shown["depth"].domain_interval.max_value) == (1, 3)
    assert list(shown["optimizer"].domain_discrete) == ["sgd", "adam"]
    assert list(shown["flip"].domain_discrete) == [True, False]
    assert shown["many"].domain_interval.max_value == 11, "a list of ten numbers breaks TensorBoard's filter box"
    assert {name: info.differs for name, info in shown.items() if not info.differs} == {"fixed": False}
    (data,) = plugin_data(made)
    columns = [metric.name.tag for metric in data.experiment.metric_infos]
    assert columns == ["accuracy", "best_accuracy", "loss", "best_epoch", "seconds"]


def test_a_narrowed_domain_still_declares_what_was_tried_and_only_one_record_stays(made: Path) -> None:
    trial = Trial(1, {"units": 64})
    for _ in range(2):
        write_experiment(made, [HParam("units", Discrete([256]))], Objective().columns, [TrialRecord(trial, ())])
    assert list(experiment(made)["units"].domain_discrete) == [256, 64]
    assert len(list(made.iterdir())) == 1


def test_epochs_are_written_under_the_tags_of_keras(made: Path) -> None:
    curves = EpochEvents(made / "run-0001")
    curves.add(0, {"loss": 0.5, "accuracy": 0.25, "val_loss": 0.75, "learning_rate": 0.5}, 10.0)
    curves.add(1, {"loss": math.nan, "accuracy": 0.5, "val_loss": 0.25}, 11.0)
    curves.close()
    assert scalars(made / "run-0001" / "train") == {
        "epoch_loss": [(0, 0.5)],
        "epoch_accuracy": [(0, 0.25), (1, 0.5)],
        "epoch_learning_rate": [(0, 0.5)],
    }
    assert scalars(made / "run-0001" / "validation") == {"epoch_loss": [(0, 0.75), (1, 0.25)]}


@pytest.mark.parametrize(("detail", "files"), [("summary", 1), ("epoch", 2)])
def test_the_detail_decides_how_many_event_files_a_session_has(logdir: Path, detail: str, files: int) -> None:
    sweep(configured(logdir, {"x": {"discrete": [0.5]}}, sweep={"detail": detail}))
    assert len(list((logdir / "run-0001").rglob("*.tfevents.*"))) == files


def test_the_experiment_record_comes_back_if_it_was_deleted_and_changes_only_with_the_declaration(logdir: Path) -> None:
    config = configured(logdir, {"x": {"discrete": [0.5]}})
    sweep(config)
    (first,) = logdir.glob("*.tfevents.*")
    sweep(config)
    assert list(logdir.glob("*.tfevents.*")) == [first]
    first.unlink()
    sweep(config)
    (second,) = logdir.glob("*.tfevents.*")
    sweep(configured(logdir, {"x": {"discrete": [0.5, 0.75]}}))
    (third,) = logdir.glob("*.tfevents.*")
    assert third != second
    assert list(experiment(logdir)["x"].domain_discrete) == [0.5, 0.75]


def test_the_experiment_of_several_grids_declares_what_any_of_them_takes(logdir: Path) -> None:
    grids: Any = [{"x": {"discrete": [0.25]}}, {"x": {"discrete": [0.5, 0.75]}}]
    sweep(configured(logdir, grids))
    assert list(experiment(logdir)["x"].domain_discrete) == [0.25, 0.5, 0.75]


def test_an_old_row_shows_the_default_of_an_hparam_that_came_later(logdir: Path) -> None:
    sweep(configured(logdir, {"x": {"discrete": [0.5]}}))
    sweep(configured(logdir, {"x": {"discrete": [0.5]}, "y": {"discrete": [1, 2], "default": 1}}))
    shown = [plugin_data(logdir / f"run-000{n}")[0].session_start_info.hparams["y"].number_value for n in (1, 2)]
    assert shown == [1.0, 2.0]


def test_what_an_objective_returns_is_a_column(logdir: Path) -> None:
    sweep(configured(logdir, {"x": {"discrete": [0.5]}}))
    (data,) = plugin_data(logdir)
    assert [metric.name.tag for metric in data.experiment.metric_infos][-1] == "loss"
    assert scalars(logdir / "run-0001")["loss"] == [(3, 0.5)]


@pytest.mark.parametrize(
    "last", ["1100000000.vm.99999.000000", "1100000000.999999.vm.99999.000000", "4100000000.vm.1.0.v2"]
)
def test_a_session_that_resumes_writes_a_file_that_tensorboard_reads_last(
    made: Path, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same second another process has a smaller number; or the clock was set back."""
    monkeypatch.setattr("time.time", lambda: 1_100_000_000.25)
    directory = made / "run-0001" / "train"
    directory.mkdir(parents=True)
    (directory / f"events.out.tfevents.{last}").touch()
    for epoch in range(3):
        curves = EpochEvents(made / "run-0001")
        curves.add(epoch, {"accuracy": 0.5}, 10.0)
        curves.close()
    files = sorted(directory.iterdir())
    assert files[0].name.endswith(last)
    assert scalars(directory) == {"epoch_accuracy": [(0, 0.5), (1, 0.5), (2, 0.5)]}

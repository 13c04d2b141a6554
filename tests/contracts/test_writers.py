"""What every writer promises, run against each of them; read back with the tools that its users have."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sweeps import configured

from gridsearch.record.journal import Journal
from gridsearch.trials import Epoch, FailureKind, Outcome, Session, SessionRecord, Status, Trial
from gridsearch.writers import SupportsBackfill, SupportsClose, SweepInfo, Writer, describe_sweep, replay_session

ODD = {"units": 256, "rate": 1e-4, "optimizer": 'a"d/a..m\n%', "flip": True, "recipe": "ours", "größe (µm)": 2.5}
GOOD = {"accuracy": 0.75, "best_accuracy": 0.875, "best_epoch": 2.0, "seconds": 2.5}
EPOCHS = [{"accuracy": 0.5, "loss": 1.5}, {"accuracy": 0.875, "loss": 0.25}, {"accuracy": 0.75, "loss": 0.5}]


@dataclass
class Account:
    """What a writer's users find of a session."""

    state: str
    metrics: dict[str, float]
    epochs: list[float]
    """The loss, epoch by epoch, where the writer is the one who tells it."""
    values: dict[str, Any]


Read = Callable[[Path], dict[str, Account]]


@dataclass
class Kind:
    """A writer under test: how it is made, how it is read, what it calls an end."""

    make: Callable[[SweepInfo], Writer]
    read: Read
    states: tuple[str, str]


def tensorboard() -> Kind:
    from writers.test_events import plugin_data, scalars

    from gridsearch.writers.tensorboard.events import EventsWriter

    def read(logdir: Path) -> dict[str, Account]:
        found = {}
        for directory in sorted(logdir.glob("run-*")):
            first, *_, last = plugin_data(directory)
            shown = first.session_start_info.hparams
            values = {name: getattr(shown[name], shown[name].WhichOneof("kind")) for name in shown}
            metrics = {tag: points[-1][1] for tag, points in scalars(directory).items()}
            found[directory.name] = Account(str(last.session_end_info.status), metrics, [], values)
        return found

    return Kind(lambda info: EventsWriter(info.logdir, info.objective), read, ("1", "2"))


def wandb() -> Kind:
    from writers.wandb_files import directories, history, records, summaries

    from gridsearch.writers.wandb import WandbWriter

    def read(logdir: Path) -> dict[str, Account]:
        found = {}
        for run in summaries(logdir):
            (directory,) = [each for each in directories(logdir) if each.name.endswith(f"-{run['run_id']}")]
            metrics = {name: value for name, value in run["summary"].items() if name in GOOD}
            losses = [float(row["loss"]) for row in history(records(directory))]
            recipe = run["config"].pop("gridsearch.recipe")
            assert recipe["training.seed"] == 0
            found[run["name"]] = Account(run["state"], metrics, losses, run["config"])
        return found

    return Kind(WandbWriter, read, ("finished", "failed"))


def mlflow() -> Kind:
    from mlflow import MlflowClient

    from gridsearch.writers.mlflow import MlflowWriter, accepted_name

    def read(logdir: Path) -> dict[str, Account]:
        client, found = MlflowClient(f"sqlite:///{logdir / 'mlflow.db'}"), {}
        for run in client.search_runs(["1"], "tags.`gridsearch.session` != ''"):
            losses = client.get_metric_history(run.info.run_id, "epoch/loss")
            ordered = [metric.value for metric in sorted(losses, key=lambda metric: int(metric.step))]
            metrics = {name: value for name, value in run.data.metrics.items() if name in GOOD}
            values = {name: run.data.params[accepted_name(name)] for name in ODD}
            assert values == {name: str(value) for name, value in ODD.items()}
            name = str(run.data.tags["gridsearch.session"])
            assert name not in found, "told twice"
            found[name] = Account(run.info.status, metrics, ordered, ODD)
        return found

    return Kind(MlflowWriter, read, ("FINISHED", "FAILED"))


@pytest.fixture(params=[tensorboard, wandb, mlflow], ids=lambda kind: str(kind.__name__))
def kind(request: pytest.FixtureRequest) -> Kind:
    made: Kind = request.param()
    return made


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, which take it seconds to make."""
    from mlflow import MlflowClient

    store = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{store}").search_experiments()
    return store


@pytest.fixture
def info(logdir: Path, empty_store: Path) -> SweepInfo:
    """Of a sweep with one trial, in a folder with a name that is not kind to programs."""
    place = logdir.parent / "a'; echo föö"
    place.mkdir(parents=True)
    shutil.copy(empty_store, place)
    config = configured(place, {name: {"discrete": [value]} for name, value in ODD.items()})
    with Journal(place) as journal:
        journal.declare(config, config.recipe())
        with journal.transaction():
            journal.plan(ODD)
        return describe_sweep(journal.record(), "any")


@pytest.fixture
def writer(kind: Kind, info: SweepInfo) -> Iterator[Writer]:
    made = kind.make(info)
    yield made
    if isinstance(made, SupportsClose):
        made.close()


def session(number: int, outcome: Outcome, *, repeat: int = 0) -> SessionRecord:
    trial = Trial(number, ODD)
    return SessionRecord(Session(trial, repeat, 1, 7), outcome, 1e9, 1e9 + 2.5, delivered=False)


def epochs(of: SessionRecord) -> list[Epoch]:
    return [Epoch(of.name, n, metrics, 1e9 + n) for n, metrics in enumerate(EPOCHS)]


COMPLETED = Outcome(Status.COMPLETED, metrics=GOOD, epochs=3)
FAILED = Outcome.failed(FailureKind.EXCEPTION, 'it\'s 50% "out" of\tmemory\nand more')


def close(writer: Writer) -> None:
    if isinstance(writer, SupportsClose):
        writer.close()


def losses(account: Account) -> list[float]:
    """Those that it has; TensorBoard's curves are written by the process that trains."""
    return account.epochs or [metrics["loss"] for metrics in EPOCHS]


def test_a_session_is_found_with_its_values_its_epochs_and_its_final_metrics(
    kind: Kind, writer: Writer, info: SweepInfo
) -> None:
    replay_session(writer, session(1, COMPLETED), epochs(session(1, COMPLETED)))
    close(writer)
    (account,) = kind.read(info.logdir).values()
    assert account.state == kind.states[0]
    assert account.metrics == pytest.approx(GOOD)
    assert losses(account) == [1.5, 0.25, 0.5]
    assert account.values == ODD


def test_a_failed_session_is_found_as_failed_and_without_final_metrics(
    kind: Kind, writer: Writer, info: SweepInfo
) -> None:
    failed = session(1, FAILED)
    replay_session(writer, failed, [*epochs(failed)[:1], Epoch(failed.name, 1, {"loss": math.nan, "lös s?": 1.0}, 1e9)])
    close(writer)
    (account,) = kind.read(info.logdir).values()
    assert (account.state, account.metrics) == (kind.states[1], {})
    assert losses(account)[0] == 1.5


def test_several_sessions_at_a_time_are_kept_apart(kind: Kind, writer: Writer, info: SweepInfo) -> None:
    ends = [session(1, COMPLETED), session(2, FAILED), session(3, COMPLETED), session(3, COMPLETED, repeat=1)]
    for each in ends:
        writer.begin(session(each.session.trial.number, Outcome(Status.RUNNING), repeat=each.session.repeat))
    for told in zip(*(epochs(each) for each in ends), strict=True):
        for epoch in told:
            writer.epoch(epoch)
    for each in reversed(ends):
        writer.end(each)
    close(writer)
    found = kind.read(info.logdir)
    good, bad = kind.states
    assert {name: account.state for name, account in sorted(found.items())} == {
        "run-0001": good,
        "run-0002": bad,
        "run-0003": good,
        "run-0003-r1": good,
    }
    assert all(losses(account) == [1.5, 0.25, 0.5] for account in found.values())


def test_a_session_that_a_dead_process_began_is_told_again_and_is_there_once(kind: Kind, info: SweepInfo) -> None:
    first = kind.make(info)
    first.begin(session(1, Outcome(Status.RUNNING)))
    first.epoch(epochs(session(1, COMPLETED))[0])
    close(first)
    second = kind.make(info)
    replay_session(second, session(1, COMPLETED), epochs(session(1, COMPLETED)))
    close(second)
    (account,) = kind.read(info.logdir).values()
    assert account.state == kind.states[0]
    assert losses(account) == [1.5, 0.25, 0.5]
    assert account.metrics == pytest.approx(GOOD)


def test_a_writer_that_keeps_accounts_knows_which_are_complete(kind: Kind, info: SweepInfo) -> None:
    writer, done = kind.make(info), session(1, COMPLETED)
    if not isinstance(writer, SupportsBackfill):
        pytest.skip("this one does not say that it does")
    assert not writer.has(done, 3)
    writer.begin(session(1, Outcome(Status.RUNNING)))
    assert not writer.has(done, 3)
    writer.end(done)
    assert not writer.has(done, 3), "it was not told the epochs"
    replay_session(writer, done, epochs(done))
    assert writer.has(done, 3)
    assert not writer.has(session(1, FAILED), 3)
    assert not writer.has(session(2, COMPLETED), 3)
    close(writer)
    again = kind.make(info)
    assert isinstance(again, SupportsBackfill)
    assert again.has(done, 3)
    close(again)

"""The loop: whatever happens to trials, writers or the runner itself, every combination comes to one end."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sweeps import configured
from waiting import wait_until

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import Interrupted, LogdirError, StrategyError
from gridsearch.executors.placement import Place
from gridsearch.record.journal import Journal
from gridsearch.record.reader import Record, read_epochs
from gridsearch.runner.plan import Plan
from gridsearch.runner.runner import Limits
from gridsearch.runner.sweep import make_executor, preview, sweep
from gridsearch.strategies.median_stopping import MedianStopping
from gridsearch.system.liveness import boot_id
from gridsearch.system.signals import StopRequest
from gridsearch.training.session import run_session
from gridsearch.training.task import Task
from gridsearch.trials import Epoch, FailureKind, Message, Outcome, Session, SessionRecord, Status, Verdict
from gridsearch.writers import Writer
from gridsearch.writers.tensorboard.check import check

X = {"x": {"discrete": [0.25, 0.5, 0.75]}}


class Listener:
    """A writer that remembers, and raises when it is told to."""

    def __init__(self, raises_at: str = "") -> None:
        self.heard: list[str] = []
        self._raises_at = raises_at

    def _hear(self, what: str) -> None:
        if what == self._raises_at:
            raise OSError("no one is listening")
        self.heard.append(what)

    def begin(self, session: SessionRecord) -> None:
        self._hear(f"begin {session.name}")

    def epoch(self, epoch: Epoch) -> None:
        self._hear(f"epoch {epoch.session} {epoch.epoch}")

    def end(self, session: SessionRecord) -> None:
        self._hear(f"end {session.name} {session.status}")


def run(config: SweepConfig, *listeners: Writer, **arguments: Any) -> Record:
    return sweep(config, writers=listeners, **arguments).record


def kinds(record: Record) -> dict[str, FailureKind | None]:
    return {session.name: session.outcome.kind for session in record.sessions}


def test_every_combination_is_trained_and_told_in_order(logdir: Path) -> None:
    listener = Listener()
    record = run(configured(logdir, X), listener)
    assert [trial.mean("accuracy") for trial in record.trials] == [0.25, 0.5, 0.75]
    first = [what for what in listener.heard if "run-0001" in what]
    assert first == ["begin run-0001", *(f"epoch run-0001 {n}" for n in range(3)), "end run-0001 completed"]
    assert all(session.delivered for session in record.sessions)


def test_nothing_finished_is_trained_again(logdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAININGS", str(tmp_path / "trainings"))
    run(configured(logdir, X))
    again = Listener()
    run(configured(logdir, X), again)
    assert (tmp_path / "trainings").read_text().split() == ["0.25", "0.5", "0.75"]
    assert again.heard == []


def test_a_wider_domain_trains_only_what_is_new_and_a_narrower_one_hides_nothing(logdir: Path) -> None:
    run(configured(logdir, X))
    listener = Listener()
    wider = configured(logdir, {"x": {"discrete": [0.9, 0.25, 0.5, 0.75]}})
    assert str(preview(wider).plan) == "4 combinations: 3 completed, 0 failed, 1 new"
    run(wider, listener)
    assert [what for what in listener.heard if what.startswith("end")] == ["end run-0004 completed"]
    narrower = configured(logdir, {"x": {"discrete": [0.9]}})
    plan = preview(narrower).plan
    assert (plan.combinations, plan.completed, plan.outside) == (1, 1, 3)
    assert len(run(narrower).trials) == 4


def test_an_hparam_with_a_default_counts_for_what_was_trained_before(logdir: Path) -> None:
    run(configured(logdir, X))
    extended = configured(logdir, {**X, "width": {"discrete": [1, 2], "default": 1}})
    assert str(preview(extended).plan) == "6 combinations: 3 completed, 0 failed, 3 new"
    record = run(extended)
    assert [trial.trial.values for trial in record.trials[3:]] == [{"x": x, "width": 2} for x in (0.25, 0.5, 0.75)]
    assert str(preview(extended).plan) == "6 combinations: 6 completed, 0 failed, 0 new"


def test_each_way_of_failing_is_its_own_outcome_and_the_others_complete(logdir: Path) -> None:
    behaviours = ["fine", "raises", "diverges", "killed", "leaves", "hangs"]
    config = configured(
        logdir,
        {"behaviour": {"discrete": behaviours}},
        "objectives:behaving",
        training={"stall_after": 3.0},
        sweep={"executor": "processes", "workers": 2},
    )
    record = run(config)
    assert [trial.status for trial in record.trials] == [Status.COMPLETED, *[Status.FAILED] * 5]
    assert kinds(record) == {
        "run-0001": None,
        "run-0002": FailureKind.EXCEPTION,
        "run-0003": FailureKind.DIVERGED,
        "run-0004": FailureKind.KILLED,
        "run-0004-a2": FailureKind.KILLED,
        "run-0005": FailureKind.KILLED,
        "run-0005-a2": FailureKind.KILLED,
        "run-0006": FailureKind.STALLED,
        "run-0006-a2": FailureKind.STALLED,
    }


def test_a_trial_that_takes_too_long_is_ended(logdir: Path) -> None:
    config = configured(
        logdir,
        {"behaviour": {"discrete": ["hangs"]}},
        "objectives:behaving",
        training={"timeout": 2.0},
        sweep={"executor": "processes", "workers": 1},
    )
    assert kinds(run(config)) == {"run-0001": FailureKind.TIMEOUT}


def test_retries_are_counted_on_disk_and_asked_for_ones_are_given(logdir: Path) -> None:
    config = configured(logdir, {"behaviour": {"discrete": ["raises"]}}, "objectives:behaving",
                        training={"retries": {"exception": 2}})  # fmt: skip
    assert list(kinds(run(config))) == ["run-0001", "run-0001-a2", "run-0001-a3"]
    assert len(run(config).sessions) == 3
    assert len(run(config, limits=Limits(retry_failed=True)).sessions) == 4


def test_repeats_share_a_trial_and_raising_them_trains_only_the_missing_ones(logdir: Path) -> None:
    run(configured(logdir, X, training={"repeats": 2}))
    listener = Listener()
    record = run(configured(logdir, X, training={"repeats": 3}), listener)
    assert [what for what in listener.heard if what.startswith("begin")] == [f"begin run-000{n}-r2" for n in (1, 2, 3)]
    assert [session.session.seed for session in record.trials[0].sessions] == [0, 1, 2]


def test_a_sweep_gives_up_after_as_many_failures_as_it_may_have(logdir: Path) -> None:
    hparams = {"behaviour": {"discrete": ["raises", "diverges", "fine"]}}
    config = configured(logdir, hparams, "objectives:behaving")
    assert len(run(config, limits=Limits(max_failures=1)).sessions) == 1
    assert [trial.status for trial in run(config).trials] == [Status.FAILED, Status.FAILED, Status.COMPLETED]


def test_a_writer_that_fails_is_switched_off_and_the_next_run_tells_it_everything(logdir: Path) -> None:
    warnings: list[str] = []
    deaf, other = Listener(raises_at="begin run-0002"), Listener()
    record = run(configured(logdir, X), deaf, other, warn=warnings.append)
    assert record.count(Status.COMPLETED) == 3
    assert deaf.heard[-1] == "end run-0001 completed"
    assert other.heard[-1] == "end run-0003 completed"
    assert warnings == ["Listener is switched off, the record goes on without it: OSError: no one is listening"]
    later = Listener()
    run(configured(logdir, X), later)
    assert later.heard == ["end run-0002 completed", "end run-0003 completed"]


def test_a_record_that_cannot_be_written_ends_the_sweep_and_what_was_finished_is_kept(
    logdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gridsearch.record.journal import Journal

    ending, ends = Journal.end, []

    def full(self: Journal, session: str, *rest: Any) -> None:
        ends.append(session)
        if len(ends) == 2:
            import sqlite3

            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error
        ending(self, session, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "end", full)
        with pytest.raises(LogdirError, match="Make room"):
            run(configured(logdir, X))
    record = run(configured(logdir, X))
    assert [trial.status for trial in record.trials] == [Status.COMPLETED] * 3
    assert kinds(record)["run-0002"] is FailureKind.INTERRUPTED
    assert "run-0001-a2" not in kinds(record)


def test_a_stop_signal_closes_what_runs_and_the_same_sweep_goes_on(
    logdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GO_ON", str(tmp_path / "go"))
    config = configured(logdir, {"behaviour": {"discrete": ["fine", "waits"]}}, "objectives:behaving",
                        sweep={"executor": "processes", "workers": 1})  # fmt: skip
    listener = Listener()

    def stop_when_the_second_runs() -> None:
        with contextlib.suppress(AssertionError):  # the sweep is stopped in any case
            wait_until(lambda: "epoch run-0002 0" in listener.heard)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop_when_the_second_runs).start()
    with pytest.raises(Interrupted):
        run(config, listener)
    record = Record.read(logdir)
    assert kinds(record) == {"run-0001": None, "run-0002": FailureKind.INTERRUPTED}
    assert not record.sessions[1].outcome.charged
    assert listener.heard[-1] == "end run-0002 failed"
    (tmp_path / "go").touch()
    assert list(kinds(run(config))) == ["run-0001", "run-0002", "run-0002-a2"]


def test_a_stop_signal_ends_the_decoding_of_pictures(
    pictures: Path, logdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*arguments: Any, **more: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
        raise AssertionError("nobody has stopped this")

    monkeypatch.setattr("gridsearch.training.cache.decode", slow)
    monkeypatch.setenv("GRIDSEARCH_CACHE", str(logdir.parent / "cache"))
    tables = {
        "hparams": {"learning_rate": {"discrete": [0.1]}},
        "data": {"train": str(pictures / "train"), "validation": str(pictures / "validation"), "batch_size": 1},
        "sweep": {"logdir": str(logdir)},
    }
    config = SweepConfig.validate_tables(tables, where="test", folder=logdir.parent)
    with pytest.raises(Interrupted):
        sweep(config)
    assert not list((logdir.parent / "cache").rglob("*.npy"))


def test_where_trials_may_go_on_from_a_rung_there_is_a_worker_for_each_place(
    logdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridsearch.executors.placement.choose_places", lambda *settings: [Place()] * 8)
    plan = Plan(combinations=36, completed=35, failed=0, unfinished=1, outside=0)
    slots = {}
    for pruner in (None, "halving"):
        tables = {"executor": "processes"} | ({"pruner": pruner} if pruner else {})
        config = configured(logdir, X, sweep=tables)
        with closing(make_executor(config, StopRequest(), plan)) as executor:
            slots[pruner] = executor.slots
    assert slots == {None: 1, "halving": 8}


def test_a_stop_signal_reaches_a_trial_in_this_very_process(logdir: Path) -> None:
    config = configured(logdir, {"behaviour": {"discrete": ["hangs"]}}, "objectives:behaving")

    def stop_once_it_trains() -> None:
        wait_until((logdir / "run-0001" / "train").exists)
        os.kill(os.getpid(), signal.SIGTERM)

    stopping = threading.Thread(target=stop_once_it_trains)
    stopping.start()
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted):
        run(config)
    stopping.join()
    assert kinds(Record.read(logdir)) == {"run-0001": FailureKind.INTERRUPTED}
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_combinations_of_a_union_of_grids_are_each_trained_once(logdir: Path) -> None:
    grids: Any = [{"x": {"discrete": [0.1, 0.2]}}, {"x": {"discrete": [0.2, 0.3]}}]
    record = run(configured(logdir, grids))
    assert [trial.trial.values["x"] for trial in record.trials] == [0.1, 0.2, 0.3]


def test_a_display_that_fails_costs_nothing_but_itself(logdir: Path) -> None:
    warnings: list[str] = []
    deaf = Listener(raises_at="begin run-0001")
    record = run(configured(logdir, X), displays=lambda plan, record, slots: [deaf], warn=warnings.append)
    assert record.count(Status.COMPLETED) == 3
    assert all(session.delivered for session in record.sessions)
    assert len(warnings) == 1


@pytest.mark.parametrize("behaviour", ["exits", "odd bytes"])
def test_whatever_an_objective_raises_is_its_own_outcome_and_can_be_read_again(logdir: Path, behaviour: str) -> None:
    config = configured(logdir, {"behaviour": {"discrete": [behaviour, "fine"]}}, "objectives:behaving")
    assert [trial.status for trial in run(config).trials] == [Status.FAILED, Status.COMPLETED]
    assert len(run(config).sessions) == 2


def test_an_objective_is_seeded_with_its_sessions_seed(logdir: Path, tmp_path: Path) -> None:
    hparams = {"behaviour": {"discrete": ["random"]}, "again": {"discrete": [1, 2]}}
    records = [
        run(configured(place, hparams, "objectives:behaving", training={"repeats": 2})) for place in (logdir, tmp_path)
    ]
    scores = [[s.outcome.metrics["accuracy"] for s in record.sessions] for record in records]
    assert scores[0] == scores[1]
    assert scores[0][0] == scores[0][2] != scores[0][1], "a seed for each repeat, the same for every combination"


def test_a_swept_seed_is_the_seed(logdir: Path) -> None:
    hparams = {"behaviour": {"discrete": ["random"]}, "seed": {"discrete": [1, 2, 3]}}
    record = run(configured(logdir, hparams, "objectives:behaving"))
    assert [session.session.seed for session in record.sessions] == [1, 2, 3]
    assert len({session.outcome.metrics["accuracy"] for session in record.sessions}) == 3


def test_an_objective_may_be_silent_unless_it_was_said_how_long(logdir: Path) -> None:
    assert configured(logdir, X).stall_after is None
    assert configured(logdir, X, training={"stall_after": 5}).stall_after == 5


def test_failures_are_counted_in_trials_not_in_repeats(logdir: Path) -> None:
    hparams = {"behaviour": {"discrete": ["raises", "diverges", "infinite", "fine"]}}
    config = configured(logdir, hparams, "objectives:behaving", training={"repeats": 3})
    record = run(config, limits=Limits(max_failures=2))
    assert [trial.status for trial in record.trials] == [Status.FAILED] * 2


def test_a_combination_that_two_grids_read_differently_is_trained_once(logdir: Path) -> None:
    run(configured(logdir, {"x": {"discrete": [0.5]}}))
    grids: Any = [
        {"x": {"discrete": [0.5]}, "width": {"discrete": [1, 2], "default": 1}},
        {"x": {"discrete": [0.5, 0.75]}},
    ]
    both = configured(logdir, grids)
    assert run(both).count(Status.COMPLETED) == 4
    assert preview(both).plan.left == 0


def test_a_default_declared_later_joins_what_was_trained_before_and_after(logdir: Path) -> None:
    run(configured(logdir, {"x": {"discrete": [0.5]}}))
    wide = {"x": {"discrete": [0.5]}, "width": {"discrete": [1, 2]}}
    run(configured(logdir, wide))
    joined = configured(logdir, {**wide, "width": {"discrete": [1, 2], "default": 1}})
    plan = preview(joined).plan
    assert (plan.combinations, plan.completed, plan.new) == (2, 2, 0)
    assert len(run(joined).sessions) == 3


def test_a_plan_for_another_recipe_is_refused_as_the_sweep_would_be(logdir: Path) -> None:
    run(configured(logdir, X))
    with pytest.raises(LogdirError, match=r"training\.seed: recorded 0, now 1"):
        preview(configured(logdir, X, training={"seed": 1}))


def test_of_equal_trials_the_one_whose_model_was_kept_keeps_it_in_the_next_run(logdir: Path) -> None:
    config = configured(logdir, {"x": {"discrete": [0.25, 0.5]}})
    with Journal(logdir) as journal:
        journal.declare(config, config.recipe())
        with journal.transaction():
            sessions = [Session(journal.plan({"x": x}), 0, 1, 0) for x in (0.25, 0.5)]
            for session in sessions:
                running = Outcome(Status.RUNNING)
                journal.begin(SessionRecord(session, running, 0.0, None, delivered=False, boot=boot_id()))
            for ended, session in enumerate(reversed(sessions)):  # the second trial ended first
                journal.end(session.name, Outcome(Status.COMPLETED, metrics={"accuracy": 0.9}), float(ended))
    (logdir / "models").mkdir()
    (logdir / "models" / "run-0002.keras").touch()
    run(config)
    assert [file.name for file in (logdir / "models").iterdir()] == ["run-0002.keras"]


class AllAtOnce:
    """Trains two sessions, and says in one batch all that comes of them; then what their own threads say too late."""

    slots = 2

    def __init__(self, *arguments: Any) -> None:
        self._tasks: list[Task] = []

    def submit(self, task: Task) -> None:
        self._tasks.append(task)

    def collect(self, seconds: float) -> list[Message]:
        said: list[Message] = []
        for task in self._tasks:
            run_session(task, said.append)
        late = [Epoch(task.session.name, 3, {"accuracy": 0.0}, 1.0, asks=True) for task in self._tasks]
        self._tasks.clear()
        return [*said, *late]

    def answer(self, session: str, epoch: int, verdict: Verdict) -> None:
        """Nobody waits."""

    def close(self) -> None:
        """Nothing runs."""


@pytest.mark.parametrize("method", ["tell", "report"])
def test_what_came_in_one_batch_with_the_end_at_which_the_strategy_failed_is_told_as_it_is_recorded(
    logdir: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def raising(self: object, *about: object) -> None:
        raise ZeroDivisionError("no idea")

    config, listener = configured(logdir, X, sweep={"pruner": "median"}), Listener()
    with monkeypatch.context() as patched:
        patched.setattr("gridsearch.runner.sweep.InlineExecutor", AllAtOnce)
        patched.setattr(MedianStopping, method, raising)
        with pytest.raises(StrategyError, match="no idea"):
            run(config, listener)
    ends = [f"end run-000{n} completed" for n in (1, 2)]
    assert [what for what in listener.heard if what.startswith("end")] == ends
    assert all(session.delivered for session in Record.read(logdir).sessions)
    assert check(logdir).ok
    assert run(config).count(Status.COMPLETED) == 3


def test_what_a_session_says_after_its_end_is_not_heard(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridsearch.runner.sweep.InlineExecutor", AllAtOnce)
    listener = Listener()
    assert run(configured(logdir, X), listener).count(Status.COMPLETED) == 3
    assert "epoch run-0001 3" not in listener.heard
    assert {name: list(epochs) for name, epochs in read_epochs(logdir).items()} == {
        f"run-000{n}": [0, 1, 2] for n in (1, 2, 3)
    }

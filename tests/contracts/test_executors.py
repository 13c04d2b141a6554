"""What every executor promises, run against each of them; and what only processes can survive."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sweeps import configured
from waiting import wait_until

from gridsearch.executors import Executor, SupportsCancel
from gridsearch.executors.inline import InlineExecutor
from gridsearch.executors.placement import Place
from gridsearch.executors.processes import ProcessExecutor
from gridsearch.training.task import Task
from gridsearch.trials import Ended, Epoch, FailureKind, Message, Outcome, Session, Status, Trial

PATIENCE = 60.0


@pytest.fixture(params=["inline", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    before = children()
    made: Executor = InlineExecutor() if request.param == "inline" else ProcessExecutor([Place()] * 2)
    yield made
    made.close()
    made.close()
    assert children() == before, "an executor left a child behind"


@pytest.fixture
def processes() -> Iterator[ProcessExecutor]:
    made = ProcessExecutor([Place()] * 2)
    yield made
    made.close()


def children() -> set[int]:
    """Processes started from here; but for the one that multiprocessing leaves behind, whoever used it."""
    found = psutil.Process().children(recursive=True)
    return {child.pid for child in found if not any("resource_tracker" in word for word in child.cmdline())}


def task(logdir: Path, behaviour: str, number: int = 1) -> Task:
    values = {"behaviour": behaviour}
    config = configured(logdir, {"behaviour": {"discrete": [behaviour]}}, "objectives:behaving")
    session = Session(Trial(number, values), 0, 1, 0)
    settings = config.settings_for(values)
    return Task(session, values, settings, config.objective, logdir, "epoch", None)


def collected(executor: Executor, ends: int) -> list[Message]:
    messages: list[Message] = []
    deadline = time.monotonic() + PATIENCE
    while sum(isinstance(message, Ended) for message in messages) < ends:
        assert time.monotonic() < deadline, f"only {messages}"
        messages += executor.collect(0.1)
    return messages


def outcome_of(executor: Executor, logdir: Path, behaviour: str) -> Outcome:
    executor.submit(task(logdir, behaviour))
    last = collected(executor, 1)[-1]
    assert isinstance(last, Ended)
    return last.outcome


def test_a_task_says_its_epochs_in_order_and_ends_once(executor: Executor, logdir: Path) -> None:
    executor.submit(task(logdir, "fine"))
    messages = collected(executor, 1)
    assert [m.metrics for m in messages if isinstance(m, Epoch)] == [{"accuracy": 0.25}, {"accuracy": 0.75}]
    assert isinstance(messages[-1], Ended)
    assert sum(isinstance(message, Ended) for message in messages) == 1
    outcome = messages[-1].outcome
    assert outcome.status is Status.COMPLETED
    assert outcome.metrics["accuracy"] == 0.5
    assert outcome.metrics["best_accuracy"] == 0.75
    assert outcome.metrics["best_epoch"] == 2
    assert executor.collect(0.0) == []


def test_what_a_task_prints_is_in_its_log(executor: Executor, logdir: Path) -> None:
    outcome_of(executor, logdir, "fine")
    assert (logdir / "run-0001" / "log.txt").read_text() == "trained well\n"


@pytest.mark.parametrize(
    ("behaviour", "kind", "words"),
    [
        ("raises", FailureKind.EXCEPTION, "RuntimeError: out of learning"),
        ("diverges", FailureKind.DIVERGED, "loss is nan in epoch 1"),
        ("infinite", FailureKind.DIVERGED, "accuracy is inf at the end"),
        ("forgets", FailureKind.EXCEPTION, "hold: precision, recall"),
    ],
)
def test_a_training_that_fails_is_an_outcome(
    executor: Executor, logdir: Path, behaviour: str, kind: FailureKind, words: str
) -> None:
    outcome = outcome_of(executor, logdir, behaviour)
    assert (outcome.status, outcome.kind) == (Status.FAILED, kind)
    assert words in outcome.message
    assert "\n" not in outcome.message
    assert outcome.metrics == {}


def test_a_traceback_is_in_the_log(executor: Executor, logdir: Path) -> None:
    outcome_of(executor, logdir, "raises")
    assert "Traceback" in (logdir / "run-0001" / "log.txt").read_text()


def test_tasks_follow_one_another(executor: Executor, logdir: Path) -> None:
    ended = 0
    for number in range(1, 6):
        if number - ended > executor.slots:  # several may end at once
            ended += sum(isinstance(message, Ended) for message in collected(executor, 1))
        executor.submit(task(logdir, "fine", number))
    collected(executor, 5 - ended)


def test_an_objective_that_does_not_exist_is_an_outcome_that_names_it(executor: Executor, logdir: Path) -> None:
    broken = configured(logdir, {"x": {"discrete": [1.0]}}, "objectives:nothing_like_it")
    values = {"x": 1.0}
    session = Session(Trial(1, values), 0, 1, 0)
    executor.submit(Task(session, values, broken.settings_for(values), broken.objective, logdir, "epoch", None))
    ended = collected(executor, 1)[-1]
    assert isinstance(ended, Ended)
    assert "nothing_like_it" in ended.outcome.message


@pytest.mark.parametrize(("behaviour", "words"), [("killed", "signal 9 (SIGKILL)"), ("leaves", "exit status 3")])
def test_a_worker_that_dies_is_the_outcome_of_its_task(
    processes: ProcessExecutor, logdir: Path, behaviour: str, words: str
) -> None:
    outcome = outcome_of(processes, logdir, behaviour)
    assert outcome.kind is FailureKind.KILLED
    assert words in outcome.message
    assert outcome_of(processes, logdir / "next", "fine").status is Status.COMPLETED


def test_a_cancelled_task_ends_as_it_was_told_and_the_others_go_on(
    processes: ProcessExecutor, logdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GO_ON", str(tmp_path / "go"))
    processes.submit(task(logdir, "hangs", 1))
    processes.submit(task(logdir, "waits", 2))
    assert isinstance(processes, SupportsCancel)
    processes.cancel("run-0001", Outcome.failed(FailureKind.STALLED, "too quiet"))
    (ended,) = [message for message in collected(processes, 1) if isinstance(message, Ended)]
    assert (ended.session, ended.outcome.kind) == ("run-0001", FailureKind.STALLED)
    (tmp_path / "go").touch()
    (other,) = [message for message in collected(processes, 1) if isinstance(message, Ended)]
    assert (other.session, other.outcome.status) == ("run-0002", Status.COMPLETED)


def test_a_warm_worker_is_used_again(processes: ProcessExecutor, logdir: Path) -> None:
    pids = {outcome_of(processes, logdir, "fine").provenance["pid"] for _ in range(3)}
    assert len(pids) == 1
    assert pids != {os.getpid()}


def test_a_worker_that_has_outgrown_its_size_is_replaced(processes: ProcessExecutor, logdir: Path) -> None:
    pids = [outcome_of(processes, logdir, "fine").provenance["pid"] for _ in range(3)]
    (worker,) = processes.workers
    worker.sizes = [100, 100, 10 * 2**30]
    pids.append(outcome_of(processes, logdir, "fine").provenance["pid"])
    assert len(set(pids)) == 2


def test_closing_ends_a_running_worker_at_once(logdir: Path) -> None:
    executor = ProcessExecutor([Place()])
    executor.submit(task(logdir, "hangs"))
    wait_until(lambda: any(isinstance(message, Epoch) for message in executor.collect(0.1)))
    executor.close()  # the trial would hang for 600 s, twice this test's time limit
    assert children() == set()


def test_what_ended_before_an_executor_was_closed_can_still_be_collected(logdir: Path) -> None:
    executor = ProcessExecutor([Place()] * 2)
    executor.submit(task(logdir, "fine"))
    executor.submit(task(logdir, "hangs", 2))
    wait_for_an_end(executor)
    executor.close()
    (ended,) = (message for message in executor.collect(0.0) if isinstance(message, Ended))
    assert (ended.session, ended.outcome.status) == ("run-0001", Status.COMPLETED)
    assert executor.collect(0.0) == []


def test_a_session_that_ended_before_it_was_cancelled_has_its_own_end_first(logdir: Path) -> None:
    executor = ProcessExecutor([Place()])
    executor.submit(task(logdir, "fine"))
    wait_for_an_end(executor)
    executor.cancel("run-0001", Outcome.failed(FailureKind.TIMEOUT, "too long"))
    ends = [message.outcome.status for message in executor.collect(0.0) if isinstance(message, Ended)]
    assert ends == [Status.COMPLETED, Status.FAILED]
    executor.close()


def wait_for_an_end(executor: ProcessExecutor) -> None:
    """Until the first worker has sent one, which is left unread."""
    deadline = time.monotonic() + PATIENCE
    with socket.socket(fileno=os.dup(executor.workers[0].child.connection.fileno())) as peeked:
        while b"Ended" not in peeked.recv(2**20, socket.MSG_PEEK):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("behaviour", ["ends", "closes", "wraps", "unversioned"])
def test_a_trial_may_do_this_and_the_worker_goes_on(processes: ProcessExecutor, logdir: Path, behaviour: str) -> None:
    first = outcome_of(processes, logdir, behaviour)
    assert first.status is Status.COMPLETED, first.message
    second = outcome_of(processes, logdir, "fine")
    assert second.status is Status.COMPLETED, second.message
    assert second.provenance["pid"] == first.provenance["pid"]
    assert "trained well" in (logdir / "run-0001" / "log.txt").read_text()


def test_whatever_a_trial_raises_is_its_outcome(executor: Executor, logdir: Path) -> None:
    outcome = outcome_of(executor, logdir, "odd")
    assert (outcome.kind, outcome.message) == (FailureKind.EXCEPTION, "Odd: its message cannot be made: ValueError")


def test_a_trial_that_closes_the_real_output_is_the_only_one_to_fail(processes: ProcessExecutor, logdir: Path) -> None:
    outcome = outcome_of(processes, logdir, "closes it")
    assert (outcome.kind, outcome.message) == (FailureKind.EXCEPTION, "RuntimeError: nowhere to say this")
    assert outcome_of(processes, logdir, "fine").provenance["pid"] == outcome.provenance["pid"]
    assert "trained well" in (logdir / "run-0001" / "log.txt").read_text()

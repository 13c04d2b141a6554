"""Writers in processes of their own: whatever becomes of them, the sweep takes no longer and loses nothing."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hostile_writers import Hanging, Listening
from sweeps import TESTS, configured
from waiting import wait_until

from gridsearch.errors import SweepFileError
from gridsearch.record.journal import Journal
from gridsearch.record.reader import Record
from gridsearch.runner.sweep import sweep
from gridsearch.system.liveness import boot_id
from gridsearch.trials import Epoch, Outcome, Session, SessionRecord, Status
from gridsearch.writers import describe_sweep, isolated
from gridsearch.writers.factory import GROUP
from gridsearch.writers.isolated_process import Relay

X = {"x": {"discrete": [0.25, 0.5, 0.75]}}


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the user's with writers, as pip leaves one behind."""
    site = tmp_path / "site"
    info = site / "hostile-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n")
    kinds = ["Listening", "Raising", "Hanging", "Slow", "Dying", "Refusing", "HangingAtTheEnd", "Missing"]
    lines = "\n".join(f"{kind.lower()} = hostile_writers:{kind}" for kind in kinds)
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(TESTS)]))


def run(logdir: Path, *writers: str, hparams: Any = None, **tables: Any) -> tuple[Record, list[str]]:
    """A quick sweep that tells these; the record, and what the user was told."""
    warnings: list[str] = []
    config = configured(logdir, hparams or X, sweep={"writers": list(writers)}, **tables)
    record = sweep(config, warn=warnings.append).record
    left = [child.cmdline() for child in psutil.Process().children()]
    assert [line for line in left if "gridsearch.writers.isolated_process" in line] == []
    assert record.count(Status.COMPLETED) == len(record.trials)
    return record, warnings


def heard(logdir: Path) -> list[str]:
    return (logdir / "heard.txt").read_text().splitlines()


def test_a_writer_of_a_users_own_hears_everything_in_order_in_a_process_of_its_own(logdir: Path) -> None:
    _, warnings = run(logdir, "listening", writers={"listening": {"greeting": "hello"}})
    assert warnings == []
    lines = heard(logdir)
    assert lines[0] == "made hello accuracy"
    session = ["begin run-0001", *(f"epoch run-0001 {n}" for n in range(3)), "end run-0001 completed"]
    assert lines[1:6] == session
    assert (lines[-2], len(lines)) == ("end run-0003 completed", 17)
    assert lines[-1] != f"closed {os.getpid()}"


def test_a_sweep_with_nothing_left_to_do_starts_no_process(logdir: Path) -> None:
    run(logdir, "listening")
    before = heard(logdir)
    run(logdir, "listening")
    assert heard(logdir) == before


def test_a_session_that_a_dead_runner_began_is_heard_whole(logdir: Path) -> None:
    config = configured(logdir, X)
    with Journal(logdir) as journal:
        journal.declare(config, config.recipe())
        with journal.transaction():
            session = Session(journal.plan({"x": 0.25}), 0, 1, 0)
            running = Outcome(Status.RUNNING)
            journal.begin(SessionRecord(session, running, 0.0, None, delivered=False, boot=boot_id()))
            journal.add_epoch(Epoch(session.name, 0, {"accuracy": 0.1}, 1.0))
    run(logdir, "listening")
    assert heard(logdir)[1:4] == ["begin run-0001", "epoch run-0001 0", "end run-0001 failed"]
    assert "end run-0001-a2 completed" in heard(logdir)


@pytest.mark.parametrize("killed", [False, True])
def test_a_session_that_goes_on_after_it_was_put_aside_is_heard_whole_whenever_it_ends(
    logdir: Path, killed: bool
) -> None:
    """At two rungs and at its end; in one process, or in another each time that it goes on."""
    config = configured(logdir, X)
    with Journal(logdir) as journal:
        journal.declare(config, config.recipe())
        with journal.transaction():
            which = Session(journal.plan({"x": 0.25}), 0, 1, 0)
            session = SessionRecord(which, Outcome(Status.RUNNING), 0.0, None, delivered=False)
            journal.begin(session)
        info = describe_sweep(journal.record(), "listening")
        relay = Relay(Listening(info), info)
        paused = Outcome(Status.STOPPED, paused=True)
        for number, outcome in enumerate([paused, paused, Outcome(Status.COMPLETED)]):
            relay.begin(session)
            epoch = Epoch(which.name, number, {"accuracy": 0.1}, 1.0)
            with journal.transaction():
                journal.add_epoch(epoch)
            relay.epoch(epoch)
            relay.end(replace(session, outcome=outcome, ended=1.0))
            if killed:
                relay = Relay(Listening(info), info)
            session = replace(session, outcome=Outcome(Status.RUNNING), ended=None, resumed=2.0)
    told = [line for line in heard(logdir) if not line.startswith("made")]
    assert told == [
        *["begin run-0001", "epoch run-0001 0", "end run-0001 stopped"],
        *["begin run-0001", "epoch run-0001 0", "epoch run-0001 1", "end run-0001 stopped"],
        *["begin run-0001", "epoch run-0001 0", "epoch run-0001 1", "epoch run-0001 2", "end run-0001 completed"],
    ]


@pytest.mark.parametrize(
    ("writer", "problem"),
    [
        ("raising", "ConnectionError: the server is out of order"),
        ("dying", "its process ended (about to fall)"),
        ("refusing", "ValueError: no such project"),
        ("missing", "AttributeError: module 'hostile_writers' has no attribute 'Missing'"),
    ],
)
def test_a_writer_that_fails_is_switched_off_with_one_line_and_others_are_not(
    logdir: Path, writer: str, problem: str
) -> None:
    _, warnings = run(logdir, writer, "listening")
    assert warnings == [f"{writer} is switched off, the sweep goes on without it: {problem}"]
    assert {f"end run-000{n} completed" for n in (1, 2, 3)} <= set(heard(logdir))


def test_a_writer_that_hangs_is_ended_with_all_that_it_started(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "SECONDS_AT_END", 1.0)
    _, (warning,) = run(logdir, "hanging")  # it would hang for 600 s, twice this test's time limit
    assert "hanging is switched off, the sweep goes on without it: it has not answered for 1 s" in warning
    pids = [int(pid) for line in heard(logdir) if line.startswith("pids") for pid in line.split()[1:]]
    assert len(pids) == 2
    wait_until(lambda: not any(_lives(pid) for pid in pids), 10, lambda: f"{Hanging.__name__} left something behind")


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_one_that_hangs_while_the_sweep_runs_is_not_waited_for_at_its_end(
    logdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial ends when the writer has been silent for more than half of what it is given at the end."""
    monkeypatch.setattr(isolated, "SECONDS_AT_END", 12.0)
    monkeypatch.setenv("GO_ON", str(tmp_path / "go"))

    def go_on_when_it_has_hung() -> None:
        with contextlib.suppress(AssertionError):  # the trial goes on in any case
            wait_until(lambda: (logdir / "heard.txt").exists() and "pids" in (logdir / "heard.txt").read_text())
        time.sleep(isolated.SECONDS_AT_END / 2 + 0.2)
        (tmp_path / "go").touch()

    going_on = threading.Thread(target=go_on_when_it_has_hung)
    going_on.start()
    _, (warning,) = run(logdir, "hanging", hparams={"x": {"discrete": [0.75]}}, objective="objectives:gated")
    going_on.join()
    silent = re.search(r"it has not answered for (\d+) s", warning)
    assert silent is not None, warning
    assert int(silent.group(1)) < isolated.SECONDS_AT_END, "what it had left of them was waited for"


def test_a_writer_that_falls_behind_is_switched_off(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "MOST_WAITING", 5)
    _, (warning,) = run(logdir, "slow")
    assert warning == "slow is switched off, the sweep goes on without it: 5 messages are waiting for it"


def test_the_end_of_the_sweep_waits_for_what_is_in_the_queue_but_not_for_ever(
    logdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "MOST_AT_END", 2.5)
    _, (warning,) = run(logdir, "slow")
    assert "messages are still waiting for it" in warning
    assert "end run-0001 completed" not in heard(logdir)


def test_a_writer_that_hangs_when_it_closes_is_not_waited_for_long(
    logdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "SECONDS_AT_END", 1.0)
    _, (warning,) = run(logdir, "hangingattheend")
    assert "it has not answered for 1 s" in warning
    assert heard(logdir)[-1] == "end run-0003 completed"


def test_a_writer_that_is_not_there_is_refused_before_anything_is_trained(logdir: Path) -> None:
    with pytest.raises(SweepFileError, match=r"sweep\.writers: 'wandbb' is not a writer\n  Did you mean 'wandb'"):
        run(logdir, "wandbb")
    with pytest.raises(SweepFileError, match=r"The writers installed here are .*mlflow, .*wandb"):
        run(logdir, "qqqqqqq")
    assert not logdir.exists()


def test_one_whose_package_is_missing_is_refused_with_what_to_install(
    logdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gridsearch.writers import factory

    monkeypatch.setitem(factory.PACKAGES, "mlflow", ("mlflow", "there_is_no_such_package"))
    with pytest.raises(SweepFileError, match=r"pip install 'gridsearch\[mlflow\]'"):
        run(logdir, "mlflow")
    assert not logdir.exists()

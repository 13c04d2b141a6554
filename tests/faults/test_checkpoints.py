"""An interrupted trial goes on from its last epoch, and comes to what it would have come to."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from faults.harness import Sweep, assert_whole, kill_all
from faults.test_killed import TRAINING, sweep_in
from waiting import wait_until

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.executors.placement import Place
from gridsearch.executors.processes import ProcessExecutor
from gridsearch.record.reader import Record, read_epochs
from gridsearch.training.task import Task
from gridsearch.trials import Ended, Epoch, Message, Session, Trial

pytestmark = pytest.mark.slow

ONE = (
    TRAINING.replace("[2, 3, 4, 5]", "[16]")
    .replace("[0.1, 0.01]", "[0.01]")
    .replace("epochs = 3", 'epochs = 30\ncheckpoint = "epoch"')
)


def last_epochs(sweep: Sweep) -> dict[int, dict[str, float]]:
    return {epoch: dict(metrics) for epoch, metrics in list(read_epochs(sweep.logdir).values())[-1].items()}


def test_a_killed_trial_goes_on_from_its_last_epoch_and_ends_as_if_nothing_had_been(pictures: Path) -> None:
    untouched = sweep_in(pictures.parent, ONE)
    assert untouched.finish() == 0
    assert not list((untouched.logdir / "checkpoints").iterdir()), "what is done needs no checkpoint"
    expected = last_epochs(untouched)
    assert len({metrics["loss"] for metrics in expected.values()}) == 30, "it learns, and what dropout does matters"
    untouched.logdir.rename(untouched.logdir.with_name("untouched"))

    killed = sweep_in(pictures.parent, ONE)
    process = killed.start()
    deadline = time.monotonic() + 60
    while not list(killed.logdir.glob("checkpoints/run-0001/epoch-0000[3-9]")):
        assert time.monotonic() < deadline, killed.said()
        time.sleep(0.01)
    kill_all(process.pid)
    process.wait()
    assert killed.finish() == 0, killed.said()

    assert_whole(killed.logdir, 1)
    assert [s.name for s in Record.read(killed.logdir).sessions] == ["run-0001", "run-0001-a2"]
    trained = [
        int(n) for n in re.findall(r"^epoch (\d+) ", (killed.logdir / "run-0001-a2" / "log.txt").read_text(), re.M)
    ]
    assert trained[0] > 3, "the epochs before the checkpoint were not trained again"
    assert trained[-1] == 30
    assert last_epochs(killed) == expected, "the whole curve, and to the last bit the same"


def test_a_trial_whose_checkpoint_was_damaged_is_trained_anew_and_comes_to_the_same(pictures: Path) -> None:
    killed = sweep_in(pictures.parent, ONE.replace("epochs = 30", "epochs = 20"))
    process = killed.start()
    wait_until(lambda: bool(list(killed.logdir.glob("checkpoints/run-0001/epoch-0000[3-9]"))))
    kill_all(process.pid)
    process.wait()
    for weights in killed.logdir.glob("checkpoints/run-0001/epoch-*/*.weights.h5"):  # there may be two for a moment
        weights.write_bytes(weights.read_bytes()[:1000])
    assert killed.finish() == 0, killed.said()

    assert_whole(killed.logdir, 1)
    log = (killed.logdir / "run-0001-a2" / "log.txt").read_text()
    assert re.findall(r"^the checkpoint .* is damaged .* training starts anew$", log, re.M)
    assert re.findall(r"^epoch (\d+) ", log, re.M) == [str(n) for n in range(1, 21)]
    recorded = Record.read(killed.logdir).sessions[-1].outcome.provenance["checkpoint"]
    assert "is damaged" in recorded


def test_a_paused_trial_whose_checkpoint_was_damaged_is_trained_anew_with_one_curve(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures.parent)
    sweep_in(pictures.parent, ONE.replace("epochs = 30", "epochs = 2"))
    config = SweepConfig.load(pictures.parent / "sweep.toml")
    values = {"width": 16, "learning_rate": 0.01}
    logdir, session = pictures.parent / "paused", Session(Trial(1, values), 0, 1, 0)
    task = Task(session, values, config.settings_for(values), config.objective, logdir, "epoch", None, pausable=True)
    executor = ProcessExecutor([Place()])
    assert [m.epoch for m in said(executor, task) if isinstance(m, Epoch)] == [0, 1]
    (history,) = logdir.glob("checkpoints/run-0001/epoch-00002/history.json")
    history.write_text("{}")
    messages = said(executor, replace(task, trained_before=1.0))
    executor.close()
    assert [m.epoch for m in messages if isinstance(m, Epoch)] == [0, 1]
    assert len(list((logdir / "run-0001" / "validation").iterdir())) == 1, "the curve of before is gone"


def said(executor: ProcessExecutor, task: Task) -> list[Message]:
    executor.submit(task)
    messages: list[Message] = []
    wait_until(lambda: messages.extend(executor.collect(0.1)) or any(isinstance(m, Ended) for m in messages))
    return messages

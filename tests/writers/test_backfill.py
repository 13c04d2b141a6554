"""Telling a writer afterwards: what goes wrong is told in a line, and where the runs are as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweeps import configured

from gridsearch.cli.commands import writers as commands
from gridsearch.errors import LogdirError, UserError
from gridsearch.runner.sweep import sweep
from gridsearch.writers import backfill as module


class Deaf:
    """A writer whose server does not answer."""

    raises: Exception = ConnectionError("no route\nto host")

    def __init__(self, info: Any) -> None:
        self.closed = False

    def begin(self, session: Any) -> None:
        raise self.raises

    def epoch(self, epoch: Any) -> None:
        """It does not come to that."""

    def end(self, session: Any) -> None:
        """Nor to that."""


@pytest.fixture
def told(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    sweep(configured(logdir, {"x": {"discrete": [0.5]}}))
    monkeypatch.setattr(module, "refuse_unknown", lambda names, where: None)
    monkeypatch.setattr(module, "load_writer", lambda name: Deaf)
    return logdir


def test_a_server_that_does_not_answer_is_told_in_a_line(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UserError, match=r"^gridsearch mine: ConnectionError: no route to host\n  Run the same command again"
    ):
        module.backfill("mine", told)
    monkeypatch.setattr(Deaf, "raises", LogdirError("the disk is full"))
    with pytest.raises(LogdirError, match=r"^the disk is full$"):
        module.backfill("mine", told)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://localhost:5000", "look at them:  http://localhost:5000\n"),
        ("sqlite:////a b/mlflow.db", "look at them:  mlflow ui --backend-store-uri 'sqlite:////a b/mlflow.db'"),
    ],
)
def test_where_the_runs_are_is_where_the_writer_has_them(
    told: Path, uri: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Deaf, "begin", lambda self, session: None)
    monkeypatch.setattr(Deaf, "uri", uri, raising=False)
    print(commands.mlflow(told, "").text)
    assert said in capsys.readouterr().out

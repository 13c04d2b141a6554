"""A damaged record is reported in words by every command and by the tab: exit 0, 1 or 2, and never a traceback."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from faults.damages import damage, name_damages
from sweeps import TESTS, configured

from gridsearch.cli import cli
from gridsearch.errors import GridsearchError, LogdirError
from gridsearch.record.reader import Record, read_epochs
from gridsearch.runner.sweep import sweep

SWEEP = """
[hparams]
x = { discrete = [0.25, 0.5, 0.75] }
kind = { discrete = ["a", "b"] }
[model]
objective = "objectives:scored"
[training]
repeats = 2
[sweep]
executor = "inline"
detail = "summary"
"""

EVERY = [
    ["status"], ["status", "--json"], ["best"], ["export"], ["export", "--history"], ["importance"], ["plan"],
    ["predict", "run-0001", "sweep.toml"], ["rerun", "run-0001"], ["report"], ["sweep"], ["check"], ["tensorboard"],
    ["wandb"], ["mlflow"], ["import", "study.db"],
]  # fmt: skip

QUICK = [["status"], ["best", "--json"], ["export", "--history"], ["plan"], ["predict", "run-0001", "sweep.toml"]]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a folder with a sweep file and the log directory of its whole sweep, one trial of which failed."""
    folder = tmp_path_factory.mktemp("origin")
    (folder / "sweep.toml").write_text(SWEEP)
    shutil.copy(TESTS / "objectives.py", folder)
    hparams = {"x": {"discrete": [0.25, 0.5, 0.75]}, "kind": {"discrete": ["a", "b"]}}
    tables = {"training": {"repeats": 2}, "sweep": {"detail": "summary"}}
    sweep(configured(folder / "logs" / "hparam_tuning", hparams, objective="objectives:scored", **tables))
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def spoil(origin: Path, name: str) -> Path:
    """Return a copy of the log directory with a damage."""
    logdir = origin / "damaged"
    shutil.rmtree(logdir, ignore_errors=True)
    shutil.copytree(origin / "logs" / "hparam_tuning", logdir)
    damage(logdir / "sweep.db", name)
    return logdir


def run(logdir: Path, command: list[str]) -> tuple[int, str]:
    """Return a command's exit status and what it printed; any other exception is the traceback that users would see."""
    out = io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(out):
            cli.main([*command, "--logdir", str(logdir)], standalone_mode=False)
    except SystemExit as left:
        return int(left.code or 0), out.getvalue()
    except GridsearchError as error:
        return error.exit_status, str(error)
    except click.ClickException as error:
        return error.exit_code, error.format_message()
    return 0, out.getvalue()


def test_no_damage_ends_in_a_traceback(origin: Path) -> None:
    """60 of the damages, of which thousands have been tried, and 200 with ``make faults``; SEED draws others."""
    damaged = 0
    file, seed = origin / "logs" / "hparam_tuning" / "sweep.db", int(os.environ.get("SEED", "17"))
    count = 200 if os.environ.get("FAULTS") == "long" else 60
    for name in name_damages(file, seed, count):
        for command in QUICK:
            try:
                status, said = run(spoil(origin, name), command)
            except Exception as error:
                raise AssertionError(f"{command} after {name!r}") from error
            assert status in (0, 1, 2), (name, command)
            assert said
            damaged += "the record is damaged" in said
    assert damaged > 40


DAMAGES = [
    "drop session", "drop trial", "drop sweep", "rename session metrics", "version 99", "version -1", "cut 0",
    "cut 100", "cut 8192", "delete sweep objective", "delete sweep tables", "node recipe 5 []", "node recipe 7 []",
    'node objective 5 ["metric"]', 'node objective 4 ["maximize"]', "node tables 4 []", 'node tables 0 ["hparams"]',
    "node folder 1 []", 'cell trial combination 8 ["x"]', 'cell trial combination 0 ["x"]', "cell session metrics 5 []",
    'cell session metrics 4 ["accuracy"]', "cell session provenance 4 []", "cell session oracle 7 []",
    "set session status all 1", "set session began all 1", "set trial combination one 7", "set session trial one 5",
]  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_the_kinds_of_damage_are_refused_in_words(origin: Path, name: str) -> None:
    logdir = spoil(origin, name)
    with pytest.raises(LogdirError) as error:
        Record.read(logdir)
    assert str(logdir / "sweep.db") in str(error.value)
    assert "\n" in str(error.value), "a cure"


@pytest.mark.parametrize("name", ["node recipe 5 []", "version 99"])
@pytest.mark.parametrize("command", EVERY, ids=lambda command: command[0])
def test_every_command_refuses_a_damaged_record_with_exit_2(origin: Path, command: list[str], name: str) -> None:
    if command[0] == "import":
        optuna = pytest.importorskip("optuna")
        (origin / "study.db").unlink(missing_ok=True)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(storage=f"sqlite:///{origin}/study.db")
        space = {"x": optuna.distributions.FloatDistribution(0.0, 1.0)}
        study.add_trial(optuna.create_trial(params={"x": 0.5}, distributions=space, value=1.0))
    elif command[0] in ("wandb", "mlflow"):
        pytest.importorskip(command[0])
    logdir = spoil(origin, name)
    done = subprocess.run(
        [sys.executable, "-m", "gridsearch", *command, "--logdir", str(logdir)],
        cwd=origin, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert "the record " in done.stderr


@pytest.mark.parametrize("name", DAMAGES)
def test_the_tab_says_what_is_wrong_with_a_damaged_record(origin: Path, name: str) -> None:
    from gridsearch.report.tab import SweepPlugin

    plugin = SweepPlugin(SimpleNamespace(logdir=str(spoil(origin, name))))
    answer = plugin.get_plugin_apps()["/facts"]({"QUERY_STRING": "sweep=."}, lambda *head: None)
    assert "the record " in json.loads(b"".join(answer))["problem"]


@pytest.mark.parametrize(
    "name", ["set epoch metrics one 7", "rename epoch metrics", "set epoch session one 3", "drop epoch"]
)
def test_damaged_epochs_are_refused_in_words(origin: Path, name: str) -> None:
    with pytest.raises(LogdirError, match="the record is damaged"):
        read_epochs(spoil(origin, name))

"""Nothing heavy is imported for light work: each command's modules, looked at in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sweeps import configured

from gridsearch.runner.sweep import sweep

HEAVY = {"tensorflow", "keras", "jax", "torch", "scipy", "ray", "wandb", "keras_tuner", "optuna", "plotly", "sklearn"}
HEAVY |= {"mlflow", "sqlalchemy", "pandas"}

LOOK = """
import json, sys
sys.argv = ["gridsearch", *sys.argv[1:]]
from gridsearch.cli import main
try:
    main()
except SystemExit as leaving:
    code = leaving.code
else:
    code = 0
print("\\n" + json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def modules_after(*arguments: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", LOOK, *arguments], capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code in (0, None), done.stderr
    return set(modules)


@pytest.mark.parametrize("command", ["--help", "plan --help", "status", "best", "plan", "best --json"])
def test_a_command_that_only_reports_imports_nothing_heavy(logdir: Path, command: str) -> None:
    sweep(configured(logdir, {"x": {"discrete": [0.5]}}))
    verb, *options = command.split()
    where = (
        ["--logdir", str(logdir / "new")] if verb == "plan" and not options else [str(logdir)] if verb[0] != "-" else []
    )
    modules = modules_after(verb, *options, *([] if "--help" in options else where))
    assert not HEAVY & modules
    assert "tensorboard" not in modules, "its protocol buffers cost 0.2 s"


@pytest.mark.parametrize("command", ["report", "importance"])
def test_what_explains_a_sweep_imports_neither_tensorflow_nor_matplotlib(logdir: Path, command: str) -> None:
    sweep(configured(logdir, {"x": {"real_interval": [0.1, 0.9], "points": 5}}))
    modules = modules_after(command, str(logdir))
    taken = {"scipy", "sklearn", "pandas"}  # scikit-learn takes pandas along where it is installed
    assert not (HEAVY - taken | {"matplotlib"}) & modules
    assert "tensorboard" not in modules


def test_the_help_does_without_pydantic_and_rich() -> None:
    assert not {"pydantic", "rich", "psutil", "numpy"} & modules_after("--help")


def test_a_quick_sweep_writes_its_event_files_without_tensorflow(logdir: Path, tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    (tmp_path / "quick.py").write_text("def train(values, report):\n    return {'accuracy': values['x']}\n")
    file.write_text(
        "[hparams]\nx = {discrete = [0.5]}\n[model]\nobjective = 'quick:train'\n[sweep]\nexecutor = 'inline'"
    )
    assert not HEAVY & modules_after("sweep", str(file), "--logdir", str(logdir))


def test_the_surface_of_the_package_is_what_it_says() -> None:
    import gridsearch

    assert {name for name in gridsearch.__all__ if getattr(gridsearch, name) is not None} == set(gridsearch.__all__)
    assert dir(gridsearch) == sorted(gridsearch.__all__)
    with pytest.raises(AttributeError, match="no attribute 'sweeep'"):
        _ = gridsearch.sweeep  # type: ignore[attr-defined]

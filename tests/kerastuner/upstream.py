"""KerasTuner's own tests of its tuners, with the Tuner here in their place.

    git clone https://github.com/keras-team/keras-tuner
    python tests/kerastuner/upstream.py keras-tuner [-k EXPRESSION ...]

The tests lie beside KerasTuner's modules; for the installed 1.4.8 these have moved below ``keras_tuner.src``, so copies
of the tests are rewritten. What follows the folder goes to pytest. The exit status is pytest's: every test passes, or
is named in ``EXCEPTED``.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

FILES = ("engine/tuner_test.py", "tuners/gridsearch_test.py", "tuners/hyperband_test.py", "tuners/randomsearch_test.py")

EXCEPTED: dict[str, str] = {}
"""Tests that do not pass, each with a reason that a user would accept."""

SHARED = ("objective", "max_trials", "seed", "hyperparameters", "tune_new_entries", "allow_new_entries")
LIMITS = ("max_retries_per_trial", "max_consecutive_failed_trials")
OWN = {
    "RandomSearch": (*SHARED, *LIMITS),
    "GridSearch": (*SHARED, *LIMITS),
    "Hyperband": (*SHARED, *LIMITS, "max_epochs", "factor", "hyperband_iterations"),
    "BayesianOptimization": (*SHARED, *LIMITS, "num_initial_points", "alpha", "beta"),
}
"""KerasTuner's tuners with the arguments that are their oracle's."""


def replace_tuners() -> None:
    """Put the Tuner here in place of KerasTuner's, each with the oracle that it stands for."""
    import keras_tuner
    from keras_tuner.src import tuners
    from keras_tuner.src.engine import tuner as engine

    from gridsearch.kerastuner import Tuner

    def made(name: str) -> type:
        oracle_class = getattr(keras_tuner.oracles, f"{name}Oracle")

        class Replaced(Tuner):
            def __init__(self, hypermodel: Any = None, *args: Any, **kwargs: Any) -> None:
                own = {key: kwargs.pop(key) for key in OWN[name] if key in kwargs}
                own |= dict(zip(("objective", "max_trials"), args, strict=False))
                super().__init__(oracle_class(**own), hypermodel, **kwargs)

        return type(name, (Replaced,), {})

    modules = (keras_tuner, keras_tuner.tuners, tuners, tuners.randomsearch, tuners.gridsearch, tuners.hyperband)
    for name in OWN:
        replaced = made(name)
        for module in modules:
            if hasattr(module, name):
                setattr(module, name, replaced)
    keras_tuner.Tuner = engine.Tuner = Tuner


def rewrite(source: str) -> str:
    """Return a test with its imports from where KerasTuner 1.4.8 has the modules."""
    source = re.sub(r"from keras_tuner import (errors|backend|utils)\b", r"from keras_tuner.src import \1", source)
    moved = r"backend|engine|test_utils|utils|tuners\.(?:gridsearch|hyperband|randomsearch|bayesian)"
    source = re.sub(rf"keras_tuner\.({moved})\b", r"keras_tuner.src.\1", source)
    return source.replace("from keras_tuner.tuners import", "from keras_tuner.src.tuners import")


def main(checkout: Path, *options: str) -> int:
    """Run them; return pytest's exit status."""
    import pytest

    replace_tuners()
    with tempfile.TemporaryDirectory(prefix="upstream-") as folder:
        for name in ("conftest.py", *FILES):
            source = (checkout / "keras_tuner" / name).read_text(encoding="utf-8")
            (Path(folder) / Path(name).name).write_text(rewrite(source), encoding="utf-8")
        deselected = [f"--deselect={name}" for name in EXCEPTED]
        command = ["-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", folder, "-W", "ignore", "-q"]
        return int(pytest.main([*command, *deselected, *options, folder]))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))

"""What KerasTuner 1.4.8 keeps private and this package needs, in one place.

Each function names what it uses upstream and why nothing public serves. ``tests/strategies/test_internals.py`` fails
with a sentence when a new version moves one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras_tuner.engine import base_tuner
from keras_tuner.engine import trial as oracle_trials

__all__ = ["OVERRIDDEN", "add_trial", "keep_no_files", "reseed", "visit_all_branches"]

OVERRIDDEN = {
    "HyperParameters._retrieve": "returns the value of a hyperparameter: the place to see which were asked for",
    "Tuner._build_hypermodel": "builds the model of a trial: the place to load the rung below",
    "Tuner._build_and_fit_model": "trains one execution of a trial: the place where a repeat begins",
    "Tuner._run_and_update_trial": "runs a trial and scores what it returns: the place to see what that was",
    "Tuner._get_checkpoint_fname": "says where a trial's weights are kept",
    "Tuner._get_build_config_fname": "says where the shapes are kept with which a model was built",
}
"""Private methods that subclasses here override or call, each with what it does upstream."""


def add_trial(oracle: Any, hyperparameters: Any, values: Mapping[str, Any], name: str, status: str) -> Any:
    """Return a trial that an oracle takes for one of its own, so that it learns from it.

    Upstream: ``keras_tuner.engine.trial.Trial`` and ``Oracle.trials``. ``create_trial`` would choose the values itself.
    """
    hyperparameters.values = dict(values)
    oracle.trials[name] = oracle_trials.Trial(hyperparameters, trial_id=name, status=status)
    return oracle.trials[name]


def keep_no_files(oracle: Any) -> None:
    """Have an oracle write no files: its state is made anew from the record.

    Upstream: ``Oracle.save`` and ``Oracle._save_trial``, which ``create_trial`` and ``end_trial`` call.
    """
    oracle.save = oracle._save_trial = lambda *trial: None


def reseed(oracle: Any, seed: int) -> None:
    """Give an oracle that has proposed nothing yet another seed, as if it had been made with it.

    Upstream: ``Oracle.seed``, ``Oracle._seed_state``, and of the Gaussian process ``_random_state`` and ``_make_gpr``.
    """
    oracle.seed = oracle._seed_state = seed
    if hasattr(oracle, "_make_gpr"):
        oracle._random_state, oracle.gpr = np.random.RandomState(seed), oracle._make_gpr()


def visit_all_branches(tuner: Any) -> None:
    """Have a tuner's model built under every condition that its hyperparameters declare.

    Upstream: ``BaseTuner._activate_all_conditions``, which ``BaseTuner.__init__`` calls.

    Args:
        tuner: has ``oracle`` and ``hypermodel``; it need not be a whole one.
    """
    base_tuner.BaseTuner._activate_all_conditions(tuner)

"""Ask a ``build_model(hp)`` what it declares: ``python -m gridsearch.kerastuner.discovery MODULE:FUNCTION FOLDER``.

A process of its own, because the model must be built for it, and a process that plans does not wake TensorFlow. The
last line of its output is JSON: ``{"grids": [...]}`` as [hparams] of a sweep file would have them, ``{"grids": null}``
if the function is none of KerasTuner's, or ``{"problem": "..."}``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gridsearch.config.entry_points import load_entry_point
from gridsearch.hparams.domain import HParam
from gridsearch.hparams.tables import hparam_table
from gridsearch.kerastuner.domains import grids_from_space

__all__ = ["declare_grids"]


def declare_grids(build: Callable[..., Any]) -> list[list[HParam]]:
    """Return the HParams that a ``build_model(hp)`` declares in any of its conditional scopes.

    Raises:
        ValueError: names clash.
        Exception: whatever building the model raises.
    """
    import keras_tuner

    from gridsearch.strategies.kerastuner_internals import visit_all_branches
    from gridsearch.training.hyperparameters import Hyperparameters

    build(Hyperparameters())  # complains of names that clash
    oracle = keras_tuner.Oracle()
    half_a_tuner = SimpleNamespace(oracle=oracle, hypermodel=SimpleNamespace(build=build))
    visit_all_branches(half_a_tuner)
    return grids_from_space(oracle.get_space().space)


def main(name: str, folder: str) -> None:
    """Print what there is, as the module says."""
    try:
        from gridsearch.training.hyperparameters import takes_hp

        build = load_entry_point(name, Path(folder))
        found = [{h.name: hparam_table(h) for h in grid} for grid in declare_grids(build)] if takes_hp(build) else None
        answer: dict[str, Any] = {"grids": found}
    except Exception as error:
        answer = {"problem": f"{type(error).__name__}: {' '.join(str(error).split())}"}
    print("\n" + json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])

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
from typing import Any

from gridsearch.config.entry_points import load_entry_point
from gridsearch.hparams.domain import HParam
from gridsearch.hparams.tables import hparam_table
from gridsearch.kerastuner.domains import grids_from_space

__all__ = ["declare_grids"]


def declare_grids(build: Callable[[Any], Any]) -> list[list[HParam]]:
    """Return the HParams that a ``build_model(hp)`` asks for, whatever values they depend on.

    Raises:
        ValueError: names clash, or what is asked for cannot be found wholly.
        Exception: whatever building the model raises.
    """
    from gridsearch.kerastuner.branches import find_space, refuse_hidden_branches

    grids = grids_from_space(find_space(build))
    refuse_hidden_branches(build, grids)
    return grids


def main(name: str, folder: str) -> None:
    """Print what there is, as the module says."""
    try:
        from gridsearch.training.hp_builders import find_hp_builder

        build = find_hp_builder(load_entry_point(name, Path(folder)))
        found = [{h.name: hparam_table(h) for h in grid} for grid in declare_grids(build)] if build else None
        answer: dict[str, Any] = {"grids": found}
    except Exception as error:
        answer = {"problem": f"{type(error).__name__}: {' '.join(str(error).split())}"}
    print("\n" + json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])

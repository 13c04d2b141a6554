"""Ask a ``build_model(hp)`` for its HParams, where a sweep file has no [hparams]."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gridsearch.errors import SweepFileError

__all__ = ["add_declared_hparams"]


def add_declared_hparams(tables: Mapping[str, Any], where: str, folder: Path) -> dict[str, Any]:
    """Return the tables of a sweep file, with the [hparams] that its model declares if it has none of its own.

    Raises:
        SweepFileError: the model cannot be asked.
    """
    model = tables.get("model")
    build = model.get("build") if isinstance(model, Mapping) else None
    if "hparams" in tables or not isinstance(build, str) or build.count(":") != 1:
        return dict(tables)
    command = [sys.executable, "-m", "gridsearch.kerastuner.discovery", build, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        answer = {"problem": (done.stderr.strip().splitlines() or ["it died"])[-1]}
    if "problem" in answer:
        cure = "Declare [hparams] in the sweep file, or mend the function."
        raise SweepFileError(f"model.build = {build!r}: {answer['problem']}", where=where, cure=cure)
    grids = answer["grids"]
    return dict(tables) if not grids else {**tables, "hparams": grids[0] if len(grids) == 1 else grids}

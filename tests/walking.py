"""Follow one hyperparameter value through the package: which files are handed it on its way to the event file.

A sweep of one combination runs in this process, under a profiler that looks at the arguments of every function of the
package and at what it returns. A file counts when one of its functions is handed the value: itself, directly in a
mapping, list or tuple, in a domain, or as one of a trial's or a session's.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import gridsearch

__all__ = ["VALUE", "files_passed"]

VALUE = 0.000123456
SWEEP = """
[hparams]
learning_rate = {{ discrete = [{value}] }}
[model]
objective = "quick:train"
[sweep]
executor = "inline"
logdir = "{logdir}"
"""
OBJECTIVE = "def train(values, report):\n    return {'accuracy': values['learning_rate']}\n"
PACKAGE = Path(gridsearch.__file__).parent


def holds(thing: Any, depth: int = 6) -> bool:
    """Return whether this is the value, or something that hands it on."""
    if depth == 0 or isinstance(thing, str | bytes | int | type) or callable(thing):
        return False
    if isinstance(thing, float):
        return thing == VALUE
    if isinstance(thing, Mapping):
        return any(holds(item, depth - 1) for item in thing.values())
    if isinstance(thing, list | tuple):
        return any(holds(item, depth - 1) for item in thing)
    if type(thing).__module__.startswith("gridsearch"):
        handed = (getattr(thing, name, None) for name in ("session", "trial", "values", "domain", "hparams"))
        return any(holds(item, depth - 1) for item in handed)
    return False


def files_passed(folder: Path) -> dict[str, str]:
    """Run the sweep, and return the files that were handed the value: path in the package -> first function.

    Args:
        folder: where the sweep file and the log directory are made.
    """
    passed: dict[str, str] = {}

    def look(frame: FrameType, event: str, returned: Any) -> None:
        code = frame.f_code
        file = Path(code.co_filename)
        if event not in ("call", "return") or not file.is_relative_to(PACKAGE) or code.co_name.startswith("<"):
            return
        names = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        names -= {"self"} if code.co_name == "__init__" else set()  # nothing is in it yet
        if holds(returned) if event == "return" else any(holds(frame.f_locals.get(name)) for name in names):
            passed.setdefault(file.relative_to(PACKAGE).as_posix(), code.co_name)

    (folder / "quick.py").write_text(OBJECTIVE)
    (folder / "sweep.toml").write_text(SWEEP.format(value=VALUE, logdir=folder / "logs"))
    sys.setprofile(look)
    try:
        gridsearch.sweep(gridsearch.SweepConfig.load(folder / "sweep.toml"))
    finally:
        sys.setprofile(None)
    return passed

"""The files that one hyperparameter value passes from the sweep file to TensorBoard's event file.

A sweep of one combination runs in this process, under a profiler that looks at the arguments of every function of the
package. A file counts when one of its functions is handed the value: itself, directly in a mapping, list or tuple, as
one of a domain's values, or as one of a trial's or a session's.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import gridsearch

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


def holds(thing: Any) -> bool:
    """Return whether this is the value, or hands it on."""
    for step in ("session", "trial", "values"):  # of a session's record, of a session, of a trial
        if type(thing).__module__.startswith("gridsearch") and hasattr(thing, step) and not isinstance(thing, Mapping):
            thing = getattr(thing, step)
    if callable(thing):
        return False
    if isinstance(thing, Mapping):
        return any(_is_value(item) or _names_value(item) for item in thing.values())
    if isinstance(thing, list | tuple):
        return any(map(_is_value, thing))
    return _is_value(thing)


def _is_value(thing: Any) -> bool:
    return type(thing) is float and thing == VALUE


def _names_value(thing: Any) -> bool:
    """Return whether this is a table of the sweep file that declares the value."""
    return isinstance(thing, Mapping) and any(isinstance(item, list) and VALUE in item for item in thing.values())


def main() -> None:
    """Run the sweep and print the files in the order in which the value first reached them."""
    passed: dict[str, str] = {}

    def look(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        file = Path(code.co_filename)
        if event != "call" or not file.is_relative_to(PACKAGE) or code.co_name.startswith("<"):
            return
        names = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        names -= {"self"} if code.co_name == "__init__" else set()  # nothing is in it yet
        if any(holds(frame.f_locals.get(name)) for name in names):
            passed.setdefault(str(file.relative_to(PACKAGE)), code.co_name)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "quick.py").write_text(OBJECTIVE)
        (folder / "sweep.toml").write_text(SWEEP.format(value=VALUE, logdir=folder / "logs"))
        sys.setprofile(look)
        try:
            gridsearch.sweep(gridsearch.SweepConfig.load(folder / "sweep.toml"))
        finally:
            sys.setprofile(None)
    for place, (file, function) in enumerate(passed.items(), 1):
        print(f"{place:>3}  {file:34} {function}")


if __name__ == "__main__":
    main()

"""Find writers by name: entry points of one group, this package's own among them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from gridsearch.errors import SweepFileError
from gridsearch.hparams.key_errors import find_closest
from gridsearch.writers import SweepInfo, Writer

__all__ = ["GROUP", "backfill_command", "load_writer", "refuse_unknown"]

GROUP = "gridsearch.writers"

PACKAGES = {"wandb": ("wandb",), "mlflow": ("mlflow", "sqlalchemy")}
"""The packages that this project's writers import. The extra of the writer's name installs them."""


def refuse_unknown(names: Iterable[str], where: str = "sweep.writers") -> None:
    """Refuse unknown writers, and those whose package is not installed, before anything is trained.

    Raises:
        SweepFileError: no entry point has the name, or its extra is not installed.
    """
    known = entry_points(group=GROUP).names
    for name in names:
        if name not in known:
            close = find_closest(name, known)
            cure = (
                f"Did you mean {close!r}?" if close else f"The writers installed here are {', '.join(sorted(known))}."
            )
            raise SweepFileError(f"{name!r} is not a writer", where=where, cure=cure)
        if not all(find_spec(package) for package in PACKAGES.get(name, ())):
            cure = f"pip install 'gridsearch[{name}]'"
            raise SweepFileError(f"{name!r} needs a package that is not installed", where=where, cure=cure)


def backfill_command(name: str, logdir: Path) -> str:
    """Return how to write what a writer missed while it was switched off; empty if no command does."""
    command = f"`gridsearch {name} {shlex.quote(str(logdir))}` writes what it missed"
    return command if name in PACKAGES else ""


def load_writer(name: str) -> Callable[[SweepInfo], Writer]:
    """Return the function or class that makes the writer of this name."""
    (entry_point,) = entry_points(group=GROUP, name=name)
    return cast("Callable[[SweepInfo], Writer]", entry_point.load())

"""Collect what is kept with every session besides its seed and recipe: where its result comes from."""

from __future__ import annotations

import os
import platform
import subprocess
from typing import Any

from gridsearch import __version__
from gridsearch.errors import hide_passwords

__all__ = ["provenance"]

SECONDS = 5.0


def provenance(command: str) -> dict[str, Any]:
    """Return command line, working directory, its git commit and whether it was dirty, versions of the harness."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no") if commit else None
    return {
        "command": hide_passwords(command),
        "directory": os.getcwd(),
        "git_commit": commit,
        "git_dirty": None if changes is None else bool(changes),
        "gridsearch": __version__,
        "platform": platform.platform(),
    }


def _git(*arguments: str) -> str | None:
    """Return what git answers about the working directory, or None where there is no git or no repository."""
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()

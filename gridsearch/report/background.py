"""Write the report at the end of a sweep in a process of its own.

The runner stays as light as it was: what the analyses import is not for it. And whatever goes wrong with a report,
the sweep it tells of has ended well.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["write_report_in_background"]

SECONDS = 120.0
"""How long a report may take; 2,000 trials take 4."""


def write_report_in_background(logdir: Path, warn: Callable[[str], None]) -> None:
    """Write ``report.html`` into a log directory; if that fails, a line says so and that is all."""
    command = [sys.executable, "-m", "gridsearch", "report", str(logdir)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)
        problem = (
            (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1] if done.returncode else ""
        )
    except (OSError, subprocess.SubprocessError) as error:
        problem = str(error)
    if problem:
        warn(f"the report was not written ({problem}); `gridsearch report` tries again")

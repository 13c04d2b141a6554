"""Run the benchmarks named on the command line, or all."""

from __future__ import annotations

import platform
import sys
from importlib import import_module
from importlib.metadata import version

import psutil

BENCHMARKS = (
    "structure",
    "startup",
    "overhead",
    "grid",
    "pipeline",
    "memory",
    "report",
    "search",
    "writers",
    "sweep",
    "precision",
)


def main() -> None:
    """Say on what is measured, then measure."""
    memory = psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras", "tensorboard"))
    print(
        f"{psutil.cpu_count()} processors, {memory:.0f} GiB, {platform.machine()}, Python {platform.python_version()}"
    )
    print(packages)
    for name in sys.argv[1:] or BENCHMARKS:
        if name not in BENCHMARKS:
            sys.exit(f"there is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
        print(f"\n## {name}\n")
        import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()

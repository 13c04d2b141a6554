"""Sweeps under test, configured in a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gridsearch.config.sweep_config import SweepConfig

TESTS = Path(__file__).parent


def configured(
    logdir: Path, hparams: dict[str, Any], objective: str = "objectives:numbers", **tables: Any
) -> SweepConfig:
    """A sweep of a quick objective; further tables as keyword arguments."""
    sweep = {"logdir": str(logdir), "executor": "inline", **tables.pop("sweep", {})}
    all_tables = {"hparams": hparams, "model": {"objective": objective}, "sweep": sweep, **tables}
    return SweepConfig.validate_tables(all_tables, where="test", folder=TESTS)

"""Record what was trained elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from gridsearch.cli.commands.answer import Answer
from gridsearch.config.sweep_config import SweepConfig

__all__ = ["import_source"]


def import_source(
    source: str, config: SweepConfig | None, logdir: Path | None, metric: str | None, study: str | None
) -> Answer:
    """Record a KerasTuner project or an Optuna study."""
    from gridsearch.importing.records import import_into
    from gridsearch.importing.sources import read_source

    found = read_source(source, metric, study)
    imported = import_into(found, logdir, config)
    outside = f" ({imported.outside} outside the declared space)" if imported.outside else ""
    known = f", {imported.known} were known" if imported.known else ""
    text = f"imported {imported.imported} trials{outside}{known}, into {imported.logdir}"
    return Answer(asdict(imported), text)

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
    from gridsearch.importing.kerastuner import ORACLE, read_project
    from gridsearch.importing.records import import_into

    folder = Path(source)
    if folder.is_dir() or folder.name == ORACLE:
        found = read_project(folder.parent if folder.name == ORACLE else folder, metric)
    else:
        from gridsearch.importing.optuna import read_study
        from gridsearch.strategies.factory import make_or_refuse

        found = make_or_refuse("import", {}, lambda: read_study(source, study, metric))
    imported = import_into(found, logdir, config)
    outside = f" ({imported.outside} outside the declared space)" if imported.outside else ""
    known = f", {imported.known} were known" if imported.known else ""
    text = f"imported {imported.imported} trials{outside}{known}, into {imported.logdir}"
    return Answer(asdict(imported), text)

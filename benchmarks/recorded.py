"""Keep a sweep's record as a table that strategies can be tried on: ``python -m benchmarks.recorded LOGDIR > FILE``.

The table is JSON: ``hparams`` as the sweep file declares them, ``objective``, ``provenance`` (recipe, versions,
times), ``sessions`` and ``history`` as `gridsearch export --format json`, without and with `--history`, print them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gridsearch.hparams.combination import Combination, combination_id
from gridsearch.hparams.domain import HParam
from gridsearch.hparams.tables import parse_grids
from gridsearch.record.reader import Record
from gridsearch.report.export import FIRST, as_json, history, sessions
from gridsearch.trials import Objective

__all__ = ["Table", "kept", "load"]


OF_THE_MACHINE = ("pid", "boot", "command", "host", "directory")
"""Facts of a session that say nothing about its result."""


@dataclass(frozen=True)
class Table:
    """What is recorded of every combination of a grid."""

    hparams: tuple[HParam, ...]
    objective: Objective
    curves: dict[str, list[float]]
    """By a combination's id its objective after each epoch."""

    def curve(self, values: Combination) -> Sequence[float]:
        """The objective of a combination after each epoch."""
        return self.curves[combination_id(values)]

    @property
    def epochs(self) -> int:
        """Of each combination."""
        return max(map(len, self.curves.values()))

    @property
    def best(self) -> float:
        """The best objective that a combination came to in the end."""
        return max((curve[-1] for curve in self.curves.values()), key=lambda v: v if self.objective.maximize else -v)


def kept(logdir: Path) -> dict[str, Any]:
    """A logdir's record as the table that ``load`` reads."""
    record = Record.read(logdir)
    first = next(s for s in record.sessions if s.status.has_result)
    facts = {key: value for key, value in first.outcome.facts.items() if key not in OF_THE_MACHINE}
    return {
        "provenance": {
            "recipe": dict(record.recipe),
            "facts of the first session": facts,
            "began": min(session.began for session in record.sessions),
            "ended": max(session.ended or 0.0 for session in record.sessions),
        },
        "hparams": record.tables["hparams"],
        "objective": asdict(record.objective),
        "sessions": json.loads(as_json(sessions(record))),
        "history": json.loads(as_json(history(record))),
    }


def load(file: Path) -> Table:
    """Read a table; of each combination, the session that has a result."""
    table = json.loads(file.read_text(encoding="utf-8"))
    (hparams,) = parse_grids(table["hparams"])
    objective = Objective(**table["objective"])
    counted = {row["session"]: row for row in table["sessions"] if row["status"] == "completed"}
    curves: dict[str, list[float]] = {}
    for row in table["history"]:
        if row["session"] in counted:
            names = [h.name if h.name not in FIRST else f"hparam.{h.name}" for h in hparams]
            values = {h.name: h.domain.cast(row[name]) for h, name in zip(hparams, names, strict=True)}
            metrics = {name.removeprefix("metric."): value for name, value in row.items() if name not in names}
            value = objective.of(metrics)
            curves.setdefault(combination_id(values), []).append(float("nan") if value is None else value)
    return Table(hparams, objective, curves)


if __name__ == "__main__":
    json.dump(kept(Path(sys.argv[1])), sys.stdout, indent=1)

"""The example that sets up a report on W&B, as far as it goes without being online."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sweeps import TESTS, configured

from gridsearch.runner.sweep import sweep

PANELS = """
import json, sys
from pathlib import Path
from wandb_report import report
from wandb_workspaces import expr
from gridsearch.record.reader import Record
made = report(Record.read(Path(sys.argv[1])), "cats", "us")
grid = made.blocks[2]
panels = [json.loads(panel._to_model().model_dump_json(by_alias=True, exclude_none=True)) for panel in grid.panels]
print(json.dumps([made.title, panels, json.loads(expr.expr_to_filters(grid.runsets[0].filters).model_dump_json())]))
"""


@pytest.mark.slow
def test_the_reports_panels_ask_for_the_names_that_the_runs_have(logdir: Path) -> None:
    identity = sweep(configured(logdir, {"x": {"discrete": [0.25, 0.5]}})).record.identity
    path = os.pathsep.join([str(TESTS.parent / "examples"), str(TESTS)])
    done = subprocess.run([sys.executable, "-c", PANELS, str(logdir)], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": path}, timeout=120)  # fmt: skip
    title, (parallel, importance, *curves), runs = json.loads(done.stdout)
    group = f"sweep-{identity[:8]}"
    assert title == f"Sweep {group}"
    assert parallel["viewType"] == "Parallel Coordinates Plot"
    columns = [column["accessor"] for column in parallel["config"]["columns"]]
    assert columns == ["config:x.value", "summary:best_accuracy", "summary:accuracy"]
    assert (importance["viewType"], importance["config"]["targetKey"]) == ("Parameter Importance", "accuracy")
    assert [(curve["config"]["xAxis"], curve["config"]["metrics"]) for curve in curves] == [
        ("epoch", ["accuracy"]),
        ("epoch", ["loss"]),
    ]
    assert (runs["key"]["name"], runs["value"]) == ("group", group)

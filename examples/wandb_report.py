"""A report on W&B with parallel coordinates, importance and curves of a sweep, by W&B's own API.

    pip install 'gridsearch[wandb]'
    gridsearch wandb logs/logistic && wandb sync logs/logistic/wandb/offline-run-*
    python examples/wandb_report.py logs/logistic --project gridsearch

Once the runs are online; it prints the report's address. With --entity for another user or team than your own.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import wandb_workspaces.reports.v2 as wr

from gridsearch.record.reader import Record
from gridsearch.writers import describe_sweep


def report(record: Record, project: str, entity: str) -> wr.Report:
    """The report, not yet saved: names are those of the record, which the runs have, too."""
    metric, losses = record.objective.metric, ["val_loss"] if record.objective.with_loss else []
    curves = [f"val_{metric}", *losses] if record.objective.with_loss else [metric, "loss"]
    hparams: list[Any] = [wr.Config(hparam.name) for hparam in record.hparams]
    results: list[Any] = [wr.SummaryMetric(f"best_{metric}"), wr.SummaryMetric(metric)]
    columns = [wr.ParallelCoordinatesPlotColumn(metric=column) for column in [*hparams, *results]]
    group = describe_sweep(record, "wandb").name
    runs = wr.Runset(project=project, entity=entity, name=group, filters=f"Metric('Group') == '{group}'")
    panels = [
        wr.ParallelCoordinatesPlot(columns=columns, title="Every trial", layout=wr.Layout(w=24, h=10)),
        wr.ParameterImportancePlot(with_respect_to=metric, layout=wr.Layout(w=24, h=8)),
        *(wr.LinePlot(x="epoch", y=[curve], title=curve, layout=wr.Layout(w=12, h=8)) for curve in curves),
    ]
    text = wr.P(f"{len(record.trials)} trials of {record.logdir.name}; the objective is {metric}.")
    blocks = [wr.H1("What was tried, and what came of it"), text, wr.PanelGrid(runsets=[runs], panels=panels)]
    return wr.Report(project=project, entity=entity, title=f"Sweep {group}", blocks=blocks)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Set up a W&B report of a sweep.")
    parser.add_argument("logdir", type=Path)
    parser.add_argument("--project", default="gridsearch")
    parser.add_argument("--entity", help="default: yours")
    asked = parser.parse_args()
    if asked.entity is None:
        import wandb

        asked.entity = wandb.Api().default_entity
    made = report(Record.read(asked.logdir), asked.project, asked.entity)
    made.save()
    print(made.url)

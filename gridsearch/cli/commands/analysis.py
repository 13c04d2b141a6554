"""Say why the winner won: importance, and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gridsearch.cli.commands.answer import Answer
from gridsearch.errors import UserError
from gridsearch.record.reader import Record, read_epochs
from gridsearch.report.analysis.correlation import correlation
from gridsearch.report.analysis.importance import Importance
from gridsearch.report.analysis.importance import importance as important
from gridsearch.report.analysis.table import tabulate
from gridsearch.report.analysis.variance import Variance, VarianceSource, separation, variance
from gridsearch.report.text import align_columns, format_value

__all__ = ["importance", "report"]

LEAST_SHARE = 0.0005
"""Effects below this share of the variance are not listed for people: twelve HParams have 66 pairs."""


def importance(logdir: Path, metric: str | None) -> Answer:
    """Return importance, correlation and, where the grid is complete, the analysis of variance."""
    record = Record.read(logdir)
    table = tabulate(record, metric or record.objective.metric)
    found, linear = important(table), correlation(table)
    try:
        analysed: Variance | None = variance(table)
        refused = ""
    except UserError as error:
        analysed, refused = None, str(error)
    winner = separation(record)
    data = {
        **asdict(found),
        "correlation": linear,
        "variance": analysed.as_facts() if analysed else None,
        "refused": refused or None,
        "winner": asdict(winner) if winner else None,
    }
    lines = [
        f"{table.metric} over {table.n} trials: {found.method}",
        _importance_table(found, linear),
        *(f"{format_value(name)} is left out: some of the trials have no value of it" for name in found.left_out),
        "",
        _variance_table(analysed) if analysed else f"no analysis of variance: {refused}",
        *([winner.sentence] if winner else []),
    ]
    return Answer(data, "\n".join(lines))


def report(logdir: Path, out: Path | None, figures: Path | None) -> Answer:
    """Write the report, and its figures if they are asked for; return the files."""
    from gridsearch.report.facts import collect_facts
    from gridsearch.report.page import write_report

    record = Record.read(logdir)
    facts = collect_facts(record, read_epochs(logdir))
    written = [write_report(record, out, facts)]
    if figures is not None:
        from gridsearch.report.figures import write_figures

        written += write_figures(facts, figures)
    names = [str(file) for file in written]
    return Answer({"written": names}, "\n".join(names))


def _importance_table(found: Importance, linear: Mapping[str, Any]) -> str:
    rows = [[format_value(name), f"{share:.4f}", _in_words(linear[name])] for name, share in found.shares.items()]
    return align_columns(["hparam", "importance", "correlation"], rows)


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{format_value(level)} {_in_words(each)}" for level, each in value.items())
    return "-" if value is None else f"{value:+.3f}"


def _variance_table(found: Variance) -> str:
    listed = [source for source in found.effects if len(source.names) == 1 or source.share >= LEAST_SHARE]
    listed.sort(key=lambda source: -source.share)
    rows = [_row(" x ".join(map(format_value, source.names)), source) for source in listed]
    rows += [_row("three and more together", found.higher)] if found.higher.degrees else []
    rows += [_row("repeats (error)", found.error)] if found.error.degrees else []
    return align_columns(["source of variance", "share %", "df", "F", "p"], rows)


def _row(name: str, source: VarianceSource) -> list[str]:
    f, p = (f"{x:.3g}" if x is not None else "" for x in (source.f, source.p))
    return [name, f"{100 * source.share:.1f}", str(source.degrees), f, p]

"""Format tables and values as plain text: the same on terminals, in files and in pipes, one line a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gridsearch.hparams.combination import Combination
from gridsearch.record.reader import Record
from gridsearch.trials import Status, TrialRecord

__all__ = [
    "align_columns",
    "describe_kept_model",
    "format_apart",
    "format_duration",
    "format_leaderboard",
    "format_metric",
    "format_value",
    "format_values",
]


def format_value(value: object) -> str:
    """Return a value as one line of printable text: control characters escaped, floats as Python writes them."""
    text = value if isinstance(value, str) else repr(value) if isinstance(value, float) else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def format_values(values: Combination) -> str:
    """Return ``num_units=256 dropout=0.1``."""
    return " ".join(f"{format_value(name)}={format_value(value)}" for name, value in values.items())


def format_metric(value: float | None) -> str:
    """Return a metric with four decimals; with more digits or a power of ten where these say too little."""
    if value is None:
        return "no value"
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.4f}"
    return f"{value:.4g}" if abs(value) < 1 else f"{value:.10g}"


def format_apart(values: Iterable[float]) -> dict[float, str]:
    """Return metrics as ``format_metric`` does, with as many digits as tell unequal ones apart."""
    different = list(dict.fromkeys(values))
    texts = [format_metric(value) for value in different]
    for digits in range(5, 18):
        if len(set(texts)) == len(texts):
            break
        texts = [f"{value:.{digits}g}" if digits < 17 else repr(value) for value in different]
    return dict(zip(different, texts, strict=True))


def format_duration(seconds: float) -> str:
    """Return ``42 s``, ``3 min 05 s``, ``2 h 07 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def align_columns(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return columns as wide as their widest cell, two spaces apart; numbers to the right."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    numeric = [all(_is_number(row[column]) for row in cells[1:]) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    )


def _is_number(text: str) -> bool:
    return text in ("", "-") or text.translate({ord(mark): None for mark in "+-.e±"}).isdigit()


def format_leaderboard(record: Record, top: int | None = None) -> str:
    """Return the trials, best first: objective, its best epoch, loss, time, values; repeats as mean ± deviation."""
    trials = record.ranked()[:top]
    names = list(dict.fromkeys(name for trial in trials for name in trial.trial.values))
    columns = [column for column in record.columns if any(t.values_of(column) for t in trials)]
    texts = {column: format_apart(v for t in trials if (v := t.mean(column)) is not None) for column in columns}
    repeated = any(len(trial.results) > 1 for trial in trials)
    header = ["trial", *(["n"] if repeated else []), *columns, *(format_value(name) for name in names)]
    rows = [
        [
            trial.trial.name + ("" if trial.status is Status.COMPLETED else f" ({trial.status})"),
            *([str(len(trial.results))] if repeated else []),
            *(_metric(trial, column, texts[column]) for column in columns),
            *(format_value(trial.trial.values.get(name, "-")) for name in names),
        ]
        for trial in trials
    ]
    return align_columns(header, rows) if rows else "no trial has a result yet"


def describe_kept_model(record: Record, top: int | None = None) -> str:
    """Return whose model was kept and how good it is: it is that of the last epoch, not of the best; "" without one."""
    metric = record.objective.metric
    for trial in record.ranked()[:top]:
        for session in trial.results:
            file = record.logdir / "models" / f"{session.name}.keras"
            if file.is_file():
                metrics = session.outcome.metrics
                last, best = metrics.get(metric), metrics.get(f"best_{metric}")
                line = f"models/{file.name} is the model after the last epoch: {metric} {format_metric(last)}"
                if best is None or best == last:
                    return line
                epoch = int(metrics.get("best_epoch", 0))
                return f"{line} (best_{metric} {format_metric(best)} was in epoch {epoch}, whose model was not kept)"
    return ""


def _metric(trial: TrialRecord, column: str, texts: Mapping[float, str]) -> str:
    mean, deviation = trial.mean(column), trial.deviation(column)
    if mean is None:
        return "-"
    digits = {"seconds": 1, "best_epoch": 0 if mean == int(mean) else 1}.get(column)
    mean_text, *spread = (
        texts.get(value, format_metric(value)) if digits is None else f"{value:.{digits}f}"
        for value in (mean, deviation)
        if value is not None
    )
    return "±".join([mean_text, *spread])

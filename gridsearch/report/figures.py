"""Draw the report's figures as PNG and SVG with matplotlib, from the same facts as the page.

    parallel, importance, effects, interaction, curves, time        one PNG and one SVG of each that there is data for

Only this module imports matplotlib, through its objects and not pyplot, which keeps a global state.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gridsearch.errors import UserError
from gridsearch.report.facts import Facts
from gridsearch.report.text import format_value
from gridsearch.system.files import explain_os_errors

try:
    from matplotlib import colormaps, rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ModuleNotFoundError:
    cure = "Install it: pip install 'gridsearch[figures]'; report.html shows the same without."
    raise UserError("matplotlib is not installed", where="--figures", cure=cure) from None

__all__ = ["write_figures"]

STYLE: Any = {
    "text.parse_math": False,  # a dollar in a name is a dollar
    "svg.hashsalt": "gridsearch",  # the same facts, the same file
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.dpi": 160,
}

LONGEST, LONGEST_TICK = 24, 13
"""Characters of a name that a figure shows, and of a value on an axis."""

BEST = 5
"""Curves in colour."""

MOST_TICKS = 15


def write_figures(facts: Facts, folder: Path, metric: str | None = None) -> list[Path]:
    """Write every figure that there is data for.

    Args:
        facts: as ``facts_of`` gives them.
        folder: made if it is missing.
        metric: what they are about; the objective if not given.

    Returns:
        The files, a PNG and an SVG for each figure.

    Raises:
        LogdirError: the folder cannot be written.
    """
    metric = metric or str(facts["objective"]["metric"])
    written = []
    with explain_os_errors(folder), rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # an emoji that the font does not have
        folder.mkdir(parents=True, exist_ok=True)
        for name, draw in FIGURES.items():
            figure = draw(facts, metric)
            if figure is not None:
                for kind in ("png", "svg"):
                    file = folder / f"{name}.{kind}"
                    figure.savefig(file, bbox_inches="tight", metadata={"Date": None} if kind == "svg" else None)
                    written.append(file)
    return written


def _short(text: object, most: int = LONGEST) -> str:
    line = format_value(text)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _strengths(facts: Facts, metric: str) -> list[float | None]:
    """Return 0 for the worst value of the metric, 1 for the best, None where there is none."""
    values = facts["trials"]["mean"].get(metric, [])
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    up = [None if v is None else (v - low) / (high - low) if high > low else 1.0 for v in values]
    return [None if s is None else 1 - s for s in up] if metric in facts["lower"] else up


def _parallel(facts: Facts, metric: str) -> Figure | None:
    means = facts["trials"]["mean"].get(metric)
    if not means:
        return None
    columns = [_axis(facts, i) for i in range(len(facts["hparams"]))]
    known = sorted({value for value in means if value is not None})
    scale = _scale(known[0], known[-1], log=False)
    columns.append(
        (
            [None if v is None else scale(v) for v in means],
            [(scale(v), f"{v:.4g}") for v in (known[0], known[-1])],
            metric,
        )
    )
    figure = Figure(figsize=(max(6.0, 1.3 * len(columns)), 4))
    axes = figure.subplots()
    strengths = _strengths(facts, metric)
    alpha = max(0.15, min(0.9, 60 / len(means)))
    order = sorted(enumerate(strengths), key=lambda pair: -1.0 if pair[1] is None else pair[1])
    for trial, strength in order:  # the best last, on top
        heights = [-0.12 if (place := places[trial]) is None else place for places, _, _ in columns]
        look: dict[str, Any] = {"color": "#b3261e", "linestyle": "--", "linewidth": 0.8}
        if strength is not None:
            look = {"color": colormaps["viridis_r"](strength), "linewidth": 1.1, "alpha": alpha}
        axes.plot(range(len(columns)), heights, **look)
    for at, (_, ticks, name) in enumerate(columns):
        axes.axvline(at, color="black", linewidth=0.8)
        for place, label in ticks[:: math.ceil(len(ticks) / MOST_TICKS)]:
            axes.annotate(
                _short(label, LONGEST_TICK), (at, place), (3, 0), textcoords="offset points", va="center", fontsize=7
            )
        axes.annotate(
            _short(name), (at, 1.0), (0, 8 + 11 * (at % 2)), textcoords="offset points", ha="center", weight="bold"
        )
    if None in means:
        axes.annotate(
            "no value", (len(columns) - 1, -0.12), (3, 0), textcoords="offset points", style="italic", fontsize=7
        )
    axes.set_axis_off()
    return figure


def _axis(facts: Facts, i: int) -> tuple[list[float | None], list[tuple[float, str]], str]:
    """Return an HParam's axis: where each trial lies from 0 to 1, the ticks, the name."""
    hparam, levels = facts["hparams"][i], facts["trials"]["levels"][i]
    if hparam["category"]:
        last = max(1, len(hparam["levels"]) - 1)
        at = [1 - n / last for n in range(len(hparam["levels"]))] if len(hparam["levels"]) > 1 else [0.5]
        ticks = list(zip(at, hparam["levels"], strict=True))
        return [None if level is None else at[level] for level in levels], ticks, hparam["name"]
    values = facts["trials"]["values"][i]
    tried = sorted({value for value in values if value is not None})
    scale = _scale(tried[0], tried[-1], log=hparam["log"]) if tried else _scale(0.0, 1.0, log=False)
    title = f"{hparam['name']} (log)" if hparam["log"] else hparam["name"]
    return [None if v is None else scale(v) for v in values], [(scale(v), f"{v:.4g}") for v in tried], title


def _scale(low: float, high: float, *, log: bool) -> Callable[[float], float]:
    to: Callable[[float], float] = math.log if log else float
    return lambda value: (to(value) - to(low)) / (to(high) - to(low)) if high > low else 0.5


def _importance(facts: Facts, metric: str) -> Figure | None:
    found = facts["analysis"].get(metric, {}).get("importance", {}).get("found")
    if not found:
        return None
    names = list(found)[::-1]
    figure = Figure(figsize=(6, 0.8 + 0.3 * len(names)))
    axes = figure.subplots()
    axes.barh(range(len(names)), [found[name] for name in names], color="#1f5fa8")
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_xlabel(f"importance for {_short(metric)}, n = {facts['analysis'][metric]['n']}")
    return figure


def _effects(facts: Facts, metric: str) -> Figure | None:
    found = facts["analysis"].get(metric, {}).get("effects")
    if not found:
        return None
    across = min(4, len(found))
    down = math.ceil(len(found) / across)
    figure = Figure(figsize=(2.8 * across, 2.4 * down), layout="constrained")
    grid = figure.subplots(down, across, sharey=True, squeeze=False)
    for axes, effect in zip(grid.flat, found, strict=False):
        levels = effect["levels"]
        axes.errorbar(
            range(len(levels)),
            [level["mean"] for level in levels],
            [level["deviation"] or 0.0 for level in levels],
            fmt="o-",
            color="#1f5fa8",
            ecolor="#9dbbe0",
        )
        turned = {"rotation": 40, "ha": "right"} if sum(len(level["label"]) for level in levels) > 16 else {}
        axes.set_xticks(range(len(levels)), [_short(level["label"], LONGEST_TICK) for level in levels], **turned)
        axes.set_title(_short(effect["name"]), fontsize=9)
        axes.margins(x=0.15)
    for axes in list(grid.flat)[len(found) :]:
        axes.set_axis_off()
    figure.supylabel(_short(metric))
    return figure


def _interaction(facts: Facts, metric: str) -> Figure | None:
    """Return the pair that explains most where that is known, else the two most important HParams."""
    names = [hparam["name"] for hparam in facts["hparams"]]
    analysed = facts["analysis"].get(metric, {})
    variance = analysed.get("variance", {}).get("found")
    pairs = [effect for effect in variance["effects"] if len(effect["names"]) == 2] if variance else []
    important = list(analysed.get("importance", {}).get("found") or ())
    pair = max(pairs, key=lambda effect: effect["share"])["names"] if pairs else important[:2]
    if len(pair) < 2:
        return None
    a, b = (names.index(name) for name in pair)
    rows, columns = facts["hparams"][a]["levels"], facts["hparams"][b]["levels"]
    cells: dict[tuple[int, int], list[float]] = {}
    for i, j, value in zip(
        facts["trials"]["levels"][a], facts["trials"]["levels"][b], facts["trials"]["mean"][metric], strict=True
    ):
        if value is not None and i is not None and j is not None:
            cells.setdefault((i, j), []).append(value)
    means = [[_mean(cells.get((i, j), ())) for j in range(len(columns))] for i in range(len(rows))]
    figure = Figure(figsize=(1.8 + 0.8 * len(columns), 1.2 + 0.45 * len(rows)))
    axes = figure.subplots()
    shown = axes.imshow(means, cmap="viridis" if metric in facts["lower"] else "viridis_r", aspect="auto")
    for i, row in enumerate(means):
        for j, mean in enumerate(row):
            if not math.isnan(mean):
                axes.text(j, i, f"{mean:.4g}", ha="center", va="center", fontsize=7, color=_legible(shown, mean))
    axes.set_xticks(range(len(columns)), [_short(label, LONGEST_TICK) for label in columns], rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), [_short(label) for label in rows])
    axes.set_xlabel(_short(names[b]))
    axes.set_ylabel(_short(names[a]))
    axes.set_title(f"mean {_short(metric)}", fontsize=9)
    return figure


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _legible(shown: Any, value: float) -> str:
    red, green, blue, _ = shown.cmap(shown.norm(value))
    return "white" if 0.3 * red + 0.6 * green + 0.1 * blue < 0.55 else "black"


def _curves(facts: Facts, metric: str) -> Figure | None:
    names, sessions = facts["curves"]["metrics"], facts["curves"]["sessions"]
    if not names:
        return None
    figure = Figure(figsize=(7, 4))
    axes, best = figure.subplots(), facts["ranked"][:BEST]
    faint = max(0.1, min(0.6, 40 / len(sessions)))
    for curve in sorted(sessions, key=lambda c: best.index(c["trial"]) + 1 if c["trial"] in best else 0):
        points = [math.nan if v is None else v for v in curve["points"][names[0]]]
        if curve["trial"] in best:
            at = best.index(curve["trial"])
            axes.plot(curve["epochs"], points, color=f"C{at}", linewidth=1.8, label=f"{at + 1}. {curve['name']}")
        else:
            axes.plot(curve["epochs"], points, color="#5c6672", linewidth=0.7, alpha=faint)
    axes.set_xlabel("epoch")
    axes.set_ylabel(_short(names[0]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if best:
        axes.legend(frameon=False, fontsize=7)
    return figure


def _time(facts: Facts, metric: str) -> Figure | None:
    means = facts["trials"]["mean"]
    if metric == "seconds" or "seconds" not in means or metric not in means:
        return None
    points = [(s, v) for s, v in zip(means["seconds"], means[metric], strict=True) if s is not None and v is not None]
    if not points:
        return None
    figure = Figure(figsize=(6, 4))
    axes: Axes = figure.subplots()
    axes.plot(*zip(*points, strict=True), "o", markersize=3, color="#1f5fa8", alpha=0.7)
    front = [(means["seconds"][t], means[metric][t]) for t in facts["front"][metric]]
    axes.step(*zip(*front, strict=True), where="post", color="black", linestyle="--", linewidth=1)
    axes.set_xlabel("seconds of a trial")
    axes.set_ylabel(_short(metric))
    return figure


FIGURES: dict[str, Callable[[Facts, str], Figure | None]] = {
    "parallel": _parallel,
    "importance": _importance,
    "effects": _effects,
    "interaction": _interaction,
    "curves": _curves,
    "time": _time,
}

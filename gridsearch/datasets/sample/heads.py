"""Draw heads, whose shape tells cats from dogs.

Pointed ears, slit pupils, a small muzzle and long whiskers against hanging or folded ears, round eyes under brows and
a broad muzzle with a big nose. Heads are drawn around (0, 0), about one unit to each side.
"""

from __future__ import annotations

import numpy as np

from gridsearch.datasets.sample.brush import INK, Brush
from gridsearch.datasets.sample.coats import Kind, mix
from gridsearch.datasets.sample.outlines import curve, mirror, oval, shift_sideways

__all__ = ["draw_head"]


def draw_head(brush: Brush, kind: Kind) -> None:
    """Draw the head of one `kind`, turned a little to either side."""
    turn = float(brush.rng.uniform(-0.14, 0.14))
    if kind == "cat":
        _draw_cat_head(brush, turn)
    else:
        _draw_dog_head(brush, turn)


def _draw_cat_head(brush: Brush, turn: float) -> None:
    rng = brush.rng
    height = rng.uniform(1.25, 1.55)
    for side in (-1, 1):
        tip = ((0.97, -0.7), (0.9, -height), (0.84, -height), (0.45, -0.95))
        ear = curve((0.95, -0.1), *tip, (0.15, -0.6)) * (side, 1)
        brush.fur(ear, 0.95)
        brush.flat((ear - ear.mean(axis=0)) * (0.55, 0.6) + ear.mean(axis=0) + (0, -0.02), brush.coat.skin)
    cheek = rng.uniform(1.0, 1.14)
    brush.fur(
        mirror((0, -0.78), (0.55, -0.7), (0.92, -0.25), (cheek, 0.25), (0.75, 0.62), (0.35, 0.8), (0, 0.84)),
        1.0,
        0.025,
    )
    if brush.coat.stripes:
        for x, lean in ((-0.22, -0.06), (0.0, 0.0), (0.22, 0.06)):
            brush.line(np.array([[x + lean, -0.72], [x + turn, -0.4]]), brush.coat.dark, 0.08)
        for side in (-1, 1):
            for y in (0.1, 0.3):
                brush.line(np.array([[side * 0.98, y - 0.05], [side * 0.7, y]]), brush.coat.dark, 0.07)
    for side in (-1, 1):
        _draw_cat_eye(brush, turn + side * 0.41, side)
    _draw_cat_muzzle(brush, turn * 1.3)


def _draw_cat_eye(brush: Brush, x: float, side: int) -> None:
    coat = brush.coat
    brush.flat(oval(x, -0.07, 0.25, 0.21, side * -0.25), INK)
    brush.flat(oval(x, -0.07, 0.21, 0.175, side * -0.25), coat.eyes)
    brush.flat(oval(x, -0.07, coat.pupil, 0.165), (12, 12, 14))
    brush.flat(oval(x - 0.06, -0.14, 0.045, 0.045), (250, 250, 250))


def _draw_cat_muzzle(brush: Brush, x: float) -> None:
    rng = brush.rng
    brush.pale(oval(x, 0.52, 0.2, 0.17))
    for side in (-1, 1):
        brush.pale(oval(x + side * 0.17, 0.37, 0.23, 0.18))
    brush.flat(curve((x - 0.13, 0.18), (x, 0.16), (x + 0.13, 0.18), (x, 0.32)), brush.coat.nose)
    for side in (-1, 1):
        brush.line(curve((x, 0.3), (x + side * 0.1, 0.45), (x + side * 0.24, 0.41), closed=False), INK, 0.03)
        for whisker in range(3):
            droop = 0.12 + 0.22 * whisker + float(rng.normal(0, 0.04))
            path = curve(
                (x + side * 0.2, 0.36 + 0.05 * whisker),
                (x + side * 0.75, 0.25 + droop * 0.7),
                (x + side * 1.4, 0.12 + droop * 1.2),
                closed=False,
            )
            brush.line(path, brush.coat.whiskers, 0.018)


def _draw_dog_head(brush: Brush, turn: float) -> None:
    rng = brush.rng
    jowl = rng.uniform(0.55, 0.72)
    brush.fur(mirror((0, -0.97), (0.5, -0.84), (0.82, -0.4), (0.8, 0.1), (jowl, 0.6), (0.4, 0.92), (0, 1.0)), 1.0, 0.03)
    if brush.coat.blaze:
        brush.pale(shift_sideways(mirror((0, -0.8), (0.14, -0.5), (0.16, 0.1), (0, 0.5)), turn))
    _draw_dog_ears(brush)
    if brush.coat.eye_patch:
        brush.flat(oval(turn + 0.37, -0.14, 0.28, 0.32), brush.coat.dark)
    for side in (-1, 1):
        x = turn + side * 0.37
        brush.flat(oval(x, -0.13, 0.16, 0.165), INK)
        brush.flat(oval(x, -0.13, 0.125, 0.13), brush.coat.eyes)
        brush.flat(oval(x, -0.13, 0.075, 0.08), (14, 10, 10))
        brush.flat(oval(x - 0.04, -0.19, 0.045, 0.045), (250, 250, 250))
        brush.line(curve((x - 0.13, -0.38), (x, -0.44), (x + 0.13, -0.38), closed=False), brush.coat.shadow, 0.05)
    _draw_dog_muzzle(brush, turn * 1.4)


def _draw_dog_ears(brush: Brush) -> None:
    rng = brush.rng
    folded, length, spread = rng.random() < 0.2, rng.uniform(0.9, 1.35), rng.uniform(0.95, 1.15)
    for side in (-1, 1):
        if folded:
            ear = curve((0.3, -0.8), (0.6, -1.1), (0.98, -1.05), (1.2, -0.55), (1.12, -0.3), (0.85, -0.5), (0.6, -0.62))
        else:
            ear = curve((0.42, -0.82), (0.85, -0.8), (1.15, -0.3), (1.22, 0.35), (1.0, 0.62), (0.8, 0.4), (0.72, -0.2))
            ear = (ear - (0.42, -0.82)) * (spread, length) + (0.42, -0.82)
        brush.fur(ear * (side, 1), 0.72, 0.03)


def _draw_dog_muzzle(brush: Brush, x: float) -> None:
    rng = brush.rng
    width = rng.uniform(0.42, 0.55)
    if rng.random() < 0.55:
        brush.flat(shift_sideways(mirror((0, 0.68), (0.15, 0.72), (0.17, 1.0), (0, 1.12)), x), (222, 108, 118))
        brush.line(np.array([[x, 0.72], [x, 0.98]]), (180, 76, 90), 0.03)
    brush.pale(shift_sideways(mirror((0, 0.08), (0.3, 0.15), (width, 0.48), (0.3, 0.76), (0, 0.74)), x))
    brush.flat(shift_sideways(mirror((0, 0.1), (0.16, 0.11), (0.21, 0.2), (0.08, 0.34), (0, 0.36)), x), brush.coat.nose)
    brush.flat(oval(x - 0.06, 0.17, 0.06, 0.03), mix(brush.coat.nose, (255, 255, 255), 0.5))
    for side in (-1, 1):
        brush.line(curve((x, 0.34), (x + side * 0.1, 0.58), (x + side * 0.34, 0.48), closed=False), INK, 0.035)

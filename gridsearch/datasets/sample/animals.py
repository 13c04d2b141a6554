"""Draw whole animals in four poses: only the head, sitting, standing, lying."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from gridsearch.datasets.sample.brush import INK, Brush
from gridsearch.datasets.sample.coats import Coat, Kind
from gridsearch.datasets.sample.heads import draw_head
from gridsearch.datasets.sample.outlines import Frame, curve, limb, mirror, oval

__all__ = ["POSES", "Pose", "draw_animal"]

Pose = Literal["head", "sitting", "standing", "lying"]
POSES: tuple[Pose, ...] = ("head", "sitting", "standing", "lying")


def draw_animal(
    picture: Image.Image, kind: Kind, pose: Pose, coat: Coat, frame: Frame, rng: np.random.Generator
) -> None:
    """Draw one `kind` in `pose` on `picture`; `frame` sits at the middle of its head, or of its body if standing."""
    brush = Brush(picture, coat, frame, rng)
    if pose == "head":
        _draw_shoulders(brush, kind)
        draw_head(brush, kind)
    elif pose == "sitting":
        _draw_sitting(brush, kind)
    elif pose == "standing":
        _draw_standing(brush.on(frame.moved(0.3, 0)), kind)
    else:
        _draw_lying(brush, kind)


def _draw_tilted_head(brush: Brush, kind: Kind, x: float, y: float, scale: float) -> None:
    draw_head(brush.on(brush.frame.moved(x, y, scale, float(brush.rng.normal(0, 0.12)))), kind)


def _draw_shoulders(brush: Brush, kind: Kind) -> None:
    width = brush.rng.uniform(0.9, 1.3) * (1.0 if kind == "cat" else 1.1)
    brush.fur(mirror((0, 0.3), (0.5 * width, 0.7), (width, 1.5), (1.3 * width, 3.4), (0, 3.6)), 0.9, 0.04)
    if brush.coat.bib:
        brush.pale(mirror((0, 0.8), (0.4, 1.1), (0.35, 1.7), (0, 2.2)), 0.05)
    _draw_collar(brush, 0.98, 0.62 * width)


def _draw_collar(brush: Brush, y: float, half: float) -> None:
    colour = brush.coat.collar
    if colour is None:
        return
    brush.line(curve((-half, y - 0.12), (0, y + 0.08), (half, y - 0.12), closed=False), colour, 0.17)
    brush.flat(oval(0, y + 0.2, 0.12, 0.12), (232, 196, 84))


def _draw_sitting(brush: Brush, kind: Kind) -> None:
    rng, stout = brush.rng, brush.rng.uniform(0.85, 1.15)
    if kind == "cat":
        bend = rng.uniform(1.2, 2.0)
        tail = curve((0.6, 2.75), (1.4, 2.8), (1.9, 2.3), (1.75, bend), (1.95, bend - 0.4), closed=False)
        brush.fur(limb(tail, 0.34, 0.26), 0.9, 0.02)
        hips, chest, leg = 1.02 * stout, 0.6 * stout, 0.36
    else:
        tail = curve((0.7, 2.7), (1.3, 2.5), (1.75, rng.uniform(1.6, 2.1)), closed=False)
        brush.fur(limb(tail, 0.36, 0.2), 0.9, 0.05)
        hips, chest, leg = 1.0 * stout, 0.82 * stout, 0.46
    brush.fur(mirror((0, 0.3), (0.5, 0.6), (chest, 1.3), (hips, 2.3), (0.85 * hips, 2.95), (0, 3.0)), 1.0, 0.03)
    for side in (-1, 1):
        brush.fur(oval(side * 0.85 * hips, 2.92, 0.36, 0.2), 0.92)
    if brush.coat.bib:
        brush.pale(mirror((0, 0.7), (0.4, 1.0), (0.36, 1.5), (0, 2.0)), 0.05)
    for side in (-1, 1):
        path = np.array([[side * 0.37, 1.4], [side * 0.34, 2.1], [side * 0.3, 2.85]])
        brush.fur(limb(path, leg * 1.3, leg), seamless=True)
        _draw_paw(brush, side * 0.31, 2.98, leg * 0.68)
    _draw_collar(brush, 0.95, 0.55 * chest + 0.2)
    _draw_tilted_head(brush, kind, 0, 0, 1.0)


def _draw_paw(brush: Brush, x: float, y: float, reach: float) -> None:
    shape = oval(x, y, reach, reach * 0.62)
    if brush.coat.socks:
        brush.pale(shape)
    else:
        brush.fur(shape)
    for toe in (-0.3, 0.3):
        brush.line(np.array([[x + toe * reach, y + 0.1 * reach], [x + toe * reach, y + 0.5 * reach]]), INK, 0.03)


def _draw_standing(brush: Brush, kind: Kind) -> None:
    rng = brush.rng
    if kind == "cat":
        leg, hips, height = 0.34, 1.3, rng.uniform(0.85, 1.1)
        tail = curve((1.45, -0.2), (2.15, -0.45), (2.3, -1.2), (2.1, -1.7), (2.3, -2.1), closed=False)
        body = curve(
            (-1.5, -0.5),
            (-0.3, -0.5),
            (0.9, -0.62),
            (1.6, -0.35),
            (1.65, 0.35),
            (0.9, 0.55),
            (-0.5, 0.64),
            (-1.55, 0.4),
        )
    else:
        leg, hips, height = 0.42, 1.4, rng.uniform(0.85, 1.3)
        tail = curve((1.45, -0.2), (2.1, -0.6), (2.35, rng.uniform(-1.9, -0.9)), closed=False)
        body = curve(
            (-1.5, -0.6), (-0.3, -0.6), (0.9, -0.58), (1.65, -0.4), (1.75, 0.2), (0.9, 0.42), (-0.5, 0.75), (-1.6, 0.55)
        )
    brush.fur(limb(tail, 0.36, 0.24), 0.95, 0.03)
    for x in (-0.85, hips - 0.4):
        _draw_leg(brush, x, float(rng.uniform(-0.3, 0.3)), height, leg, 0.7)
    brush.fur(limb(np.array([[-1.0, 0.1], [-1.4, -0.6], [-1.7, -1.1]]), 1.2, 0.85), 0.95)
    brush.fur(body, 1.0, 0.03)
    for x in (-1.2, hips):
        _draw_leg(brush, x, float(rng.uniform(-0.2, 0.2)), height, leg, 1.0)
    _draw_tilted_head(brush, kind, -1.75, -1.0, rng.uniform(0.85, 0.95))


def _draw_leg(brush: Brush, x: float, stride: float, height: float, width: float, shade: float) -> None:
    foot = x + stride
    path = curve((x, 0.0), (x + 0.4 * stride, 0.5 + 0.4 * height), (foot, 0.45 + height), closed=False)
    brush.fur(limb(path, width * 1.7, width * 0.85), shade, seamless=True)
    _draw_paw(brush, foot - 0.08, 0.5 + height, width * 0.62)


def _draw_lying(brush: Brush, kind: Kind) -> None:
    rng = brush.rng
    if kind == "cat":
        tail = curve((2.3, 1.3), (2.7, 1.7), (1.9, 1.95), (0.9, 1.85), closed=False)
    else:
        tail = curve((2.3, 1.3), (2.9, 1.4), (3.2, rng.uniform(0.7, 1.4)), closed=False)
    back = rng.uniform(-0.1, 0.25)
    brush.fur(limb(tail, 0.38, 0.26), 0.9, 0.03)
    brush.fur(
        curve((-0.9, 0.5), (0.1, back), (1.4, back), (2.4, 0.7), (2.5, 1.5), (1.2, 1.75), (-0.4, 1.7), (-1.0, 1.2)),
        1.0,
        0.03,
    )
    brush.fur(oval(1.75, 1.15, 0.75, 0.6), 1.0)
    brush.fur(limb(np.array([[1.9, 1.6], [1.5, 1.65], [1.1, 1.66]]), 0.35, 0.32), 0.95)
    for y, reach in ((1.45, -1.1), (1.65, -0.85)):
        brush.fur(limb(np.array([[0.2, y], [-0.4, y], [reach, y]]), 0.42, 0.36), seamless=True)
        _draw_paw(brush, reach - 0.1, y, 0.27)
    _draw_tilted_head(brush, kind, -0.75, 0.1, 1.0)

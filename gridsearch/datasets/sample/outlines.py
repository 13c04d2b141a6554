"""Make outlines in head widths, and the frame that turns them into pixels.

An animal is described once, upright and looking at us. Every scale, tilt, position and mirror image of it comes from
its `Frame`, so no shape has to know about any of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Frame", "Points", "curve", "limb", "mirror", "oval", "ruffle", "shift_sideways"]

Points = NDArray[np.float64]
MIRRORED = np.array([-1.0, 1.0])


@dataclass(frozen=True)
class Frame:
    """Where head widths become pixels: `scale` pixels to the unit, `tilt` in radians, y pointing down."""

    x: float
    y: float
    scale: float
    tilt: float = 0.0
    mirrored: bool = False

    def pixels(self, points: Points) -> list[tuple[float, float]]:
        """Return the outline `points` (n, 2) in pixels of the picture."""
        flat = points * MIRRORED if self.mirrored else points
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        turned = flat @ np.array([[cos, sin], [-sin, cos]]) * self.scale + (self.x, self.y)
        return [(float(x), float(y)) for x, y in turned]

    def moved(self, x: float, y: float, scale: float = 1.0, tilt: float = 0.0) -> Frame:
        """Return the frame of a part that sits at (`x`, `y`) of this one, with its own relative scale and tilt."""
        ((px, py),) = self.pixels(np.array([[x, y]]))
        return replace(self, x=px, y=py, scale=self.scale * scale, tilt=self.tilt + tilt)


def curve(*points: tuple[float, float], closed: bool = True, steps: int = 8) -> Points:
    """Return a smooth (Catmull-Rom) line through `points`, with `steps` points to a stretch."""
    knots = np.array(points)
    if closed:
        around = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        around = np.concatenate([knots[:1], knots, knots[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    stretches = []
    for a, b, c, d in zip(around, around[1:], around[2:], around[3:], strict=False):
        stretches.append(b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))))
    return np.concatenate(stretches if closed else [*stretches, knots[-1:]])


def mirror(*right: tuple[float, float]) -> Points:
    """Return a smooth outline that mirrors itself; `right` runs from the top of the middle line to its bottom."""
    left = [(-x, y) for x, y in reversed(right) if x != 0]
    return curve(*right, *left)


def shift_sideways(outline: Points, x: float) -> Points:
    """Return `outline` moved `x` units sideways."""
    moved: Points = outline + np.array([x, 0.0])
    return moved


def oval(x: float, y: float, rx: float, ry: float, tilt: float = 0.0) -> Points:
    """Return an ellipse around (`x`, `y`), turned by `tilt` radians."""
    t = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    ring = np.stack([rx * np.cos(t), ry * np.sin(t)], axis=1)
    cos, sin = np.cos(tilt), np.sin(tilt)
    turned: Points = ring @ np.array([[cos, sin], [-sin, cos]]) + (x, y)
    return turned


def limb(path: Points, start: float, end: float) -> Points:
    """Return a leg or tail: the outline around `path`, `start` wide at its root and `end` wide at its tip, rounded."""
    ahead = np.gradient(path, axis=0)
    across = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) / np.maximum(np.hypot(*ahead.T), 1e-9)[:, None]
    half = np.linspace(start, end, len(path))[:, None] / 2
    t = np.linspace(0, np.pi, 7)[1:-1, None]
    onward = np.array([across[-1][1], -across[-1][0]])
    round_tip = path[-1] + (np.sin(t) * onward - np.cos(t) * across[-1]) * end / 2
    return np.concatenate([path - across * half, round_tip, (path + across * half)[::-1]])


def ruffle(outline: Points, depth: float, rng: np.random.Generator) -> Points:
    """Return `outline` with tufts of fur `depth` deep standing out of it."""
    ahead = np.roll(outline, -1, axis=0) - np.roll(outline, 1, axis=0)
    outward = np.stack([ahead[:, 1], -ahead[:, 0]], axis=1) / np.maximum(np.hypot(*ahead.T), 1e-9)[:, None]
    teeth = np.where(np.arange(len(outline)) % 2, 1.0, -0.4) * rng.uniform(0.3, 1.0, len(outline)) * depth
    tufted: Points = outline + outward * teeth[:, None]
    return tufted

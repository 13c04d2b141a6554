"""Apply the transforms that ImageDataGenerator draws to 8-bit pictures by OpenCV: the ``fast`` engine's arithmetic.

    uint8 ──warpAffine: rotation, shift, shear, zoom, flips──► uint8
          ──table: channel shift, brightness, rescale──► float32

The geometry is the stock class's, quirks included: its matrix acts on (column, row) although it is built around half
the height and half the width in that order, which matters for pictures that are not square. Interpolation is linear in
both; the 8-bit result is rounded, so a channel differs by half a level at most before brightness.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

__all__ = ["Warp", "inverse_map"]

Parameters = Mapping[str, Any]
"""What ``ImageDataGenerator.get_random_transform`` returns."""

LEVELS = np.arange(256, dtype=np.float32)

BORDERS = {
    "nearest": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT,
    "constant": cv2.BORDER_REPLICATE,  # and what comes from outside is overwritten
}

LINEAR = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

cv2.setNumThreads(1)  # pictures are spread over threads here, each picture is too small to be divided


def inverse_map(parameters: Parameters, height: int, width: int) -> np.ndarray | None:
    """Return where each pixel of the result comes from: float64 (2, 3), from (column, row, 1) to (column, row).

    The product of rotation, shift, shear and zoom about the centre, in the stock class's order, after the flips.
    None if nothing moves.
    """
    theta, shear = math.radians(parameters["theta"]), math.radians(parameters["shear"])
    tx, ty, zx, zy = (float(parameters[name]) for name in ("tx", "ty", "zx", "zy"))
    mirrored, upside_down = bool(parameters["flip_horizontal"]), bool(parameters["flip_vertical"])
    if not (theta or shear or tx or ty or mirrored or upside_down) and zx == zy == 1:
        return None
    cos, sin = math.cos(theta), math.sin(theta)
    a, b = cos * zx, -(cos * math.sin(shear) + sin * math.cos(shear)) * zy
    c, d = sin * zx, (cos * math.cos(shear) - sin * math.sin(shear)) * zy
    over, down = height / 2 - 0.5, width / 2 - 0.5
    e = cos * tx - sin * ty + over - a * over - b * down
    f = sin * tx + cos * ty + down - c * over - d * down
    if mirrored:
        e, f, a, c = e + a * (width - 1), f + c * (width - 1), -a, -c
    if upside_down:
        e, f, b, d = e + b * (height - 1), f + d * (height - 1), -b, -d
    return np.array([[a, b, e], [c, d, f]])


class Warp:
    """Applies drawn transforms.

    Args:
        fill_mode: what lies outside a picture: "nearest", "reflect" or "constant".
        cval: the level there when constant, 0 to 255.
        rescale: what levels are multiplied by in the end.
    """

    def __init__(self, fill_mode: str, cval: float, rescale: float | None) -> None:
        self._constant = float(cval) if fill_mode == "constant" else None
        self._border = BORDERS[fill_mode]
        self._scale = np.float32(rescale or 1)
        self._plain = LEVELS * self._scale
        self._room = threading.local()

    def __call__(self, picture: np.ndarray, parameters: Parameters, out: np.ndarray) -> None:
        """Transform one picture.

        Args:
            picture: uint8 (height, width, channels).
            parameters: as drawn.
            out: float32 of the same shape, contiguous; becomes the result.
        """
        height, width = picture.shape[:2]
        matrix = inverse_map(parameters, height, width)
        if matrix is not None:
            size = (width, height)
            moved = self._scratch(picture)
            picture = cv2.warpAffine(picture, matrix, size, dst=moved, flags=LINEAR, borderMode=self._border)
        if matrix is not None and self._constant is not None:
            picture = picture.reshape(height, width, -1)
            picture[_find_outside(matrix, height, width)] = round(
                self._constant
            )  # before channel shift and brightness, as in the stock class
        table = self._table(parameters, picture)
        cv2.LUT(picture.reshape(height, width, -1), table, dst=out)

    def _scratch(self, picture: np.ndarray) -> np.ndarray:
        """Return this thread's own room for a picture between its transforms: fresh memory costs half as much again."""
        found: np.ndarray | None = getattr(self._room, "picture", None)
        if found is None or found.shape != picture.shape:
            found = self._room.picture = np.empty_like(picture)
        return found

    def _table(self, parameters: Parameters, picture: np.ndarray) -> np.ndarray:
        """Return what becomes of each of the 256 levels of a picture, float32."""
        shift, brightness = parameters["channel_shift_intensity"], parameters["brightness"]
        if shift is None and brightness is None:
            return self._plain
        levels = LEVELS
        if shift is not None:
            levels = np.clip(levels + np.float32(shift), picture.min(), picture.max())
        if brightness is not None:
            # Pillow's enhancer: a blend with black, of whole levels, cut off to whole levels.
            levels = np.clip(np.trunc(np.trunc(levels) * np.float32(brightness)), 0, 255)
        return levels * self._scale


def _find_outside(matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return which pixels of the result come from outside the picture, bool (height, width)."""
    columns, rows = np.arange(width), np.arange(height)[:, None]
    column, row = (line[0] * columns + line[1] * rows + line[2] for line in matrix)
    inside: np.ndarray = (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)
    return ~inside

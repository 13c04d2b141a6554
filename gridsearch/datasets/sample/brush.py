"""Fill outlines on a picture with the fur of one animal, shaded so that they look round."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from gridsearch.datasets.sample.coats import Coat, Colour
from gridsearch.datasets.sample.outlines import Frame, Points, ruffle

__all__ = ["INK", "Brush"]

INK: Colour = (38, 30, 30)


@dataclass(frozen=True)
class Brush:
    """Draws outlines of one animal, which wears `coat`, on `picture`."""

    picture: Image.Image
    coat: Coat
    frame: Frame
    rng: np.random.Generator

    def on(self, frame: Frame) -> Brush:
        """Return the same brush for a part with its own frame."""
        return replace(self, frame=frame)

    def fur(self, outline: Points, shade: float = 1.0, fluff: float = 0.0, *, seamless: bool = False) -> None:
        """Fill with the coat, rounded by a shadow at the lower rim.

        `shade` below 1 darkens the part, `fluff` is the depth of its tufts; a `seamless` part grows out of the one
        under it: no line is drawn where its outline begins and ends.
        """
        self._fill(ruffle(outline, fluff, self.rng) if fluff else outline, self.coat.fur, shade, seamless)

    def pale(self, outline: Points, fluff: float = 0.0) -> None:
        """Fill with the pale fur of muzzle, chest and paws."""
        self._fill(ruffle(outline, fluff, self.rng) if fluff else outline, self.coat.pale_fur, 1.0, seamless=False)

    def flat(self, outline: Points, colour: Colour) -> None:
        """Fill with one colour: eyes, noses, tongues."""
        ImageDraw.Draw(self.picture).polygon(self.frame.pixels(outline), fill=colour)

    def line(self, path: Points, colour: Colour, width: float) -> None:
        """Draw a line `width` units wide, never thinner than a pixel."""
        wide = max(1, round(width * self.frame.scale))
        ImageDraw.Draw(self.picture).line(self.frame.pixels(path), fill=colour, width=wide, joint="curve")

    def _fill(self, outline: Points, fur: Image.Image, shade: float, seamless: bool) -> None:
        corners = np.array(self.frame.pixels(outline))
        left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
        right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 2, self.picture.size)
        if left >= right or top >= bottom:
            return
        box = (int(left), int(top), int(right), int(bottom))
        local = [(float(x), float(y)) for x, y in corners - (left, top)]
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        ImageDraw.Draw(mask).polygon(local, fill=255)
        part = fur.crop(box)
        if shade != 1.0:
            part = part.point(lambda value: round(value * shade))
        part.paste(self.coat.shadow, mask=self._rim(mask))
        self.picture.paste(part, box[:2], mask)
        ImageDraw.Draw(self.picture).line(
            [(x + left, y + top) for x, y in (local if seamless else [*local, local[0]])],
            fill=self.coat.shadow,
            width=max(1, round(0.03 * self.frame.scale)),
        )

    def _rim(self, mask: Image.Image) -> Image.Image:
        reach = 0.28 * self.frame.scale
        soft = mask.filter(ImageFilter.BoxBlur(reach))
        lit = soft.copy()
        lit.paste(soft, (0, -round(reach / 2)))
        return lit.point(lambda value: min(150, round((255 - value) * 0.8)))

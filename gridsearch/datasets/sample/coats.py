"""Choose what a drawn animal wears: fur, colours, eyes, collar.

Each choice is a draw from a table with one weight for cats and one for dogs. The tables overlap on purpose: both
kinds come in grey, cream and black, both may be striped, patched or plain. No single property gives the kind away,
but together they are what a small network can learn from within a few dozen batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["KINDS", "Coat", "Colour", "Kind", "draw_coat", "make_blotches", "mix", "pick"]

Colour = tuple[int, int, int]
Kind = Literal["cat", "dog"]
KINDS: tuple[Kind, ...] = ("cat", "dog")
Choice = TypeVar("Choice")
# A thing that can be drawn, with its weight for a cat and for a dog.
Table = tuple[tuple[Choice, float, float], ...]

FUR_COLOURS: Table[Colour] = (
    ((222, 126, 52), 9, 8),  # ginger
    ((122, 128, 142), 36, 2),  # blue-grey
    ((170, 175, 186), 20, 2),  # silver
    ((54, 54, 62), 17, 6),  # black
    ((238, 226, 204), 6, 16),  # cream
    ((134, 122, 106), 9, 5),  # agouti
    ((222, 168, 98), 1, 28),  # golden
    ((140, 90, 54), 1, 13),  # chocolate
    ((196, 128, 70), 1, 17),  # tan
)
PATTERNS: Table[str] = (
    ("tabby", 52, 8),
    ("patches", 16, 24),
    ("plain", 20, 30),
    ("curly", 4, 34),
    ("spots", 8, 4),
)
EYES: Table[Colour] = (
    ((150, 196, 72), 36, 1),  # green
    ((232, 190, 60), 30, 4),  # amber
    ((110, 178, 224), 16, 6),  # blue
    ((176, 116, 52), 12, 25),  # copper
    ((96, 56, 30), 2, 64),  # brown
)
NOSES: Table[Colour] = (((226, 132, 138), 65, 6), ((70, 50, 50), 25, 24), ((28, 24, 26), 10, 70))
COLLARS: Table[Colour | None] = (
    (None, 75, 45),
    ((196, 44, 50), 10, 20),
    ((40, 92, 176), 8, 20),
    ((48, 140, 84), 7, 15),
)


@dataclass(frozen=True)
class Coat:
    """Fur as pictures of the size drawn on, and the colours and markings that go with it."""

    fur: Image.Image
    pale_fur: Image.Image
    shadow: Colour
    dark: Colour
    skin: Colour
    nose: Colour
    eyes: Colour
    whiskers: Colour
    collar: Colour | None
    pupil: float  # half the width of a cat's slit, in head widths
    stripes: bool
    bib: bool
    socks: bool
    blaze: bool
    eye_patch: bool


def pick(table: Table[Choice], kind: Kind, luck: float) -> Choice:
    """Return the entry of `table` that `luck` (0 to 1, 1 excluded) falls on by the weights of `kind`."""
    bounds = np.cumsum([row[1 + KINDS.index(kind)] for row in table])
    return table[int(np.searchsorted(bounds, luck * bounds[-1], side="right"))][0]


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Return `a` with `share` (0 to 1) of `b` mixed in."""
    r, g, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return r, g, blue


def jitter(colour: Colour, spread: float, rng: np.random.Generator) -> Colour:
    """Return `colour` made lighter or darker and slightly tinted at random, `spread` levels wide."""
    shift = rng.normal(0, spread) + rng.normal(0, spread / 3, 3)
    r, g, b = (int(np.clip(level + move, 8, 247)) for level, move in zip(colour, shift, strict=True))
    return r, g, b


def make_blotches(rng: np.random.Generator, size: tuple[int, int], cell: tuple[float, float]) -> NDArray[np.float64]:
    """Return smooth noise from 0 to 1 (height, width), with blotches about `cell` (across, down) pixels wide."""
    width, height = size
    grid = rng.random((max(2, round(height / cell[1])), max(2, round(width / cell[0]))), dtype=np.float32)
    smooth = np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC), dtype=np.float64)
    return np.clip(smooth, 0, 1)


def draw_coat(kind: Kind, luck: float, size: tuple[int, int], unit: float, rng: np.random.Generator) -> Coat:
    """Return a coat for one `kind`, its colour by `luck` and the rest at random.

    `size` is the drawing in pixels and `unit` one head width on it in pixels.
    """
    base = jitter(pick(FUR_COLOURS, kind, luck), 11, rng)
    pale = jitter((240, 230, 216), 8, rng) if rng.random() < 0.6 else mix(base, (250, 240, 226), 0.5)
    pattern = pick(PATTERNS, kind, rng.random())
    dark = mix(base, (28, 20, 18), rng.uniform(0.5, 0.75))
    weights = _make_pattern(pattern, size, unit, rng)
    second = pale if pattern == "patches" and rng.random() < 0.6 else dark
    return Coat(
        fur=_weave(base, second, weights, rng),
        pale_fur=_weave(pale, base, 0.15 * make_blotches(rng, _halve(size), (4, 4)), rng),
        shadow=mix(base, (24, 16, 18), 0.68),
        dark=dark,
        skin=jitter((222, 150, 146), 10, rng),
        nose=pick(NOSES, kind, rng.random()),
        eyes=jitter(pick(EYES, kind, rng.random()), 8, rng),
        whiskers=(248, 246, 240) if sum(base) < 520 or rng.random() < 0.4 else (70, 62, 58),
        collar=pick(COLLARS, kind, rng.random()),
        pupil=float(rng.uniform(0.035, 0.1)),
        stripes=pattern == "tabby",
        bib=bool(rng.random() < 0.5),
        socks=bool(rng.random() < 0.45),
        blaze=bool(rng.random() < 0.35),
        eye_patch=bool(rng.random() < 0.25),
    )


def _halve(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] // 2, size[1] // 2


def _make_pattern(name: str, size: tuple[int, int], unit: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the share of the second colour at each point, 0 to 1, at half the size (it is smooth anyway)."""
    half, unit = _halve(size), unit / 2
    if name == "tabby":
        angle = rng.uniform(-0.5, 0.5)
        y, x = np.mgrid[0 : half[1], 0 : half[0]]
        bend = make_blotches(rng, half, (unit * 0.8, unit * 0.8)) * 5
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / (unit * rng.uniform(0.3, 0.42)) + bend)
        stripes: NDArray[np.float64] = np.clip(wave * 1.6 + 0.3, 0, 1) * rng.uniform(0.7, 1.0)
        return stripes
    if name == "patches":
        return np.clip((make_blotches(rng, half, (unit, unit)) - 0.52) * 14, 0, 1)
    if name == "curly":
        curls = make_blotches(rng, half, (unit * 0.13, unit * 0.13))
        return np.abs(curls - 0.5) * rng.uniform(0.9, 1.3)
    if name == "spots":
        return np.clip((make_blotches(rng, half, (unit * 0.24, unit * 0.24)) - 0.68) * 14, 0, 1)
    return 0.2 * make_blotches(rng, half, (unit * 0.6, unit * 0.6))


def _weave(base: Colour, second: Colour, share: NDArray[np.float64], rng: np.random.Generator) -> Image.Image:
    """Return fur of two colours with single hairs in it, twice the size of `share`."""
    height, width = share.shape
    hairs = (make_blotches(rng, (width, height), (1.2, 3.5)) - 0.5) * 26
    weave = np.array(base) + share[..., None] * (np.array(second) - np.array(base)) + hairs[..., None]
    picture = Image.fromarray(np.clip(weave, 0, 255).astype(np.uint8))
    return picture.resize((2 * width, 2 * height), Image.Resampling.BILINEAR)

"""Draw the surroundings of an animal: background, objects, and what a camera does to the picture.

Cats are mostly drawn indoors and at dusk, dogs mostly outdoors and in a low sun, like in photo albums, but either may
be anywhere at any time: where, when and coat are drawn apart, so that one of them may mislead while the others tell. A
difference of hue is what a small network finds within the few dozen batches of a short trial; one of brightness it is
slow to tell from its bias. Blur, noise and clutter do not depend on the kind.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from gridsearch.datasets.sample.coats import Colour, Kind, Table, make_blotches, mix, pick

__all__ = ["LIGHTS", "PLACES", "draw_background", "draw_clutter", "photograph"]

Floats = NDArray[np.float64]


PLACES: Table[str] = (
    ("wall", 28, 4),
    ("sofa", 34, 3),
    ("checker", 18, 2),
    ("gradient", 12, 4),
    ("meadow", 5, 52),
    ("beach", 3, 35),
)
# The warmth of the light: 0.18 is a low sun (red +18 %, blue -18 %), -0.16 a window at dusk.
LIGHTS: Table[float] = ((-0.16, 73, 5), (-0.05, 16, 8), (0.06, 6, 17), (0.18, 5, 70))
WALLS: tuple[Colour, ...] = (
    (176, 190, 206),
    (160, 186, 200),
    (212, 192, 196),
    (172, 194, 180),
    (186, 178, 208),
    (140, 144, 156),
)
CLOTHS: tuple[Colour, ...] = (
    (116, 64, 96),
    (58, 88, 136),
    (70, 112, 112),
    (112, 104, 108),
    (104, 90, 136),
    (88, 92, 104),
)
TOYS: tuple[Colour, ...] = ((214, 62, 58), (60, 120, 202), (236, 196, 64), (92, 176, 96), (224, 128, 176))


def draw_background(kind: Kind, luck: float, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Draw the place for one `kind` that `luck` falls on, `size` pixels large, with nobody in it yet."""
    place = pick(PLACES, kind, luck)
    indoors = {"wall": _wall, "sofa": _sofa, "checker": _checker, "gradient": _gradient}.get(place)
    if indoors is not None:
        return indoors(size, rng)
    ground: Colour = (128, 164, 66) if place == "meadow" else (230, 206, 156)
    return _outdoors(size, ground, place == "meadow", rng)


def _any(colours: tuple[Colour, ...], rng: np.random.Generator) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def _blend(top: Colour, bottom: Colour, share: Floats) -> Image.Image:
    mask = Image.fromarray((np.clip(share, 0, 1) * 255).astype(np.uint8))
    return Image.composite(Image.new("RGB", mask.size, bottom), Image.new("RGB", mask.size, top), mask)


def _rows(size: tuple[int, int]) -> Floats:
    return np.broadcast_to(np.linspace(0, 1, size[1])[:, None], (size[1], size[0]))


def _wall(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    colour = _any(WALLS, rng)
    picture = _blend(
        colour, mix(colour, (70, 60, 56), 0.3), _rows(size) * 0.6 + make_blotches(rng, size, (90, 90)) * 0.3
    )
    pen = ImageDraw.Draw(picture)
    width, height = size
    if rng.random() < 0.5:
        stripe = mix(colour, _any(CLOTHS, rng), 0.16)
        step = int(rng.integers(36, 80))
        for x in range(int(rng.integers(step)), width, step):
            pen.rectangle((x, 0, x + step // 3, height), fill=stripe)
    floor = round(height * rng.uniform(0.68, 0.85))
    boards = _any(((134, 104, 80), (104, 92, 88), (150, 148, 146)), rng)
    pen.rectangle((0, floor, width, height), fill=boards)
    pen.rectangle((0, floor - 12, width, floor), fill=mix(colour, (250, 250, 246), 0.6))
    for y in range(floor + 18, height, 22):
        pen.line((0, y, width, y), fill=mix(boards, (30, 20, 16), 0.3), width=2)
    if rng.random() < 0.5:
        x, y = int(rng.integers(0, width - 90)), int(rng.integers(0, height // 4))
        pen.rectangle((x, y, x + 86, y + 66), fill=(244, 240, 230), outline=(92, 66, 46), width=6)
        pen.ellipse((x + 22, y + 16, x + 62, y + 50), fill=_any(TOYS, rng))
    return picture


def _sofa(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    width, height = size
    wall, cloth = _any(WALLS, rng), _any(CLOTHS, rng)
    picture = Image.new("RGB", size, wall)
    pen = ImageDraw.Draw(picture)
    back, seat = round(height * rng.uniform(0.12, 0.35)), round(height * rng.uniform(0.62, 0.74))
    seam = round(width * rng.uniform(0.1, 0.9))
    edge = mix(cloth, (20, 14, 16), 0.45)
    pen.rectangle((0, back + 30, width, height), fill=edge)
    for left, right in ((seam - width, seam), (seam, seam + width)):
        pen.rounded_rectangle((left, back, right, height), 36, fill=cloth, outline=edge, width=3)
        pen.rounded_rectangle(
            (left, seat, right, height + 60), 24, fill=mix(cloth, (255, 250, 240), 0.12), outline=edge, width=3
        )
        for button in (0.25, 0.5, 0.75):
            x, y = left + width * button, (back + seat) / 2
            pen.ellipse((x - 5, y - 5, x + 5, y + 5), fill=edge)
    return picture


def _checker(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    light = _any(WALLS, rng)
    tile, angle = rng.uniform(44, 84), rng.uniform(0, np.pi / 2)
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    across = np.floor((x * np.cos(angle) + y * np.sin(angle)) / tile)
    down = np.floor((y * np.cos(angle) - x * np.sin(angle)) / tile)
    return _blend(light, mix(light, _any(CLOTHS, rng), rng.uniform(0.3, 0.7)), np.mod(across + down, 2))


def _gradient(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    share = _rows(size) if rng.random() < 0.5 else make_blotches(rng, size, (140, 140))
    return _blend(_any(WALLS, rng), _any(CLOTHS, rng), share)


def _outdoors(size: tuple[int, int], ground: Colour, green: bool, rng: np.random.Generator) -> Image.Image:
    width, height = size
    horizon = round(height * rng.uniform(0.2, 0.5))
    sky = _blend((156, 190, 206), (244, 234, 210), np.clip(_rows(size) * height / horizon, 0, 1))
    clouds = np.clip((make_blotches(rng, size, (90, 40)) - 0.55) * 3, 0, 0.8)
    sky.paste((250, 250, 250), mask=Image.fromarray((clouds * 255).astype(np.uint8)))
    if rng.random() < 0.6:
        hills = [
            (0, height),
            *((x, horizon - 14 + 12 * np.sin(x / rng.uniform(40, 60))) for x in range(0, width + 20, 20)),
        ]
        ImageDraw.Draw(sky).polygon([*hills, (width, height)], fill=(92, 126, 92) if green else (84, 142, 176))
    shade = 0.5 * make_blotches(rng, size, (60, 24)) + 0.3 * _rows(size)
    land = _blend(ground, mix(ground, (30, 44, 20), 0.5), shade)
    pen = ImageDraw.Draw(land)
    for x, y, lean in rng.uniform((0, horizon, -7), (width, height, 7), (220 if green else 60, 3)):
        blade = mix(ground, (40, 70, 24) if rng.random() < 0.6 else (210, 222, 120), 0.4)
        pen.line((x, y, x + lean, y - (18 if green else 3)), fill=blade, width=2)
    if green:
        for x, y in rng.uniform((0, horizon + 20), (width, height), (int(rng.integers(0, 9)), 2)):
            pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=_any(((250, 250, 244), *TOYS), rng))
    sky.paste(land.crop((0, horizon, width, height)), (0, horizon))
    return sky


def draw_clutter(picture: Image.Image, rng: np.random.Generator) -> None:
    """Put up to three balls, boxes and plants somewhere near the edge of `picture`."""
    width, height = picture.size
    for _ in range(int(rng.choice(4, p=[0.35, 0.35, 0.2, 0.1]))):
        x = width * (rng.uniform(0.0, 0.22) if rng.random() < 0.5 else rng.uniform(0.78, 1.0))
        y, reach = height * rng.uniform(0.55, 0.95), width * rng.uniform(0.05, 0.1)
        (_ball, _box, _plant)[int(rng.integers(3))](ImageDraw.Draw(picture), x, y, reach, rng)


def _ball(pen: ImageDraw.ImageDraw, x: float, y: float, reach: float, rng: np.random.Generator) -> None:
    colour = _any(TOYS, rng)
    pen.ellipse(
        (x - reach, y - reach, x + reach, y + reach), fill=colour, outline=mix(colour, (20, 16, 20), 0.5), width=3
    )
    pen.arc((x - reach * 1.6, y - reach, x + reach * 0.4, y + reach), -60, 60, fill=(248, 246, 240), width=4)
    pen.ellipse(
        (x - reach * 0.5, y - reach * 0.6, x - reach * 0.1, y - reach * 0.25), fill=mix(colour, (255, 255, 255), 0.7)
    )


def _box(pen: ImageDraw.ImageDraw, x: float, y: float, reach: float, rng: np.random.Generator) -> None:
    colour = _any(((188, 148, 100), *TOYS), rng)
    edge = mix(colour, (24, 18, 16), 0.45)
    pen.rectangle((x - reach, y - reach, x + reach, y + reach), fill=colour, outline=edge, width=3)
    lid = [
        (x - reach, y - reach),
        (x - reach * 0.6, y - reach * 1.5),
        (x + reach * 1.4, y - reach * 1.5),
        (x + reach, y - reach),
    ]
    pen.polygon(lid, fill=mix(colour, (255, 250, 240), 0.25), outline=edge)


def _plant(pen: ImageDraw.ImageDraw, x: float, y: float, reach: float, rng: np.random.Generator) -> None:
    leaf: Colour = (70, 132, 74)
    for angle in rng.uniform(-2.6, -0.5, 9):
        tip = (x + 2.6 * reach * np.cos(angle), y - reach * 0.4 + 2.6 * reach * np.sin(angle))
        side = reach * 0.35
        pen.polygon(
            [(x - side, y - reach * 0.5), tip, (x + side, y - reach * 0.5)],
            fill=mix(leaf, (190, 214, 120), rng.uniform(0, 0.4)),
        )
    pot: Colour = (184, 100, 66)
    pen.polygon(
        [
            (x - reach, y - reach * 0.6),
            (x + reach, y - reach * 0.6),
            (x + reach * 0.7, y + reach),
            (x - reach * 0.7, y + reach),
        ],
        fill=pot,
    )
    pen.rectangle(
        (x - reach * 1.1, y - reach * 0.75, x + reach * 1.1, y - reach * 0.4), fill=mix(pot, (250, 220, 200), 0.25)
    )


def photograph(picture: Image.Image, size: tuple[int, int], warmth: float, rng: np.random.Generator) -> Image.Image:
    """Return `picture` as a camera sees it: reduced to `size`, in light of some `warmth`, blurred and noisy."""
    small = picture.resize(size, Image.Resampling.BOX)
    if rng.random() < 0.4:
        small = small.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9)))
    width, height = size
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    lamp = rng.normal(1.0, 0.06) + rng.uniform(0, 0.14) * (x * np.cos(angle) + y * np.sin(angle))
    tint = 1 + rng.normal(warmth, 0.03) * np.array([1.0, 0.0, -1.0])
    grain = rng.standard_normal((height, width, 1), dtype=np.float32) * rng.uniform(2, 9)
    speckle = rng.standard_normal((height, width, 3), dtype=np.float32) * 2
    levels = np.asarray(small) * lamp[..., None] * tint + grain + speckle
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))

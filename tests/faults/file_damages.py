"""Ways to damage any file: other bytes, less of it, more of it, none of it, something else in its place."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["damage_file", "draw_damages"]

KINDS = ("flip", "cut", "append", "delete", "folder", "text", "zeros", "link", "swap", "json")
JSON_VALUES: tuple[object, ...] = (None, 7, "x", [], {}, {"x": []}, [[1]])


def draw_damages(files: Sequence[str], seed: int, count: int) -> Iterator[tuple[str, str]]:
    """Yield pairs of a file's name and a damage's name; the same for the same seed."""
    chance = random.Random(seed)
    for _ in range(count):
        yield chance.choice(files), f"{chance.choice(KINDS)} {chance.randrange(1000)}"


def damage_file(file: Path, name: str) -> None:
    """Damage a file in the way that ``name`` says."""
    kind, chance = name.split()[0], random.Random(name)
    content = bytearray(file.read_bytes())
    if kind in ("delete", "folder", "link"):
        file.unlink()
        if kind == "folder":
            (file / "inside").mkdir(parents=True)
        elif kind == "link":
            file.symlink_to(file.with_name("nowhere"))
        return
    if kind == "flip":
        for _ in range(chance.choice((1, 20, 500)) if content else 0):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del content[chance.randrange(len(content) + 1) :]
    elif kind == "append":
        content += chance.randbytes(chance.choice((1, 12, 4096)))
    elif kind == "text":
        content[:] = b"this is no such file\n"
    elif kind == "zeros":
        start = chance.randrange(len(content) + 1)
        content[start:] = bytes(len(content) - start)
    elif kind == "swap":
        half = len(content) // 2
        content[:] = content[half:] + content[:half]
    elif kind == "json":
        content[:] = json.dumps(chance.choice(JSON_VALUES)).encode()
    file.write_bytes(content)

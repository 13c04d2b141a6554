"""The package's rooms and the import arrows between them: ``python -m benchmarks structure [FOLDER]``.

A room is a file or folder at the top of the package. An arrow goes from one room to another that any of its modules
imports from, anywhere in the module. Arrows that lie on a circle are listed; there should be none.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "gridsearch"

Arrows = dict[str, set[str]]
"""For each room those that it imports from."""


def rooms_below(package: Path) -> dict[str, list[Path]]:
    """Return each room's modules, the package's own ``__init__`` and ``__main__`` left out."""
    rooms: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(package.rglob("*.py")):
        room = file.relative_to(package).parts[0].removesuffix(".py")
        if room not in ("__init__", "__main__"):
            rooms[room].append(file)
    return dict(rooms)


def arrows_between(rooms: dict[str, list[Path]]) -> Arrows:
    """Return the arrows between rooms, imports inside functions included."""
    arrows: Arrows = {room: set() for room in rooms}
    for room, files in rooms.items():
        for file in files:
            for name in _imports(ast.parse(file.read_text(encoding="utf-8"))):
                parts = name.split(".")
                if parts[0] == "gridsearch" and len(parts) > 1 and parts[1] in rooms and parts[1] != room:
                    arrows[room].add(parts[1])
    return arrows


def _imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def floors_of(arrows: Arrows) -> dict[str, int]:
    """Return each room's floor: 0 imports from no room, else one above the highest that it imports from.

    Rooms on a circle, and those above one, have no floor and are left out.
    """
    floors: dict[str, int] = {}
    while True:
        ready = {room for room, below in arrows.items() if room not in floors and below <= floors.keys()}
        if not ready:
            return floors
        floors |= {room: 1 + max((floors[below] for below in arrows[room]), default=-1) for room in ready}


def main() -> None:
    """Print rooms, floors and arrows of this package, or of the one in the folder named last on the command line."""
    named = Path(sys.argv[-1])
    package = named / "gridsearch" if (named / "gridsearch").is_dir() else PACKAGE
    rooms = rooms_below(package)
    arrows = arrows_between(rooms)
    floors = floors_of(arrows)
    circle = sorted(set(rooms) - set(floors))
    for room in sorted(rooms, key=lambda room: (floors.get(room, len(rooms)), room)):
        print(f"{floors.get(room, '-'):>3}  {room:13} {len(rooms[room]):3} files  -> {', '.join(sorted(arrows[room]))}")
    count = sum(map(len, arrows.values()))
    closed = ", ".join(circle) or "none"
    print(f"{len(rooms)} rooms, {1 + max(floors.values())} floors, {count} arrows, on a circle: {closed}")


if __name__ == "__main__":
    main()

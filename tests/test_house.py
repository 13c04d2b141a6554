"""The house is as its picture says: arrows only point down, heavy things have one room, no room is too large."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import gridsearch

PACKAGE = Path(gridsearch.__file__).parent
ONE_ROOM = {
    "tensorflow": {"training"},
    "keras": {"training"},
    "scipy": {"training", "report"},
    "sklearn": {"report"},
    "pyarrow": {"report"},
    "matplotlib": {"report"},
    "wandb": {"writers"},
    "mlflow": {"writers"},
    "cv2": {"training"},
    "keras_tuner": {"strategies", "training", "kerastuner"},
    "optuna": {"strategies", "importing"},
    "pydantic": {"config"},
}
MOST_ROOMS = 16
MOST_LINES = 400


def floor_of_each_room() -> dict[str, int]:
    """Read the rooms off the picture in the package's docstring, lowest first."""
    names = re.findall(r"^    (\w+)/? {2,}\S", gridsearch.__doc__ or "", re.M)
    return {name: floor for floor, name in enumerate(names)}


def modules() -> Iterator[tuple[Path, str, ast.Module]]:
    """Every module with the name of its room."""
    for file in sorted(PACKAGE.rglob("*.py")):
        room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        yield file, room, ast.parse(file.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> set[str]:
    """Modules imported, at the top or anywhere below."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_every_module_has_a_floor_in_the_picture() -> None:
    rooms = {room for _, room, _ in modules()} - {"__init__", "__main__"}
    assert rooms == set(floor_of_each_room())
    assert len(rooms) <= MOST_ROOMS


def test_arrows_only_point_down() -> None:
    floors = floor_of_each_room()
    upward = []
    for file, room, tree in modules():
        if room in ("__init__", "__main__"):
            continue
        for name in imported(tree):
            parts = name.split(".")
            if parts[0] == "gridsearch" and len(parts) > 1 and floors[parts[1]] > floors[room]:
                upward.append(f"{file.name} imports {name}")
    assert upward == []


def test_heavy_packages_have_one_place_each() -> None:
    for file, room, tree in modules():
        for name in {name.split(".")[0] for name in imported(tree)} & set(ONE_ROOM):
            assert room in ONE_ROOM[name], f"{file.name} imports {name}"


def test_modules_are_short() -> None:
    long = {file.name: lines for file, _, _ in modules() if (lines := len(file.read_text().splitlines())) > MOST_LINES}
    assert long == {}

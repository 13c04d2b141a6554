"""docs/architecture.md says what is so: its walk, its rooms, the files that answer its questions."""

from __future__ import annotations

import re
from pathlib import Path

from walking import files_passed

import gridsearch

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
MOST_FILES = 10


def test_the_walk_passes_the_files_that_the_page_names(tmp_path: Path) -> None:
    """Each file of the walk is handed the value when a sweep runs, and there are at most ten."""
    walk = re.findall(r"^\| \d+ \| `([\w/.]+)` \|", PAGE, re.M)
    assert 0 < len(walk) <= MOST_FILES
    assert set(walk) <= files_passed(tmp_path).keys()


def test_the_page_names_the_rooms_of_the_picture_in_its_order() -> None:
    rooms = re.findall(r"^\| `(\w+/?)` \|", PAGE, re.M)
    assert rooms == re.findall(r"^    (\w+/?) {2,}\S", gridsearch.__doc__ or "", re.M)


def test_every_answer_names_a_file_and_what_is_in_it() -> None:
    """The functions and classes that an answer names stand in one of the files that it names."""
    answers = re.search(r"## Ten questions\n(.*?)\n## ", PAGE, re.S)
    assert answers is not None
    rows = [row for row in answers.group(1).splitlines() if row.startswith("| ") and "?" in row]
    assert len(rows) == 10
    for row in rows:
        named = re.findall(r"`([^`]+)`", row.split("?")[-1])
        files = [ROOT / "gridsearch" / name for name in named if name.endswith(".py")]
        text = "\n".join(file.read_text(encoding="utf-8") for file in files)
        for name in named:
            assert name.endswith(".py") or name.split(".")[-1] in text, f"{name} is in none of {files}"

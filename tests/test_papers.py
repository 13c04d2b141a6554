"""The papers of the project are there, agree with the program, and name files that exist."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import pythons

import gridsearch

ROOT = Path(__file__).parents[1]
PAPERS = ("LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
UNRELEASED = "Unreleased"
MOST_LINES = 80
"""Of CONTRIBUTING.md: a page."""

IN_BACKTICKS = re.compile(r"`([^`\s]+)`")
PATH_LIKE = re.compile(r"[\w.-]*\w/[\w./-]*|[\w.-]+\.(?:cfg|in|js|md|py|toml|txt|yaml)|LICENSE|Makefile")


def text_of(paper: str) -> str:
    return (ROOT / paper).read_text(encoding="utf-8")


def paths_in(text: str) -> Iterator[str]:
    """What stands in backticks and looks like a path, outside of indented examples."""
    for line in text.splitlines():
        if not line.startswith("    "):
            yield from (word for word in IN_BACKTICKS.findall(line) if PATH_LIKE.fullmatch(word))


def metadata() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser["metadata"]


def parsed(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


@pytest.mark.parametrize("paper", PAPERS)
def test_every_paper_is_there_and_names_files_that_exist(paper: str) -> None:
    text = text_of(paper)
    missing = [path for path in paths_in(text) if not (ROOT / path).exists()]
    assert missing == []
    folders = [path for path in paths_in(text) if path.endswith("/") and not (ROOT / path).is_dir()]
    assert folders == []


def test_a_path_is_told_from_other_words_in_backticks() -> None:
    text = "`tests/` and `gridsearch/cli.py`, `Makefile`, `setup.cfg`; not `gridsearch plan`, `sweep.db`\n    `a/b`"
    assert list(paths_in(text)) == ["tests/", "gridsearch/cli.py", "Makefile", "setup.cfg"]


def test_the_licence_is_the_one_that_setup_cfg_names() -> None:
    assert metadata()["license"] == "Apache-2.0"
    assert metadata()["license_files"] == "LICENSE"
    text = text_of("LICENSE")
    assert re.match(r"\s+Apache License\n\s+Version 2\.0, January 2004\n", text)
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_newest_release_of_the_changelog_is_this_version_or_is_followed_by_what_is_unreleased() -> None:
    headings = re.findall(r"^## (\S+)", text_of("CHANGELOG.md"), re.MULTILINE)
    released = [heading for heading in headings if heading != UNRELEASED]
    assert UNRELEASED not in headings[1:], "what is unreleased stands above every release"
    assert released == sorted(released, key=parsed, reverse=True)
    if gridsearch.__version__ != released[0]:
        assert headings[0] == UNRELEASED
        assert parsed(gridsearch.__version__) > parsed(released[0])


def test_the_version_is_written_once() -> None:
    assert metadata()["version"] == "attr: gridsearch.__version__"
    written = [
        file.relative_to(ROOT).as_posix()
        for file in [ROOT / "setup.cfg", ROOT / "pyproject.toml", *(ROOT / "gridsearch").rglob("*.py")]
        if f'"{gridsearch.__version__}"' in file.read_text(encoding="utf-8")
    ]
    assert written == ["gridsearch/__init__.py"]


def test_contributing_is_one_page() -> None:
    assert len(text_of("CONTRIBUTING.md").splitlines()) <= MOST_LINES


def test_the_supported_pythons_are_those_that_are_tested() -> None:
    supported = pythons.supported_pythons(ROOT / "setup.cfg")
    assert supported == ["3.11", "3.12", "3.13"]
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    assert parser["options"]["python_requires"] == f">={supported[0]}"


def test_a_python_that_is_missing_or_does_not_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LookupError, match=r"there is no python3\.12 on PATH"):
        pythons.find_python("3.12")
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    with pytest.raises(LookupError, match="does not start"):
        pythons.find_python("3.12")

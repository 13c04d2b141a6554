"""One word for one thing: the words that the glossary replaced stay out of code, messages and documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

REPLACED = {
    "home": "log directory",
    "told": "notified, reported, delivered",
    "retell": "backfill",
    "retold": "backfilled",
    "put aside": "paused",
    "lay aside": "was paused",
    "territory": "search space",
    "advice": "guarded strategy",
    "shelf": "paused trials",
    "owed": "remaining",
    "owes": "still needs",
    "standings": "trial states",
    "overdue": "past its deadline",
    "excused": "reclassified",
    "rehearsal": "replay",
    "outside writer": "isolated writer",
    "Judges": "SupportsVerdicts",
    "Steers": "SupportsAnswers",
    "Cancels": "SupportsCancel",
    "Pumped": "SupportsPump",
    "Explains": "SupportsExplanation",
    "Keeps": "SupportsBackfill",
    "Closes": "SupportsClose",
    "Background": "SweepInfo",
}
"""Each private word of earlier versions, with the field's own."""

ALLOWED = (
    re.compile(r"Path\.home\(\)|XDG_CACHE_HOME|user's home|\bHOME\b"),  # the user's, which is one
    re.compile(r"def home\(self\)|by the name `?`?home"),  # SweepInfo's, for writers of 0.1.0
    re.compile(r"told apart|tells? .* apart"),  # distinguished
    re.compile(r"\btold\b(?=( = row|, ended|\)|\"$))|ended, told"),  # a column of schema version 1
)
"""Where such a word means something else, or stands in what earlier versions wrote."""


def texts() -> Iterator[Path]:
    """Yield every file that speaks to readers of the code or of the program."""
    for pattern in (
        "gridsearch/**/*.py",
        "gridsearch/**/*.js",
        "README.md",
        "docs/*.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ):
        yield from sorted(ROOT.glob(pattern))


@pytest.mark.parametrize("word", REPLACED)
def test_a_replaced_word_is_nowhere(word: str) -> None:
    """Upper-case words are names of classes and are looked for as they are; others in any case."""
    exact = re.compile(rf"\b{word}\b", 0 if word[0].isupper() else re.IGNORECASE)
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in texts()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if exact.search(line) and not any(allowed.search(line) for allowed in ALLOWED)
    ]
    assert not found, f"write {REPLACED[word]!r} instead of {word!r}:\n" + "\n".join(found)

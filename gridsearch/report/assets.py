"""Read the page's own files: one style sheet, and scripts that are joined into one."""

from __future__ import annotations

from functools import cache
from importlib import resources

__all__ = ["script", "style"]

SCRIPTS = ("dom.js", "parallel.js", "charts.js", "tables.js", "page.js")
"""In this order they make one script, or one module."""


@cache
def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def style() -> str:
    """Return the style sheet."""
    return _part("style.css")


def script() -> str:
    """Return all scripts as one, which defines ``showFile()`` and ``showLive()``."""
    return '"use strict";\n' + "\n".join(_part(name) for name in SCRIPTS)

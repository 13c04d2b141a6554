"""What a command returns: the same result for programs and for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Answer"]


@dataclass(frozen=True)
class Answer:
    """A command's result, rendered by ``cli.options.show``.

    Args:
        data: what ``--json`` prints.
        text: what people read on stdout; bytes are written unchanged.
        notes: lines for stderr.
        status: the exit status.
    """

    data: Any
    text: str | bytes = ""
    notes: tuple[str, ...] = ()
    status: int = 0

"""Name what can go wrong, as a tree; each class knows the exit status that it ends the command with.

    GridsearchError
    ├── UserError            2   the user can mend it: file, key, bad value, cure
    │   ├── SweepFileError       the sweep file or a --set override
    │   ├── DataError            pictures, folders, archives
    │   └── LogdirError          the log directory: in use, other recipe, damaged, cannot be written
    │       └── NothingRecorded  no sweep has been there yet
    ├── StrategyError        1   the strategy has failed
    └── Interrupted        130   stopped by Ctrl-C or SIGTERM; the same command resumes

Only the command line turns these into exit statuses; library code raises them and lets them pass.
"""

from __future__ import annotations

import re

__all__ = [
    "HIDDEN",
    "DataError",
    "GridsearchError",
    "Interrupted",
    "LogdirError",
    "NothingRecorded",
    "StrategyError",
    "SweepFileError",
    "UserError",
    "hide_passwords",
]

HIDDEN = "***"
"""What stands in messages and in the record where a password was."""

USERINFO = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]*://)[^/\s'\"]+@")
SECRET = re.compile(
    r"([?&;](?:access_token|api_?key|auth|key|passw(?:or)?d|pwd|secret|sig|signature|token|x-amz-signature)=)"
    r"[^&;#\s'\"]+",
    re.IGNORECASE,
)


def hide_passwords(text: str) -> str:
    """Return a text without what addresses in it hold before their host, or as a token or password in their query.

    >>> hide_passwords("http://me:secret@host/mlflow?token=1234")
    'http://***@host/mlflow?token=***'
    """
    return SECRET.sub(rf"\g<1>{HIDDEN}", USERINFO.sub(rf"\g<1>{HIDDEN}@", text))


class GridsearchError(Exception):
    """The root: everything gridsearch raises on purpose."""

    exit_status = 1


class UserError(GridsearchError):
    """Something the user can mend: where, what, and how to mend it. Passwords in addresses are hidden.

    Args:
        problem: what is wrong, in one sentence, with the bad value shown by ``repr``.
        where: the file, folder, key or option it was found in, most general first
            (``"sweep.toml: data.image_size"``); empty when there is no such place.
        cure: what to do about it, as an instruction; empty when the problem says it all.
    """

    exit_status = 2

    def __init__(self, problem: str, *, where: str = "", cure: str = "") -> None:
        self.problem, self.where, self.cure = map(hide_passwords, (problem, where, cure))
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.problem}" + (f"\n  {self.cure}" if self.cure else "")


class SweepFileError(UserError):
    """The sweep file, one of its keys, or a ``--set`` override."""


class DataError(UserError):
    """Pictures that are missing, unreadable or in the wrong place."""


class LogdirError(UserError):
    """The log directory: held by another runner, trained with another recipe, damaged, not writable."""


class NothingRecorded(LogdirError):
    """A log directory without a sweep's record."""


class StrategyError(GridsearchError):
    """A strategy, or the library behind it, has raised; what was running is closed and nothing is lost."""


class Interrupted(GridsearchError):
    """The sweep was asked to stop; what was running is closed and the same command resumes."""

    exit_status = 130

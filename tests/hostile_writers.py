"""Outside writers of a user's own, most of them hostile; each notes what it hears in ``LOGDIR/heard.txt``."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from gridsearch.trials import Epoch, SessionRecord
from gridsearch.writers import SweepInfo


class Listening:
    """Only listens."""

    def __init__(self, background: SweepInfo) -> None:
        self.background = background
        self._note(f"made {background.options.get('greeting', '')} {background.objective.metric}")

    def _note(self, line: str) -> None:
        with Path(self.background.logdir, "heard.txt").open("a", encoding="utf-8") as file:
            print(line, file=file)

    def begin(self, session: SessionRecord) -> None:
        self._note(f"begin {session.name}")

    def epoch(self, epoch: Epoch) -> None:
        self._note(f"epoch {epoch.session} {epoch.epoch}")

    def end(self, session: SessionRecord) -> None:
        self._note(f"end {session.name} {session.status}")

    def close(self) -> None:
        self._note(f"closed {os.getpid()}")


class Raising(Listening):
    def end(self, session: SessionRecord) -> None:
        raise ConnectionError("the server is\nout of order")


class Hanging(Listening):
    """Says nothing more, and has started something that would outlive it."""

    def begin(self, session: SessionRecord) -> None:
        service = subprocess.Popen(["sleep", "600"], start_new_session=True)
        self._note(f"pids {os.getpid()} {service.pid}")
        time.sleep(600)


class Slow(Listening):
    def epoch(self, epoch: Epoch) -> None:
        time.sleep(1.0)


class Dying(Listening):
    def begin(self, session: SessionRecord) -> None:
        print("about to fall", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


class Refusing(Listening):
    def __init__(self, background: SweepInfo) -> None:
        raise ValueError("no such project")


class HangingAtTheEnd(Listening):
    def close(self) -> None:
        time.sleep(600)

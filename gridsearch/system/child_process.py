"""Supervise a child process: a module of this package that talks over a socket pair.

    parent                                   child: python -m MODULE DESCRIPTOR
      ChildProcess ◄── socket pair ────────► Connection(DESCRIPTOR)
                                             stdout and stderr: a file that only ``last_words`` reads
                                             TMPDIR: a folder of its own, removed with it

The child leads a process group of its own, so that what it starts can be ended with it. It is started with the signals
that stop a sweep blocked, so that none can arrive before it has said what they mean to it. End of file on its side
means that the parent is gone. ``multiprocessing`` would run the user's main script again in each child.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing.connection import Connection

import psutil

from gridsearch.system.signals import STOP_SIGNALS

__all__ = ["ChildProcess", "end_tree", "open_standard_descriptors", "remove_temporary_folder"]

SECONDS_TO_LEAVE = 5.0
"""How long a killed process may take to be gone."""

TEMPORARY = "GRIDSEARCH_TEMPORARY"
"""The environment variable that names a child's own temporary folder."""


class ChildProcess:
    """A running child.

    Args:
        module: what is run; it gets the descriptor of its end of the socket pair as its argument.
        environment: added to this process's own.

    Attributes:
        connection: this end of the socket pair; it says EOFError when the child is gone.
        pid: the child's, and its process group's.
    """

    def __init__(self, module: str, environment: Mapping[str, str] | None = None) -> None:
        open_standard_descriptors()
        ours, theirs = socket.socketpair()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self._folder = tempfile.mkdtemp(prefix="gridsearch-")
        own = {"TMPDIR": self._folder, TEMPORARY: self._folder}
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                pass_fds=[theirs.fileno()],
                env={**os.environ, **(environment or {}), **own},
                process_group=0,
            )
        except BaseException:
            ours.close()
            self._remove_files()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
            theirs.close()
        self.pid = self._process.pid
        self.connection = Connection(ours.detach())

    @property
    def ended(self) -> bool:
        """Whether the child is gone; its own children may not be."""
        return self._process.poll() is not None

    def wait(self, seconds: float) -> int | None:
        """Return the child's exit status, negative for a signal; None if it still runs after so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode

    def signal_group(self) -> None:
        """Send SIGKILL to the child and its process group, without waiting."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def kill(self, *, tree: bool = False) -> int | None:
        """End the child with its process group.

        Args:
            tree: also what the child has started in groups of their own.

        Returns:
            Its exit status, or None if even that did not end it.
        """
        if tree:
            end_tree(self.pid)
        self.signal_group()
        return self.wait(SECONDS_TO_LEAVE)

    def last_words(self) -> str:
        """Return the last line that the child printed outside of any log; "" if it printed nothing."""
        try:
            self._output.seek(0)
            said = self._output.read().decode(errors="replace").strip().splitlines()
        except ValueError:  # closed
            return ""
        return said[-1].strip() if said else ""

    def close(self) -> None:
        """Close the connection and remove what the child has left in its temporary folder; end it first."""
        self.connection.close()
        self._remove_files()

    def _remove_files(self) -> None:
        self._output.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def end_tree(pid: int) -> None:
    """Send SIGKILL to a process, to its group and to everything that it has started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for each in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def remove_temporary_folder() -> None:
    """Remove this child's own temporary folder: its parent is gone and cannot do it."""
    if folder := os.environ.get(TEMPORARY):
        shutil.rmtree(folder, ignore_errors=True)


def open_standard_descriptors() -> None:
    """Open the null device for each of stdin, stdout and stderr that is closed.

    A file or socket that is opened later would get its number, and a child would take it for a terminal.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one

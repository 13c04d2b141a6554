"""Tell whether the process that holds a lock still lives."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ProcessIdentity", "boot_id", "start_ticks"]


def boot_id() -> str:
    """Return what tells this run of this machine from the one before its last restart."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import psutil

        return f"{psutil.boot_time():.0f}"


def start_ticks(pid: int) -> int:
    """Return when a process began, in clock ticks since the machine did; -1 if there is none.

    Ticks do not move when someone sets the clock, unlike a creation time in seconds since 1970.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return -1 if fields[0] in (b"Z", b"X") else int(fields[19])
    except FileNotFoundError:
        return -1 if Path("/proc/self/stat").exists() else _start_seconds(pid)
    except OSError:  # it ended while it was looked at
        return -1


def _start_seconds(pid: int) -> int:
    """Return the same where there is no /proc: whole seconds since 1970."""
    import psutil

    try:
        process = psutil.Process(pid)
        return -1 if process.status() == psutil.STATUS_ZOMBIE else int(process.create_time())
    except psutil.NoSuchProcess:
        return -1


def pid_namespace() -> str:
    """Return the PID namespace of this process; "" where there is none."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """What tells a process from every other one.

    Args:
        host: the machine's name.
        pid: its number there, which is used again after its end.
        ticks: when it began, in clock ticks since the machine did; a number is used again, a beginning is not.
        boot: that machine's ``boot_id``.
        namespace: the PID namespace that the number belongs to: a container has one of its own.
    """

    host: str
    pid: int
    ticks: int
    boot: str
    namespace: str

    @classmethod
    def current(cls) -> ProcessIdentity:
        """Return the identity of this process."""
        return cls(socket.gethostname(), os.getpid(), start_ticks(os.getpid()), boot_id(), pid_namespace())

    def is_alive(self) -> bool | None:
        """Return whether the process lives; None where that cannot be seen from here.

        It cannot be seen from another host or from another PID namespace, such as another container.
        """
        here = ProcessIdentity.current()
        if self.host != here.host:
            return None
        if self.boot != here.boot:
            return False
        if self.namespace != here.namespace:
            return None
        return start_ticks(self.pid) == self.ticks

"""Whether the process that holds a lock still lives."""

from __future__ import annotations

import socket
import time
from pathlib import Path

__all__ = ["boot_id", "is_alive"]

DEAD_AFTER = 120.0
"""Seconds without a sign of life after which a runner on another host counts as dead."""


def boot_id() -> str:
    """What tells this run of this machine from the one before its last restart."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import psutil

        return f"{psutil.boot_time():.0f}"


def is_alive(host: str, pid: int, born: float, boot: str, beat: float) -> bool:
    """Whether a runner is still there.

    Args:
        host: where it runs.
        pid: its process there.
        born: when that process began, in seconds since 1970; a number is used again, a beginning is not.
        boot: that machine's ``boot_id``.
        beat: its last sign of life, in seconds since 1970; all there is to go by on another host.
    """
    import psutil

    if host != socket.gethostname():
        return time.time() - beat < DEAD_AFTER
    if boot != boot_id():
        return False
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - born) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

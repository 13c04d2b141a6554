"""The command line on a machine that differs: ``python skewed.py SETTING=VALUE... -- sweep sweep.toml``.

offset=3600       seconds by which this process's clock is ahead of the real one
host=elsewhere    the machine's name
namespace=other   the PID namespace
locks=none        a file system without locks
beat=0.2          seconds between heartbeats; the watch of an old heartbeat shrinks with it
"""

from __future__ import annotations

import sys
import time


def main() -> None:
    """Put the settings in, then run the command line."""
    place = sys.argv.index("--")
    settings = dict(argument.split("=", 1) for argument in sys.argv[1:place])
    sys.argv = ["gridsearch", *sys.argv[place + 1 :]]
    from filelock import FileLock

    from gridsearch.record import lock
    from gridsearch.system import liveness

    real, offset = time.time, float(settings.get("offset", 0))
    time.time = lambda: real() + offset
    if "host" in settings:
        liveness.socket.gethostname = lambda: settings["host"]
    if "namespace" in settings:
        liveness.pid_namespace = lambda: settings["namespace"]
    if "beat" in settings:
        beat = float(settings["beat"])
        lock.BEAT_EVERY, lock.WATCH, lock.DEAD_AFTER = beat, 5 * beat, 3 * beat
    if "locks" in settings:

        def refuse(self: FileLock, *args: object, **kwargs: object) -> None:
            raise NotImplementedError("no locks on this file system")

        lock.FileLock.acquire = refuse
    from gridsearch.cli import main as run

    run()


if __name__ == "__main__":
    main()

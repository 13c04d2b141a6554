"""Objectives that sweeps under test train: quick functions that only report numbers, some of them hostile."""

from __future__ import annotations

import codecs
import gc
import io
import locale
import logging
import math
import multiprocessing
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import warnings
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Report = Callable[[int, Mapping[str, float]], None]


def numbers(values: Mapping[str, Any], report: Report) -> dict[str, float]:
    """Three epochs towards x; notes each finished training in the file that TRAININGS names."""
    x = float(values["x"])
    for epoch in range(3):
        report(epoch, {"accuracy": x * (epoch + 1) / 3, "loss": 1.0 - x})
        time.sleep(float(os.environ.get("EPOCH_SECONDS", "0")))
    note = os.environ.get("TRAININGS")
    if note:
        descriptor = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{x!r}\n".encode())
        os.close(descriptor)
    return {"accuracy": x}


def gated(values: Mapping[str, Any], report: Report) -> dict[str, float]:
    """Like ``numbers``; with x above 0.5 it waits after its second epoch for the file that GO_ON names."""
    x = float(values["x"])
    for epoch in range(3):
        report(epoch, {"accuracy": x * (epoch + 1) / 3, "loss": 1.0 - x})
        if epoch == 1 and x > 0.5:
            _wait_for_the_file()
    return {"accuracy": x}


def _wait_for_the_file() -> None:
    """Wait for the file that GO_ON names, and no longer than any test may take: a test that failed never makes it."""
    deadline = time.monotonic() + 600
    while not Path(os.environ["GO_ON"]).exists():
        assert time.monotonic() < deadline, "nobody has made the file that GO_ON names"
        time.sleep(0.02)


def scored(values: Mapping[str, Any], report: Report) -> dict[str, float]:
    """A response that depends on every value, in three epochs; one combination in six fails, loudly."""
    name = repr(sorted(values.items())).encode()
    random.seed(name)
    numeric = [float(value) for value in values.values() if not isinstance(value, str)]
    score = sum(math.tanh(number) for number in numeric) / (len(numeric) or 1) + random.gauss(0, 0.05)
    report(0, {"accuracy": score / 2, "loss": 2.0})
    if zlib.crc32(name) % 6 == 0:
        print("</script><script>window.attacked = 1</script><img src=x onerror='window.attacked = 1'>")
        raise RuntimeError("<b>no</b> & 'nothing' \"at\" all \N{PILE OF POO}")
    for epoch in (1, 2):
        report(epoch, {"accuracy": score * (epoch + 1) / 3, "loss": 1.0 / epoch})
    return {"accuracy": score}


def behaving(values: Mapping[str, Any], report: Report) -> dict[str, float]:
    """Does what the HParam ``behaviour`` says."""
    return BEHAVIOURS[str(values["behaviour"])](report)


def _fine(report: Report) -> dict[str, float]:
    print("trained well")
    report(0, {"accuracy": 0.25})
    report(1, {"accuracy": 0.75})
    return {"accuracy": 0.5}


def _raises(report: Report) -> dict[str, float]:
    report(0, {"accuracy": 0.1})
    raise RuntimeError("out of\nlearning")


def _diverges(report: Report) -> dict[str, float]:
    report(0, {"accuracy": 0.1, "loss": float("nan")})
    return {"accuracy": 1.0}


def _reports_infinity_at_the_end(report: Report) -> dict[str, float]:
    return {"accuracy": float("inf")}


def _forgets_the_metric(report: Report) -> dict[str, float]:
    report(0, {"precision": 0.3})
    return {"recall": 0.4}


def _is_killed(report: Report) -> dict[str, float]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def _leaves(report: Report) -> dict[str, float]:
    os._exit(3)


def _hangs(report: Report) -> dict[str, float]:
    report(0, {"accuracy": 0.1})
    time.sleep(600)
    return {}


def _eats_memory(report: Report) -> dict[str, float]:
    """Grows within the control group that MEMORY_GROUP names until the kernel has enough of it."""
    Path(os.environ["MEMORY_GROUP"], "cgroup.procs").write_text(str(os.getpid()))
    eaten = [bytearray(os.urandom(2**20)) for _ in range(2000)]  # ten times what the group may hold
    raise RuntimeError(f"{len(eaten)} MiB, and nobody objected")


def _starts_something_and_hangs(report: Report) -> dict[str, float]:
    subprocess.Popen(["sleep", "300"])
    report(0, {"accuracy": 0.1})
    time.sleep(300)
    return {}


def _forks_and_dies(report: Report) -> dict[str, float]:
    """The fork holds the worker's connection open when the worker is dead."""
    if os.fork() == 0:
        time.sleep(300)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def _asks_python_to_exit(report: Report) -> dict[str, float]:
    sys.exit(3)


def _names_what_utf8_cannot(report: Report) -> dict[str, float]:
    raise FileNotFoundError("b\udcff.jpg")


def _is_random(report: Report) -> dict[str, float]:
    return {"accuracy": random.random()}


def _waits_for_a_file(report: Report) -> dict[str, float]:
    report(0, {"accuracy": 0.1})
    _wait_for_the_file()
    return {"accuracy": 0.2}


def _ends_what_it_has_started(report: Report) -> dict[str, float]:
    """A program, and a fork of itself, by the signal that asks for it."""
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    program.terminate()
    assert program.wait(20) == -signal.SIGTERM
    fork = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
    fork.start()
    fork.terminate()
    fork.join(20)
    assert fork.exitcode == -signal.SIGTERM
    return {"accuracy": 0.5}


class Odd(BaseException):
    """None that an ``except Exception`` sees, and one that cannot say what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


def _raises_something_odd(report: Report) -> dict[str, float]:
    raise Odd


def _closes_its_output(report: Report) -> dict[str, float]:
    sys.stdout = io.StringIO()
    sys.stdout.close()
    sys.stderr = None  # type: ignore[assignment]
    return {"accuracy": 0.5}


def _wraps_its_output(report: Report) -> dict[str, float]:
    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
    sys.stderr = codecs.getwriter("utf-8")(sys.stderr.detach())  # type: ignore[assignment]
    print("wrapped", file=sys.stderr)
    return {"accuracy": 0.5}


def _closes_the_real_output(report: Report) -> dict[str, float]:
    sys.stdout.close()
    sys.stderr.close()
    raise RuntimeError("nowhere to say this")


def _leaves_a_package_without_version(report: Report) -> dict[str, float]:
    sys.modules.setdefault("torch", types.ModuleType("torch"))
    return {"accuracy": 0.5}


def _changes_its_process(report: Report) -> dict[str, float]:
    """Changes what a process has one of, as users' functions do, by the way; all of it could be put back."""
    os.chdir("/")
    os.environ["CUDA_VISIBLE_DEVICES"], os.environ["TZ"] = "7", "Asia/Tokyo"
    del os.environ["PYTHONUNBUFFERED"]
    time.tzset()
    os.umask(0o007)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    sys.path.insert(0, "/nowhere")
    sys.argv.append("--more")
    sys.setrecursionlimit(5000)
    warnings.simplefilter("error")
    gc.disable()
    socket.setdefaulttimeout(1.0)
    tempfile.tempdir = "/"
    logging.basicConfig(level=logging.DEBUG)
    logging.getLogger("mine").addHandler(logging.StreamHandler())
    logging.disable(logging.ERROR)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, 600)
    random.seed(7)
    return {"accuracy": 0.5}


def _shows_its_process(report: Report) -> dict[str, float]:
    """Prints what the behaviour before changes, in lines."""
    names = [name for name in os.environ if not name.startswith("PYTEST_")]
    for name in sorted(names):
        print(f"environment {name}", os.environ[name])
    print("folder", Path.cwd(), "umask", Path("/proc/self/status").read_text().partition("Umask:")[2].split()[0])
    print("limits", resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NOFILE))
    print("time zone", time.tzname, "locale", locale.setlocale(locale.LC_ALL), "argv", sys.argv)
    print("path", sys.path, "recursion", sys.getrecursionlimit(), "collected", gc.isenabled())
    print("filters", warnings.filters[:3], "timeout", socket.getdefaulttimeout(), "folder", tempfile.tempdir)
    root, mine = logging.root, logging.getLogger("mine")
    print("logging", root.level, root.handlers, mine.handlers, root.manager.disable)
    print("processors", os.sched_getaffinity(0), "alarm", signal.getitimer(signal.ITIMER_REAL)[0] > 400)
    print("signals", *("ignored" if signal.getsignal(n) is signal.SIG_IGN else "" for n in (15, 14)))
    print("alarm", signal.getsignal(signal.SIGALRM), "random", random.random())
    return {"accuracy": 0.5}


def _leaves_a_thread(report: Report) -> dict[str, float]:
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    return {"accuracy": 0.5}


def _lowers_a_limit_for_good(report: Report) -> dict[str, float]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))
    os.setuid(65534)  # who cannot raise it again
    return {"accuracy": 0.5}


def _removes_its_folder(report: Report) -> dict[str, float]:
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)
    return {"accuracy": 0.5}


BEHAVIOURS: dict[str, Callable[[Report], dict[str, float]]] = {
    "fine": _fine,
    "raises": _raises,
    "diverges": _diverges,
    "infinite": _reports_infinity_at_the_end,
    "forgets": _forgets_the_metric,
    "killed": _is_killed,
    "leaves": _leaves,
    "hangs": _hangs,
    "eats": _eats_memory,
    "starts": _starts_something_and_hangs,
    "forks": _forks_and_dies,
    "exits": _asks_python_to_exit,
    "odd bytes": _names_what_utf8_cannot,
    "random": _is_random,
    "waits": _waits_for_a_file,
    "ends": _ends_what_it_has_started,
    "odd": _raises_something_odd,
    "closes": _closes_its_output,
    "wraps": _wraps_its_output,
    "closes it": _closes_the_real_output,
    "unversioned": _leaves_a_package_without_version,
    "changes": _changes_its_process,
    "shows": _shows_its_process,
    "leaves a thread": _leaves_a_thread,
    "lowers a limit": _lowers_a_limit_for_good,
    "removes its folder": _removes_its_folder,
}

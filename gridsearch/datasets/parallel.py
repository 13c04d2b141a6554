"""Apply a function to many pictures in several processes, without leaving any process behind.

Decoding needs nothing but processors, so it is done in processes. They are spawned, not forked, since the parent may
have threads (a progress bar, TensorBoard) that do not survive a fork. Beyond a bare ``ProcessPoolExecutor``:

- jobs are drawn lazily, so that unpacking an archive never runs far ahead of decoding it;
- only the parent reacts to Ctrl-C, and then waits for the few pictures in flight;
- workers end when their parent is killed.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from gridsearch.errors import DataError
from gridsearch.system.hardware import processors

__all__ = ["Progress", "map_pictures"]

Progress = Callable[[int, int], None]
"""Called with what is done and the total, first with 0 done."""

Job = TypeVar("Job")
Result = TypeVar("Result")

_CHUNK = 16
_CHUNKS_IN_FLIGHT = 4  # per worker
_WORTH_A_POOL = 200  # starting the processes takes as long as decoding about so many pictures
_MOST_WORKERS = 16


def map_pictures(
    function: Callable[[Job], Result], jobs: Iterable[Job], *, total: int, workers: int | None = None
) -> Generator[Result, None, None]:
    """Yield ``function(job)`` for every job, in order; close the generator if you leave it early.

    Args:
        function: a module-level function; it, the jobs and the results must be picklable.
        jobs: drawn as they are needed, in the calling process.
        total: how many jobs there are; few of them are done in the calling process.
        workers: processes, 1 or more; 1 works in the calling process, None takes one per processor up to 16.

    Raises:
        DataError: a worker process died, or `workers` is less than 1.
    """
    if workers is not None and workers < 1:
        raise DataError(f"{workers!r} worker processes", cure="Give 1 or more.")
    workers = workers or min(processors(), _MOST_WORKERS)
    if workers == 1 or total < _WORTH_A_POOL:
        yield from map(function, jobs)
        return
    try:
        yield from _in_processes(function, jobs, workers)
    except BrokenProcessPool as error:
        raise DataError(
            "a process that decodes pictures died (killed, perhaps for want of memory)",
            cure="Try again with fewer workers; with 1 it all happens in this process.",
        ) from error


def _in_processes(
    function: Callable[[Job], Result], jobs: Iterable[Job], workers: int
) -> Generator[Result, None, None]:
    remaining = iter(jobs)
    in_flight: deque[Future[list[Result]]] = deque()
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start_worker)
    try:
        while True:
            while len(in_flight) < workers * _CHUNKS_IN_FLIGHT and (chunk := list(islice(remaining, _CHUNK))):
                in_flight.append(pool.submit(_run_chunk, function, chunk))
            if not in_flight:
                return
            yield from in_flight.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _run_chunk(function: Callable[[Job], Result], chunk: list[Job]) -> list[Result]:
    return [function(job) for job in chunk]


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)  # the main thread is stuck reading a queue that nobody will write to again

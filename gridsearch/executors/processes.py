"""Train in worker processes, which stay warm from one trial to the next.

    runner process                            worker process (executors.child)
      Processes ── Task ──── socket pair ────► run_session, stdout and stderr in run-0007/log.txt
                ◄─ Epoch, Heartbeat, Ended ──
                                              end of file here: the runner is gone, so the worker goes, too
      end of file there: the worker is gone, which is its task's outcome

Workers are started afresh, never forked: TensorFlow does not survive a fork. ``system.child_process`` supervises them.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path

from gridsearch.executors.placement import Place
from gridsearch.system.child_process import ChildProcess
from gridsearch.training.task import Task
from gridsearch.trials import Ended, FailureKind, Message, Outcome, Verdict

__all__ = ["ProcessExecutor"]

GROWTH = 1.5
GROWTH_SLACK = 512 * 2**20
"""A worker goes when it holds more than 1.5 times what it held after its second trial, and 512 MiB on top."""

SECONDS_TO_LEAVE = 5.0


@dataclass
class _Worker:
    child: ChildProcess
    place: Place
    oom_kills: int = 0
    """The kernel's count when its task began."""
    task: Task | None = None
    sizes: list[int] = field(default_factory=list)
    """Resident bytes after each trial."""

    @property
    def outgrown(self) -> bool:
        """Whether its memory has grown so much that a fresh worker is better."""
        return len(self.sizes) > 2 and self.sizes[-1] > GROWTH * self.sizes[1] + GROWTH_SLACK


class ProcessExecutor:
    """Worker processes, started when there is work for them.

    Args:
        places: one for each worker that there may be at a time.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self.slots, self._places = len(places), tuple(places)
        self.workers: list[_Worker] = []
        self._cancelled: list[Message] = []

    def submit(self, task: Task) -> None:
        """Hand the task to a warm worker, or start one."""
        task.directory.mkdir(parents=True, exist_ok=True)
        idle = next((worker for worker in self.workers if worker.task is None), None)
        if idle is not None and idle.outgrown:
            self._dismiss(idle)
            idle = None
        worker = idle or self._start()
        worker.task, worker.oom_kills = task, _oom_kills()
        with contextlib.suppress(OSError):  # it died while idle: collect finds the end of its connection and says so
            worker.child.connection.send(task)

    def _start(self) -> _Worker:
        place = self._free_place()
        worker = _Worker(ChildProcess("gridsearch.executors.worker", {**_quiet(), **place.environment}), place)
        self.workers.append(worker)
        return worker

    def _free_place(self) -> Place:
        free = list(self._places)
        for worker in self.workers:
            free.remove(worker.place)
        return free[0]

    def collect(self, seconds: float) -> list[Message]:
        """Return what the workers say; a dead worker's task ends as ``killed``."""
        messages, self._cancelled = self._cancelled, []
        by_connection = {worker.child.connection: worker for worker in self.workers}
        for ready in wait(list(by_connection), 0.0 if messages else seconds):
            messages += self._receive(by_connection[ready])  # type: ignore[index]  # wait returns what it was given
        for worker in list(self.workers):
            # A process that the trial forked may hold the connection of a worker that is dead.
            if worker.child.ended:
                messages += self._receive(worker)
                messages += self._dead(worker) if worker in self.workers else []
        return messages

    def _receive(self, worker: _Worker) -> list[Message]:
        messages: list[Message] = []
        try:
            while worker.child.connection.poll():
                message, size = worker.child.connection.recv()
                messages.append(message)
                if isinstance(message, Ended):
                    worker.task = None
                    worker.sizes.append(size)
        except (EOFError, OSError):
            messages += self._dead(worker)
        return messages

    def _dead(self, worker: _Worker) -> list[Message]:
        task, why = worker.task, self._bury(worker)
        return [] if task is None else [Ended(task.session.name, Outcome.failed(FailureKind.KILLED, why))]

    def _bury(self, worker: _Worker) -> str:
        """Forget a worker that has closed its connection, and say what it died of."""
        self.workers.remove(worker)
        worker.child.wait(SECONDS_TO_LEAVE)
        status = worker.child.kill()
        said = worker.child.last_words()
        worker.child.close()
        return _cause_of_death(status, out_of_memory=_oom_kills() > worker.oom_kills) + (f" ({said})" if said else "")

    def answer(self, session: str, epoch: int, verdict: Verdict) -> None:
        """Tell the worker that trains this session, which waits for it."""
        for worker in self.workers:
            if worker.task is not None and worker.task.session.name == session:
                with contextlib.suppress(OSError):  # it died meanwhile: collect says so
                    worker.child.connection.send((session, epoch, verdict))

    def cancel(self, session: str, outcome: Outcome) -> None:
        """Kill the worker that trains this session."""
        for worker in self.workers:
            if worker.task is not None and worker.task.session.name == session:
                self.workers.remove(worker)
                self._cancelled += [*self._end(worker), Ended(session, outcome)]
                return

    def _dismiss(self, worker: _Worker) -> None:
        self.workers.remove(worker)
        self._end(worker)

    def _end(self, worker: _Worker) -> list[Message]:
        """Kill a worker, and return what it had said before: its trial may have ended just now."""
        worker.child.kill()
        said: list[Message] = []
        with contextlib.suppress(EOFError, OSError):
            while worker.child.connection.poll():
                said.append(worker.child.connection.recv()[0])
        worker.child.close()
        return said

    def close(self) -> None:
        """End every worker, and what their trials have started; what they had said is left for ``collect``."""
        for worker in self.workers:  # all at once: none goes on while another is waited for
            worker.child.signal_group()
        for worker in self.workers:
            self._cancelled += self._end(worker)
        self.workers.clear()


def _quiet() -> dict[str, str]:
    """Return what keeps libraries from talking, unless the user has set it otherwise."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}
    return {name: os.environ.get(name, value) for name, value in quiet.items()}


def _cause_of_death(status: int | None, *, out_of_memory: bool) -> str:
    if status == -signal.SIGKILL and out_of_memory:
        return "the kernel killed the worker: out of memory"
    if status is None:
        return "the worker hung up and could not be ended"
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = "unknown"
        return f"the worker was killed by signal {-status} ({name})"
    return f"the worker left with exit status {status}"


def _oom_kills() -> int:
    """Return how often this machine's kernel has killed for memory, in any control group; 0 if unknown."""
    try:
        counters = Path("/proc/vmstat").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in counters.splitlines() if line.startswith("oom_kill "))
    except (OSError, StopIteration):
        return 0

"""Run one isolated writer: ``python -m gridsearch.writers.isolated_process FD``."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from gridsearch.record.reader import read_history
from gridsearch.system.child_process import end_tree, remove_temporary_folder
from gridsearch.system.signals import STOP_SIGNALS
from gridsearch.trials import Epoch, SessionRecord
from gridsearch.writers import SupportsClose, SweepInfo, Writer, replay_session
from gridsearch.writers.factory import load_writer

__all__ = ["main"]


def main(descriptor: int) -> None:
    """Make a writer and pass on what arrives, until the runner closes it or is gone."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    connection = Connection(descriptor)
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, messages), daemon=True).start()
    try:
        name, info = messages.get()
        relay = Relay(load_writer(name)(info), info)
        connection.send("")
        while True:
            what, about = messages.get()
            getattr(relay, what)(about)
            connection.send("")
            if what == "close":
                return
    except Exception as error:
        traceback.print_exc()
        with suppress(OSError):
            connection.send(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


def _receive(connection: Connection, messages: queue.SimpleQueue[Any]) -> None:
    """Queue messages as they arrive; at the end of the connection, kill this process and everything it started."""
    with suppress(EOFError, OSError):
        while True:
            messages.put(connection.recv())
    remove_temporary_folder()
    end_tree(os.getpid())


class Relay:
    """Reports every session to a writer from its beginning.

    A session that a dead runner began, or that resumes after a pause, is reported whole when it has ended. Otherwise
    W&B would lose the epochs before the pause, and MLflow their number.
    """

    def __init__(self, writer: Writer, info: SweepInfo) -> None:
        self._writer, self._logdir = writer, info.logdir
        self._open: set[str] = set()

    def begin(self, session: SessionRecord) -> None:
        if session.resumed is None:
            self._open.add(session.name)
            self._writer.begin(session)

    def epoch(self, epoch: Epoch) -> None:
        if epoch.session in self._open:
            self._writer.epoch(epoch)

    def end(self, session: SessionRecord) -> None:
        if session.name in self._open:
            self._open.remove(session.name)
            self._writer.end(session)
        else:
            replay_session(self._writer, session, read_history(self._logdir, session.name))

    def close(self, nothing: None) -> None:
        if isinstance(self._writer, SupportsClose):
            self._writer.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""Servers on loopback that serve nobody well."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator


def _hangs(connection: socket.socket) -> None:
    time.sleep(300)


def _resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _answers(status: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    return answer


BEHAVIOURS = {
    "fails": _answers(b"500 Internal Server Error"),
    "is rate-limited": _answers(b"429 Too Many Requests"),
    "hangs": _hangs,
    "resets": _resets,
}


@contextlib.contextmanager
def server(behaviour: str) -> Iterator[tuple[str, list[float]]]:
    """Its address, and when it was called."""
    listening, calls = socket.create_server(("127.0.0.1", 0)), list[float]()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                calls.append(time.time())
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            BEHAVIOURS[behaviour](connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", calls
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()

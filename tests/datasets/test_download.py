"""Downloads over connections that break, from servers that do and do not continue; all on the loopback device."""

import base64
import errno
import hashlib
import os
import re
import shutil
import socket
import threading
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gridsearch.datasets.download import download, file_name
from gridsearch.errors import DataError

CONTENT = os.urandom(1_500_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """A file server and how it misbehaves."""

    content: bytes = CONTENT
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    ranges: bool = True
    tells_length: bool = True
    drop_after: list[int] = field(default_factory=list)  # bytes sent of each of the first replies
    statuses: list[int] = field(default_factory=list)  # of the first replies, 0 for a good one
    redirect: str = ""
    asked: list[str] = field(default_factory=list)  # the Range header of every request
    credentials: list[str] = field(default_factory=list)  # and the Authorization header
    url: str = ""

    def reply(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.headers.get("Range", ""))
        self.credentials.append(request.headers.get("Authorization", ""))
        if self.redirect and request.path != "/there":
            request.send_response(302)
            request.send_header("Location", self.redirect)
            request.end_headers()
        elif self.statuses and (status := self.statuses.pop(0)):
            request.send_error(status)
        else:
            self._send_file(request)

    def _send_file(self, request: BaseHTTPRequestHandler) -> None:
        start = self._start(request)
        if start > len(self.content):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        if self.tells_length:
            request.send_header("Content-Length", str(len(self.content) - start))
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.end_headers()
        end = start + self.drop_after.pop(0) if self.drop_after else None
        request.wfile.write(self.content[start:end])

    def _start(self, request: BaseHTTPRequestHandler) -> int:
        if not self.ranges or request.headers.get("If-Range") not in self.headers.values():
            return 0
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        return int(asked[1]) if asked else 0


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    behaviour = Server()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Stay silent."""

    Handler.do_GET = lambda self: behaviour.reply(self)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        behaviour.url = f"http://127.0.0.1:{listening.server_port}/pets.zip"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield behaviour
        listening.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "made/pets.zip"


def fetch(server: Server, target: Path, **options):
    return download(server.url, target, **{"sha256": DIGEST, "pause": 0.001, "attempts": 3, "timeout": 5.0} | options)


def stop_halfway(server: Server, target: Path) -> None:
    """Leave the first 500,000 bytes behind."""
    server.drop_after, server.statuses = [500_000], [0, 503]
    with pytest.raises(DataError, match="answers 503"):
        fetch(server, target, attempts=1)
    assert target.with_name("pets.zip.part").stat().st_size == 500_000


def assert_only(target: Path, content: bytes = CONTENT) -> None:
    assert target.read_bytes() == content
    assert list(target.parent.iterdir()) == [target]


def test_a_file_is_downloaded_whole_with_its_progress_in_bytes(server, target):
    seen = []
    assert fetch(server, target, on_progress=lambda done, total: seen.append((done, total))) == target
    assert_only(target)
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


def test_a_dropped_connection_goes_on_where_it_stopped(server, target):
    server.drop_after = [500_000, 300_000]
    fetch(server, target)
    assert_only(target)
    assert server.asked == ["", "bytes=500000-", "bytes=800000-"]


def test_last_modified_serves_where_there_is_no_strong_tag(server, target):
    server.headers = {"ETag": 'W/"weak"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
    server.drop_after = [500_000]
    fetch(server, target)
    assert_only(target)
    assert server.asked == ["", "bytes=500000-"]


def test_a_later_run_goes_on_where_an_interrupted_one_stopped(server, target):
    def interrupt(done, total):
        if done > 700_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server, target, on_progress=interrupt)
    assert not target.exists()
    fetch(server, target)
    assert_only(target)
    assert int(server.asked[1].strip("bytes=-")) > 500_000


def test_a_run_killed_just_before_the_end_needs_no_second_download(server, target, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fetch(server, target)
    fetch(server, target)
    assert_only(target)
    assert server.asked == [""]


def test_a_file_that_changed_meanwhile_is_not_stitched_together(server, target):
    stop_halfway(server, target)
    server.content, server.headers = CONTENT[::-1], {"ETag": '"two"'}
    fetch(server, target, sha256=None)
    assert server.asked[-1] == "bytes=500000-"
    assert_only(target, CONTENT[::-1])


def test_a_partial_file_without_a_version_is_thrown_away(server, target):
    target.parent.mkdir()
    target.with_name("pets.zip.part").write_bytes(b"from somewhere else")
    target.with_name("pets.zip.part.json").write_text("{damaged")
    fetch(server, target)
    assert_only(target)
    assert server.asked == [""]


def test_a_partial_file_of_another_address_is_thrown_away(server, target):
    stop_halfway(server, target)
    server.url = server.url.replace("pets", "other")
    fetch(server, target)
    assert server.asked[-1] == ""
    assert_only(target)


def test_a_server_that_ignores_ranges_is_read_from_the_start_again(server, target):
    server.ranges, server.drop_after = False, [500_000]
    fetch(server, target)
    assert_only(target)


def test_a_server_that_ignores_ranges_and_always_drops_is_given_up(server, target):
    server.ranges, server.drop_after = False, [500_000] * 50
    with pytest.raises(DataError, match=r"ended after 500,000 of 1,500,000 bytes \(3 attempts\)"):
        fetch(server, target)
    assert len(server.asked) == 4  # the first one brought something new
    assert not target.exists()


def test_a_partial_file_longer_than_the_file_is_now_is_thrown_away(server, target):
    stop_halfway(server, target)
    server.content = CONTENT[:100]
    fetch(server, target, sha256=None)
    assert_only(target, CONTENT[:100])


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_told_at_once(status, server, target):
    server.statuses = [status] * 9
    with pytest.raises(DataError, match=f"the server answers {status}") as told:
        fetch(server, target)
    assert server.url in str(told.value)
    assert len(server.asked) == 1
    assert list(target.parent.iterdir()) == []


def test_a_server_in_trouble_is_asked_again(server, target):
    server.statuses = [503, 500, 0]
    fetch(server, target)
    assert_only(target)


def test_a_server_in_lasting_trouble_is_given_up(server, target):
    server.statuses = [503] * 9
    with pytest.raises(DataError, match="answers 503"):
        fetch(server, target)
    assert len(server.asked) == 3


def test_nobody_listening_is_told_after_the_last_attempt(target, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as taken:  # bound but not listening
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/pets.zip"
        with pytest.raises(DataError, match=r"no connection: .*refused.* \(2 attempts\)"):
            download(url, target, sha256=None, attempts=2, pause=0.001)


def test_a_server_that_falls_silent_counts_as_dropped(target, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/pets.zip"
        with pytest.raises(DataError, match="timed out"):
            download(url, target, sha256=None, attempts=2, pause=0.001, timeout=0.1)


def test_another_digest_is_told_and_the_file_removed(server, target):
    with pytest.raises(DataError, match=f"SHA-256 digest {DIGEST}, not 0000"):
        fetch(server, target, sha256="0" * 64)
    assert list(target.parent.iterdir()) == []


def test_a_file_that_is_there_is_verified_and_not_fetched(server, target):
    fetch(server, target)
    assert fetch(server, target) == target
    assert fetch(server, target, sha256=DIGEST.upper()) == target
    assert fetch(server, target, sha256=None) == target
    assert len(server.asked) == 1
    with pytest.raises(DataError, match="Remove it"):
        fetch(server, target, sha256="0" * 64)
    assert_only(target)


def test_a_file_of_unknown_length_is_downloaded(server, target):
    server.tells_length = False
    seen = []
    fetch(server, target, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(CONTENT), None)
    assert_only(target)


def test_a_redirection_is_followed_but_not_out_of_http(server, target):
    server.redirect = "/there"
    fetch(server, target)
    assert_only(target)
    target.unlink()
    for elsewhere in ("file:///etc/passwd", "ftp://127.0.0.1/x", "http://[", "http://me:secret@[/", "data:,x"):
        server.redirect, asked = elsewhere, len(server.asked)
        with pytest.raises(DataError, match="the server redirects to") as error:
            fetch(server, target)
        assert not target.exists()
        assert len(server.asked) == asked + 1, "trying again is no use"
        assert "secret" not in str(error.value)


def test_a_password_is_sent_to_its_own_server_only_and_appears_nowhere(server, target):
    server.redirect = server.url.replace("127.0.0.1", "localhost").replace("pets.zip", "there")
    url = server.url.replace("http://", "http://me:s%40cret@", 1)
    download(url, target, sha256=None, pause=0.001)
    assert server.credentials == [f"Basic {base64.b64encode(b'me:s@cret').decode()}", ""]
    target.unlink()
    server.redirect, server.statuses = "", [404]
    with pytest.raises(DataError) as error:
        download(url, target, sha256=None, pause=0.001)
    assert "cret" not in str(error.value)
    with pytest.raises(DataError) as error:
        download("http://me:secret@host/ü", target, sha256=None)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["", "pets.zip", "file:///etc/passwd", "ftp://host/x", "http://", "http://h:x/", "http://[", "http://h/ü y"]
)
def test_what_is_no_http_address_is_told(url, target):
    with pytest.raises(DataError, match="an address"):
        download(url, target, sha256=None)


def test_what_is_no_digest_is_told(target):
    with pytest.raises(DataError, match="not a SHA-256 digest"):
        download("http://127.0.0.1/x", target, sha256="abc")


def test_a_file_larger_than_the_disk_is_refused_before_its_body(server, target, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 0, 10))
    with pytest.raises(DataError, match="only 10 are free"):
        fetch(server, target)


def test_a_full_disk_is_told_and_not_tried_again(server, target, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    original = Path.open
    monkeypatch.setattr(Path, "open", lambda self, mode="r", **k: Full() if mode == "ab" else original(self, mode, **k))
    with pytest.raises(DataError, match="No space left on device"):
        fetch(server, target)
    assert len(server.asked) == 1


def test_a_name_that_no_file_can_have_is_told(tmp_path):
    with pytest.raises(DataError, match="File name too long"):
        download("http://127.0.0.1/x", tmp_path / ("x" * 300), sha256=None)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://host/a/train.zip", "train.zip"),
        ("https://host/a/train.zip?Expires=1&Signature=a/b#part", "train.zip"),
        ("https://host/?file=train.zip", "host"),
        ("?", "archive"),
    ],
)
def test_a_download_is_named_by_its_path_which_is_the_same_tomorrow(url, name):
    assert file_name(url) == name


def test_a_folder_in_the_place_of_the_target_is_told(tmp_path):
    with pytest.raises(DataError, match="a folder where a file"):
        download("http://127.0.0.1/x", tmp_path, sha256=None)
    with pytest.raises(DataError, match="a folder where a file"):
        download("http://127.0.0.1/x", Path(), sha256=None)

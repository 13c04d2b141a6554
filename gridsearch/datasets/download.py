"""Fetch a large file over an unreliable connection, and verify it.

A download that stops goes on where it stopped, in this run or in a later one. Two versions of a file are never joined:
the request names the version of the first part (``If-Range``), and the server sends everything if it has another one.
The file appears under its name only when it is complete and, if its digest is known, verified.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote_to_bytes, urljoin, urlsplit

from gridsearch.errors import DataError

__all__ = ["ByteProgress", "download", "file_name", "verify"]

ByteProgress = Callable[[int, int | None], None]
"""Called with the bytes there are and the size of the whole file, None while the server does not tell it."""

_BLOCK = 1 << 18
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_LONGEST_PAUSE = 30.0  # seconds


class _DroppedError(Exception):
    """The connection failed in a way that may be over the next time; the message says how."""


class _StartOverError(Exception):
    """What is in the partial file is of no use to this server."""


@dataclass(frozen=True)
class _Reply:
    """What the head of a server's reply says about the file: where its body begins, the whole size, the version."""

    start: int
    total: int | None
    version: str


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None,
    on_progress: ByteProgress | None = None,
    attempts: int = 6,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> Path:
    """Return download `url` to `target`, going on with an earlier try that was interrupted.

    A `target` that exists is kept: verified if its digest is known, else trusted. While it is incomplete the file is
    called ``<target>.part``, with its version in ``<target>.part.json``; one process at a time may write there.

    Args:
        url: of the scheme http or https.
        target: where to; missing folders are made.
        sha256: 64 hex digits that the file must have, or None if they are not known.
        on_progress: called after every block.
        attempts: how many in a row may bring nothing new, 1 or more.
        timeout: seconds without a byte after which a connection counts as dropped.
        pause: seconds before the second attempt; doubled each time up to 30.

    Returns:
        `target`.

    Raises:
        DataError: the server refuses or cannot be reached, the digest is another one, or the disk is full.
    """
    _check_arguments(url, sha256, attempts)
    try:
        if target.is_dir():
            raise DataError("a folder where a file is to be written", where=str(target))
        if target.exists():
            verify(target, sha256, "Remove it to download it again.")
            return target
        partial = _Partial(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch_all(url, partial, on_progress or _ignore_progress, attempts, timeout, pause)
        try:
            verify(partial.path, sha256, "It was removed. Is the address, or the digest, of another version?")
        except DataError:
            partial.remove()
            raise
        partial.path.replace(target)
        partial.forget_version()
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror or error}", where=str(target)) from error
    return target


def file_name(url: str) -> str:
    """Return the file name in an address, without the query, which changes each day if the address is signed."""
    return Path(re.split("[?#]", url)[0]).name or "archive"


def _ignore_progress(done: int, total: int | None) -> None:
    """Show no progress."""


def _check_arguments(url: str, sha256: str | None, attempts: int) -> None:
    try:
        reachable = _is_reachable(url)
    except ValueError as error:
        raise DataError(f"not an address: {error}", where=repr(url)) from error
    if not reachable:
        raise DataError("not an address that begins with http:// or https://", where=repr(url))
    if not re.fullmatch(r"[!-~]+", url):
        raise DataError(
            "an address of other characters than printable ASCII", where=repr(url), cure="Write them as %xx."
        )
    _check_digest(sha256)
    if attempts < 1:
        raise DataError(f"{attempts!r} attempts", cure="Give 1 or more.")


def _is_reachable(url: str) -> bool:
    """Tell whether this is an address of http or https.

    Raises:
        ValueError: it cannot be read as an address.
    """
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0


def _check_digest(sha256: str | None) -> None:
    if sha256 is not None and not re.fullmatch(r"[0-9A-Fa-f]{64}", sha256):
        raise DataError(f"{sha256!r} is not a SHA-256 digest", cure="It has 64 hexadecimal digits.")


def verify(path: Path, sha256: str | None, cure: str = "") -> None:
    """Make sure that a file is the right one, if its digest is known.

    Raises:
        DataError: it is another one, with the cure, or cannot be read; or that is not a digest.
    """
    _check_digest(sha256)
    if sha256 is None:
        return
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if found != sha256.lower():
        raise DataError(f"has the SHA-256 digest {found}, not {sha256.lower()}", where=str(path), cure=cure)


class _Partial:
    """The beginning of a file, and which version of the file on the server it is of."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".part")
        self._version_path = target.with_name(target.name + ".part.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self, url: str) -> _Reply:
        """Return what the server said of the file when it was begun; no version if this address cannot continue it."""
        try:
            known = json.loads(self._version_path.read_text(encoding="utf-8"))
            if known["address"] == _address(url):
                return _Reply(0, known["total"], str(known["version"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            pass  # then it starts over, which is always right
        return _Reply(0, None, "")

    def begin(self, url: str, reply: _Reply) -> None:
        """Start an empty file of a version, in an order that joins no bytes to another version after a kill."""
        self.remove()
        self.path.touch()
        if reply.version:
            known = {"address": _address(url), "version": reply.version, "total": reply.total}
            self._version_path.write_text(json.dumps(known), encoding="utf-8")

    def forget_version(self) -> None:
        self._version_path.unlink(missing_ok=True)

    def remove(self) -> None:
        self.forget_version()
        self.path.unlink(missing_ok=True)


def _address(url: str) -> str:
    # the query of a signed address changes from day to day, and is nobody else's business; nor is a password
    return _without_user(url)._replace(query="", fragment="").geturl()


def _without_user(url: str) -> SplitResult:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2])


def _fetch_all(
    url: str, partial: _Partial, on_progress: ByteProgress, attempts: int, timeout: float, pause: float
) -> None:
    furthest, fruitless = partial.size(), 0
    while True:
        try:
            _fetch(url, partial, on_progress, timeout)
            return
        except _StartOverError:
            partial.remove()
            reason = "the server does not continue the file"
        except _DroppedError as dropped:
            reason = str(dropped)
        # A server that cannot continue sends the same bytes again: only new ones count, so that this ends.
        fruitless = 0 if partial.size() > furthest else fruitless + 1
        furthest = max(furthest, partial.size())
        if fruitless >= attempts:
            raise DataError(
                f"cannot be downloaded: {reason} ({attempts} attempts)",
                where=_address(url),
                cure="Check the connection and run the same again: it goes on where it stopped.",
            )
        time.sleep(min(pause * 2 ** max(0, fruitless - 1), _LONGEST_PAUSE))


def _fetch(url: str, partial: _Partial, on_progress: ByteProgress, timeout: float) -> None:
    """Try once to fetch the rest of the file.

    Raises:
        _DroppedError: try again. _StartOverError: try again from the first byte. DataError: trying again is no use.
    """
    known, size = partial.version(url), partial.size()
    if known.version and known.total is not None and size == known.total:  # killed just before it was done
        return
    headers = {"User-Agent": "gridsearch", "Accept-Encoding": "identity"}
    request = urllib.request.Request(_without_user(url).geturl(), headers=headers)
    user, _, _ = urlsplit(url).netloc.rpartition("@")
    if user:  # for this server only: a redirection may lead to another
        credentials = base64.b64encode(unquote_to_bytes(user if ":" in user else f"{user}:")).decode("ascii")
        request.add_unredirected_header("Authorization", f"Basic {credentials}")
    if known.version and size:
        request.add_header("Range", f"bytes={size}-")
        request.add_header("If-Range", known.version)
    with _open(request, timeout) as response:
        reply = _read_head(response)
        if reply.start == 0:
            partial.begin(url, reply)
        elif reply.start != size or reply.version not in ("", known.version):
            raise _StartOverError
        done = partial.size()
        _check_room(reply, done, partial, url)
        on_progress(done, reply.total)
        with partial.path.open("ab") as file:
            while block := _read_block(response):
                file.write(block)
                done += len(block)
                on_progress(done, reply.total)
    if reply.total is not None and done < reply.total:
        raise _DroppedError(f"the connection ended after {done:,} of {reply.total:,} bytes")
    if reply.total is not None and done > reply.total:
        raise _StartOverError


class _RedirectHandler(urllib.request.HTTPRedirectHandler):
    """Follow redirections to http and https; refuse any other at once, since trying again is no use."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        location = headers.get("location") or headers.get("uri") or ""
        try:
            followed = _is_reachable(urljoin(req.full_url, location))
        except ValueError:
            followed = False
        if not followed:
            fp.close()
            problem = f"the server redirects to {_show_address(location)}, which is no address of http or https"
            raise DataError(problem, where=_address(req.full_url), cure="Check the address.")
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _show_address(url: str) -> str:
    """Return an address for a message, which may be none at all."""
    try:
        return repr(_address(url))
    except ValueError:
        return repr(url[:80])


def _opener() -> urllib.request.OpenerDirector:
    # The default opener would follow a redirection to ftp, too.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        _RedirectHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _open(request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    try:
        response = _opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # the file is shorter now than what there is of it
                raise _StartOverError from error
            if error.code in _TRY_AGAIN:
                raise _DroppedError(f"the server answers {error.code} {error.reason}") from error
            raise DataError(
                f"the server answers {error.code} {error.reason}",
                where=_address(request.full_url),
                cure="Check the address; some collections need a login and are to be downloaded in a browser.",
            ) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise DataError(f"not to be trusted: {error.reason}", where=_address(request.full_url)) from error
        raise _DroppedError(f"no connection: {error.reason}") from error
    except (http.client.HTTPException, OSError, ValueError) as error:  # ValueError: redirected to what is no address
        raise _DroppedError(f"no connection: {error or type(error).__name__}") from error
    assert isinstance(response, http.client.HTTPResponse)  # only the HTTP handlers are there
    return response


def _read_head(response: http.client.HTTPResponse) -> _Reply:
    etag = response.headers.get("ETag", "")
    # a weak tag promises the same meaning, not the same bytes
    version = response.headers.get("Last-Modified", "") if not etag or etag.startswith("W/") else etag
    if response.status == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if span is None:
            raise _StartOverError
        return _Reply(int(span[1]), None if span[2] == "*" else int(span[2]), version)
    length = response.headers.get("Content-Length", "")
    return _Reply(0, int(length) if length.isdecimal() else None, version)


def _check_room(reply: _Reply, done: int, partial: _Partial, url: str) -> None:
    free = shutil.disk_usage(partial.path.parent).free
    if reply.total is not None and reply.total - done > free:
        raise DataError(
            f"{reply.total:,} bytes, but only {free:,} are free in {partial.path.parent}", where=_address(url)
        )


def _read_block(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_BLOCK)
    except (http.client.HTTPException, OSError) as error:
        raise _DroppedError(f"the connection dropped: {error or type(error).__name__}") from error

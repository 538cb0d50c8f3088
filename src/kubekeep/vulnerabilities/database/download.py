"""Requests to servers of advisories: conditional, resumed after interruptions, with limits and checked redirects.

Proxies and certificate authorities come from the environment and the system. Credentials in a URL are sent to its origin
only and never appear in messages. Never interprets content.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx2
import msgspec

from kubekeep.model.network_address import explain_refused_redirect, is_address, is_port, is_private, parse_address
from kubekeep.model.text import visible
from kubekeep.registry.connection import create_tls_context
from kubekeep.registry.errors import RegistryError
from kubekeep.vulnerabilities.database.errors import UpdateError

Progress = Callable[[str, int, int | None], None]
"""Receives the name of a download, its bytes so far, and all its bytes if known."""

_Origin = tuple[str, str, int | None]

MAX_ARCHIVE: Final = 16 << 30
_REDIRECTS: Final = 5
_ATTEMPTS: Final = 5
_FIRST_PAUSE: Final = 0.5
_SLOWEST: Final = 1024
"""Minimum speed of a download in bytes per second, in each window."""
_WINDOW: Final = 120
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,19})-")
_TEMPORARY: Final = (429, 500, 502, 503, 504)
_LONGEST_LINE: Final = 1 << 16
_LONGEST_LENGTH: Final = 19
"""Digits of a length, as in a range."""


class DownloadSettings(msgspec.Struct, frozen=True):
    """Settings of connections. authority_file: certificates in PEM that are trusted beside those of the system."""

    authority_file: str = ""
    connect: float = 15
    pause: float = 60


class Reply(msgspec.Struct, frozen=True):
    """A response. status: of HTTP. etag: of the content, empty without one."""

    status: int
    body: bytes = b""
    etag: str = ""


class InterruptedDownloadError(Exception):
    """A connection that ended before the response was complete."""


class Downloader:
    """Requests to servers of advisories; several threads may use it at a time. Methods raise UpdateError."""

    def __init__(self, settings: DownloadSettings, progress: Progress = lambda *_: None) -> None:
        """Create the client; sends nothing yet."""
        self._progress = progress
        self._unreachable: dict[str, str] = {}
        """The reason by host, for hosts to which there was no connection."""
        self._is_public: dict[_Origin, bool] = {}
        """By origin, True if its address is reachable from the internet."""
        try:
            context = create_tls_context(settings.authority_file)
        except RegistryError as error:
            raise UpdateError(str(error)) from error
        self._client = httpx2.Client(
            verify=context,
            timeout=httpx2.Timeout(settings.pause, connect=settings.connect),
            headers={"User-Agent": "kubekeep", "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, url: str, limit: int, etag: str = "", *, referrer: str = "") -> Reply:
        """Return a complete response of at most `limit` bytes; status 304 if the content still has `etag`.

        referrer: the URL of the content that names `url`; the address is then checked like the target of a redirect, and
        credentials are those of the referrer, for its origin only.
        """

        def attempt() -> Reply:
            headers = {"If-None-Match": etag} if etag else {}
            with self._open(url, headers, referrer) as response:
                body = bytearray()
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > limit:
                        raise UpdateError(f"{show_url(url)} has more than {limit:,} bytes")
                return Reply(response.status_code, bytes(body), response.headers.get("etag", ""))

        return self._repeat(url, attempt)

    @contextlib.contextmanager
    def open_lines(self, url: str) -> Iterator[Iterator[str] | None]:
        """Yield the lines of a text, which need not be read to the end; None if there is no such file."""
        self._check_host(url)
        try:
            with self._open(url, {}) as response:
                if response.status_code in (httpx2.codes.NOT_FOUND, httpx2.codes.FORBIDDEN):
                    yield None
                    return
                _expect_success(response, url)
                yield _split_lines(response)
        except (InterruptedDownloadError, httpx2.HTTPError) as error:
            raise self._create_error(url, error) from error

    def save(self, url: str, path: Path, etag: str = "", *, limit: int = MAX_ARCHIVE, referrer: str = "") -> Reply:
        """Save a file at `path`; status 304 and no file if the content still has `etag`, 404 if there is none.

        An interrupted download is resumed if the server has an entity tag, also by another process later: the partial
        file stays beside `path`. limit: maximum bytes. referrer: as for `get`.
        """
        partial = path.with_name(f"{path.name}.part")
        tag_file = path.with_name(f"{path.name}.etag")

        def attempt() -> Reply:
            return self._save_rest(url, partial, tag_file, etag, limit=limit, referrer=referrer)

        reply = self._repeat(url, attempt)
        if reply.status == httpx2.codes.OK:
            partial.replace(path)
            tag_file.unlink(missing_ok=True)
        return reply

    def _save_rest(self, url: str, partial: Path, tag_file: Path, etag: str, *, limit: int, referrer: str) -> Reply:
        """Append the missing part of a file to the partial one."""
        headers = {"If-None-Match": etag} if etag else {}
        start, partial_tag = 0, tag_file.read_text() if partial.exists() and tag_file.exists() else ""
        if partial_tag.startswith('"') and partial.stat().st_size:
            start = partial.stat().st_size
            headers |= {"Range": f"bytes={start}-", "If-Range": partial_tag}
        with self._open(url, headers, referrer) as response:
            if response.status_code in (httpx2.codes.NOT_MODIFIED, httpx2.codes.NOT_FOUND):
                return Reply(response.status_code)
            if response.status_code == httpx2.codes.RANGE_NOT_SATISFIABLE:
                partial.unlink()
                raise InterruptedDownloadError("the partial file does not belong to the file of the server")
            _expect_success(response, url)
            if response.status_code != httpx2.codes.PARTIAL_CONTENT:
                start = 0
            elif (match := _CONTENT_RANGE.match(response.headers.get("content-range", ""))) and int(match[1]) != start:
                raise UpdateError(f"{show_url(url)}: the server returned another part than requested")
            new_tag = response.headers.get("etag", "")
            tag_file.write_text(new_tag)
            self._write(url, response, partial, start, limit)
            return Reply(httpx2.codes.OK, etag=new_tag)

    def _write(self, url: str, response: httpx2.Response, partial: Path, start: int, limit: int) -> None:
        length = response.headers.get("content-length", "")
        total = start + int(length) if length.isdecimal() and len(length) <= _LONGEST_LENGTH else None
        if total is not None and total > limit:
            raise UpdateError(f"{show_url(url)} has {total:,} bytes; the limit is {limit:,}")
        size, window, window_size = start, time.monotonic(), start
        with partial.open("r+b" if start else "wb") as file:
            file.seek(start)
            for chunk in response.iter_raw():
                file.write(chunk)
                size += len(chunk)
                if size > limit:
                    raise UpdateError(f"{show_url(url)} has more than {limit:,} bytes")
                self._progress(show_url(url), size, total)
                if (elapsed := time.monotonic() - window) > _WINDOW:
                    if size - window_size < _SLOWEST * elapsed:
                        raise UpdateError(f"{show_url(url)}: the server is too slow")
                    window, window_size = time.monotonic(), size
            file.truncate(size)
        if total is not None and size != total:
            raise InterruptedDownloadError(f"{size:,} of {total:,} bytes were received")

    def _repeat(self, url: str, attempt: Callable[[], Reply]) -> Reply:
        """Return the reply of `attempt`, which is repeated after interruptions and temporary errors.

        A host without a connection is not tried again for other files: an update has many files of one host.
        """
        self._check_host(url)
        for number in range(_ATTEMPTS):
            is_last = number == _ATTEMPTS - 1
            try:
                reply = attempt()
            except (InterruptedDownloadError, httpx2.HTTPError) as error:
                if is_last or _is_permanent(error):
                    raise self._create_error(url, error) from error
            else:
                if reply.status not in _TEMPORARY or is_last:
                    return reply
            time.sleep(_FIRST_PAUSE * 2**number)
        raise AssertionError

    def _check_host(self, url: str) -> None:
        """Raise UpdateError for a host to which there was no connection."""
        if reason := self._unreachable.get(parse_url(url).host):
            raise UpdateError(f"{show_url(url)} cannot be fetched: {reason}")

    def _create_error(self, url: str, error: Exception) -> UpdateError:
        """Return the error of a failed request, and remember a host without a connection."""
        reason = visible(str(error))
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            self._unreachable[parse_url(url).host] = reason
        return UpdateError(f"{show_url(url)} cannot be fetched: {reason}")

    @contextlib.contextmanager
    def _open(self, url: str, headers: dict[str, str], referrer: str = "") -> Iterator[httpx2.Response]:
        """Yield the response after redirects."""
        origin = target = parse_url(referrer or url)
        is_from_public = [self._is_public.get(_get_origin(origin), not is_private(origin.host))]
        if referrer:
            target = _resolve_redirect(origin, url, is_from_public=is_from_public[0])
        for _ in range(_REDIRECTS + 1):
            is_origin = _get_origin(target) == _get_origin(origin)
            request = self._client.build_request("GET", target.copy_with(userinfo=b""), headers=headers)
            request.extensions = {**request.extensions, "trace": _trace(target, is_from_public, is_origin=is_origin)}
            login = (origin.username, origin.password) if origin.userinfo and is_origin else None
            response = self._client.send(request, stream=True, auth=login, follow_redirects=False)
            self._is_public[_get_origin(origin)] = is_from_public[0]
            location = response.headers.get("location")
            if not (httpx2.codes.is_redirect(response.status_code) and location):
                try:
                    yield response
                finally:
                    response.close()
                return
            response.close()
            target = _resolve_redirect(target, location, is_from_public=is_from_public[0])
        raise UpdateError(f"{show_url(url)} redirects more than {_REDIRECTS} times")


def parse_url(text: str) -> httpx2.URL:
    """Return a URL with http or https. Raises UpdateError."""
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        # The reason may quote a part of a password.
        raise UpdateError(f"{show_url(text)!r} is not a valid URL") from error
    if url.scheme not in ("http", "https") or not url.host or not is_port(url.port):
        raise UpdateError(f"{show_url(text)!r} is not a URL with https")
    return url


def show_url(text: str) -> str:
    """Return a URL without credentials and query, for messages."""
    try:
        url = httpx2.URL(text)
        return visible(str(url.copy_with(userinfo=b"", query=None, fragment=None)))
    except httpx2.InvalidURL:
        return visible(text.rpartition("@")[2].partition("?")[0])


def _resolve_redirect(url: httpx2.URL, location: str, *, is_from_public: bool) -> httpx2.URL:
    try:
        target = url.join(location)
    except httpx2.InvalidURL as error:
        raise UpdateError(f"{show_url(str(url))} redirects to an invalid address") from error
    if target.scheme not in {url.scheme, "https"} or not target.host or not is_port(target.port):
        raise UpdateError(f"{show_url(str(url))} redirects to {show_url(str(target))}: not followed")
    if is_address(target.host) and _get_origin(target) != _get_origin(url):
        _check_address(target.host, is_from_public=is_from_public)
    return target


def _trace(url: httpx2.URL, is_from_public: list[bool], *, is_origin: bool) -> Callable[[str, dict[str, Any]], None]:
    """Return a function that checks the address of a redirect's connection before anything is sent to it."""
    host = ""

    def check(event: str, info: dict[str, Any]) -> None:
        nonlocal host
        if event == "connection.connect_tcp.started":
            host = info["host"]
        elif event == "connection.connect_tcp.complete" and host == url.raw_host.decode():
            address = info["return_value"].get_extra_info("server_addr")[0]
            if is_origin:
                is_from_public[0] = parse_address(address).is_global
                return
            try:
                _check_address(address, is_from_public=is_from_public[0])
            except UpdateError:
                info["return_value"].close()
                raise

    return check


def _check_address(address: str, *, is_from_public: bool) -> None:
    reason = explain_refused_redirect(address, is_from_public=is_from_public)
    if reason:
        raise UpdateError(reason)


def _expect_success(response: httpx2.Response, url: str) -> None:
    if response.status_code in _TEMPORARY:
        raise InterruptedDownloadError(f"the server responded with {response.status_code}")
    if not response.is_success:
        raise UpdateError(f"{show_url(url)}: the server responded with {response.status_code}")


def _split_lines(response: httpx2.Response) -> Iterator[str]:
    rest = b""
    for chunk in response.iter_raw():
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise InterruptedDownloadError("a line is too long")
        for line in lines:
            yield line.decode("utf-8", "replace").strip()
    if rest:
        yield rest.decode("utf-8", "replace").strip()


def _get_origin(url: httpx2.URL) -> _Origin:
    return url.scheme, url.host, url.port


def _is_permanent(error: Exception) -> bool:
    """Return True for an untrusted certificate and a name without an address: another attempt takes time in vain."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return True
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, socket.gaierror):
        cause = cause.__cause__ or cause.__context__
    return cause is not None

"""Download of one manifest, chart or archive by URL into a private temporary file.

Reaches the network only for a URL named by the user; redirects never lead to services of this machine, its network or the
metadata of its cloud. Never shows secrets of a URL, and keeps no cookies. Proxies and certificate authorities come from
the environment and the system.
"""

from __future__ import annotations

import contextlib
import re
import time
import zlib
from collections.abc import Iterable, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from kubekeep.model.network_address import is_port
from kubekeep.model.text import visible
from kubekeep.sources.archive.unpack import is_archive
from kubekeep.sources.remote.connection import Connection, RemoteError
from kubekeep.sources.temporary import temporary_folder
from kubekeep.sources.tree import MAXIMUM_BYTES

__all__ = ["DEFAULT_LIMITS", "FetchedFile", "RemoteError", "RemoteLimits", "fetch"]

_REDIRECTS: Final = 5
_CONNECT_SECONDS: Final = 15
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_NAME: Final = 100
_HTML_PAGE: Final = re.compile(rb"\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_HEAD_BYTES: Final = 512
_PLAIN_HTTP: Final = "fetched without TLS: the content could have been read or changed on the network"


class RemoteLimits(msgspec.Struct, frozen=True):
    """Limits of a download: bytes of a manifest after decompression, bytes of an archive, total seconds."""

    manifest: int = MAXIMUM_BYTES
    archive: int = 256 << 20
    seconds: float = 60


DEFAULT_LIMITS: Final = RemoteLimits()


class FetchedFile(msgspec.Struct, frozen=True):
    """A downloaded file.

    path: path with the file name of the URL. display_url: URL without secrets. notes: warnings for the user.
    """

    path: str
    display_url: str
    notes: tuple[str, ...] = ()


@contextlib.contextmanager
def fetch(url: str, limits: RemoteLimits = DEFAULT_LIMITS) -> Iterator[FetchedFile]:
    """Download a URL into a file that only this user can read and that is removed afterwards.

    Credentials in the URL are sent to its host only. Raises RemoteError, with a message without secrets, unless one
    complete file within the limits was received.
    """
    import httpx2  # noqa: PLC0415 - importing it takes a tenth of a second

    with temporary_folder() as folder:
        yield _Download(httpx2, url, limits).save(Path(folder))


class _Download:
    """State of one download."""

    def __init__(self, httpx2: ModuleType, url: str, limits: RemoteLimits) -> None:
        self._httpx2 = httpx2
        self._limits = limits
        self._deadline = time.monotonic() + limits.seconds
        named_url = self._parse_url(url)
        self._login = (named_url.username, named_url.password) if named_url.userinfo else None
        self._url = named_url.copy_with(userinfo=b"", fragment=None)
        self._display_url = _format_url(self._url)
        self._name = _UNSAFE.sub("_", unquote(self._url.path).rpartition("/")[2])[-_LONGEST_NAME:].lstrip("._-")

    def save(self, folder: Path) -> FetchedFile:
        """Download the file into `folder`."""
        path = folder / (self._name or "manifest")
        with (
            Connection(self._url.raw_host.decode(), self._deadline) as connection,
            self._httpx2.Client(
                # Raw responses are read: the decompression of the library has no limits.
                headers={"User-Agent": "kubekeep", "Accept-Encoding": "identity"},
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            ) as client,
        ):
            try:
                with contextlib.closing(self._request_file(client, connection)) as response, path.open("xb") as file:
                    file.writelines(self._read_body(response))
            except (self._httpx2.HTTPError, self._httpx2.InvalidURL) as error:
                reason = (
                    self._describe_delay() if connection.is_expired else visible(str(error)) or type(error).__name__
                )
                raise RemoteError(f"{self._display_url} cannot be fetched: {reason}") from None
        notes = (_PLAIN_HTTP,) if self._url.scheme == "http" else ()
        return FetchedFile(str(path), self._display_url, notes)

    def _request_file(self, client: Any, connection: Connection) -> Any:
        """Return the response with the file, after redirects."""
        url = self._url
        for count in range(_REDIRECTS + 1):
            # `connection` enforces the deadline. These timeouts apply until a socket is connected, and must be longer.
            remaining = max(self._deadline - time.monotonic(), 0) + 1
            connection.begin(url.raw_host.decode(), is_redirect=count > 0)
            request = client.build_request(
                "GET",
                url,
                timeout=self._httpx2.Timeout(remaining, connect=min(remaining, _CONNECT_SECONDS)),
                extensions={"trace": connection.trace},
            )
            login = self._login if _get_origin(url) == _get_origin(self._url) else None
            response = client.send(request, stream=True, auth=login, follow_redirects=False)
            target = response.headers.get("location")
            if not (self._httpx2.codes.is_redirect(response.status_code) and target):
                return self._check_response(response)
            response.close()
            url = self._resolve_redirect(url, target)
        raise RemoteError(f"{self._display_url} redirects more than {_REDIRECTS} times")

    def _resolve_redirect(self, url: Any, target: str) -> Any:
        try:
            target_url = url.join(target).copy_with(userinfo=b"")
        except self._httpx2.InvalidURL:
            raise RemoteError(f"{self._display_url} redirects to an invalid address") from None
        if target_url.scheme not in {url.scheme, "https"} or not target_url.host or not is_port(target_url.port):
            raise RemoteError(f"{self._display_url} redirects to {visible(_format_url(target_url))}: not followed")
        return target_url

    def _check_response(self, response: Any) -> Any:
        """Return the response if it can contain a manifest. Raises RemoteError."""
        problem = ""
        kind = response.headers.get("content-type", "").lower()
        if response.status_code != self._httpx2.codes.OK:
            phrase = self._httpx2.codes.get_reason_phrase(response.status_code)
            problem = f" responded with {response.status_code} {phrase}".rstrip()
        elif kind.startswith(("text/html", "application/xhtml")):
            problem = self._describe_page()
        elif response.headers.get("content-encoding", "identity").lower() not in {"identity", "gzip", "x-gzip"}:
            problem = " has an unsupported content encoding"
        elif int(_parse_digits(response.headers.get("content-length", "0"))) > self._get_limit():
            problem = self._describe_excess()
        if problem:
            response.close()
            raise RemoteError(self._display_url + problem)
        return response

    def _read_body(self, response: Any) -> Iterator[bytes]:
        """Yield the content in chunks, within the limits."""
        # Servers often declare the compression of an archive as content encoding.
        is_compressed = (
            response.headers.get("content-encoding", "identity").lower() != "identity" and not self._is_archive()
        )
        remaining_bytes = self._get_limit()
        head = b""
        for chunk in self._decompress(response.iter_raw()) if is_compressed else response.iter_raw():
            remaining_bytes -= len(chunk)
            if remaining_bytes < 0:
                raise RemoteError(self._display_url + self._describe_excess())
            if len(head) < _HEAD_BYTES:
                head = (head + chunk)[:_HEAD_BYTES]
                if _HTML_PAGE.match(head):
                    raise RemoteError(self._display_url + self._describe_page())
            if time.monotonic() > self._deadline:
                raise RemoteError(f"{self._display_url} cannot be fetched: {self._describe_delay()}")
            yield chunk

    def _decompress(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            for chunk in chunks:
                # One byte above the limit is enough to reject the file.
                yield decompressor.decompress(chunk, self._get_limit() + 1)
                if decompressor.unused_data:
                    raise RemoteError(f"{self._display_url} has content after the end of the compressed data")
        except zlib.error:
            raise RemoteError(f"{self._display_url} is not compressed as declared") from None
        if not decompressor.eof:
            raise RemoteError(f"{self._display_url} cannot be fetched: the content is incomplete")

    def _parse_url(self, url: str) -> Any:
        try:
            url_parts = self._httpx2.URL(url)
        except self._httpx2.InvalidURL:
            # The URL may contain a password: it is not quoted.
            raise RemoteError("not a valid URL") from None
        if url_parts.scheme not in {"https", "http"} or not url_parts.host or not is_port(url_parts.port):
            raise RemoteError("a URL must begin with https:// or http:// and a host")
        return url_parts

    def _is_archive(self) -> bool:
        return is_archive(self._name)

    def _get_limit(self) -> int:
        return self._limits.archive if self._is_archive() else self._limits.manifest

    def _describe_excess(self) -> str:
        return f" is larger than {self._get_limit()} bytes"

    def _describe_delay(self) -> str:
        return f"the time limit of {self._limits.seconds:g} seconds was exceeded"

    def _describe_page(self) -> str:
        text = " is a web page, not a manifest: use the address of the file"
        if self._url.host == "github.com" and "/blob/" in self._url.path:
            raw = "https://raw.githubusercontent.com" + self._url.path.replace("/blob/", "/", 1)
            return f"{text}, {raw}"
        return f"{text}; on GitHub and GitLab, the link 'Raw'"


def _format_url(url: Any) -> str:
    """Return a URL without credentials, query and fragment."""
    return visible(str(url.copy_with(userinfo=b"", query=None, fragment=None)))


def _get_origin(url: Any) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _parse_digits(text: str) -> str:
    return text if text.isascii() and text.isdigit() and len(text) < 20 else "0"

"""Download of one manifest, chart or archive by URL into a private temporary file.

Reaches the network only for a URL named by the user; redirects never lead to services of this machine, its network or the
metadata of its cloud. Never shows secrets of a URL, and keeps no cookies. Proxies and certificate authorities come from
the environment and the system.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from kubekeep.model.text import visible
from kubekeep.sources.archive.unpack import is_archive
from kubekeep.sources.remote.connection import Connection, RemoteError
from kubekeep.sources.tree import MAXIMUM_BYTES

__all__ = ["DEFAULT_LIMITS", "Fetched", "RemoteError", "RemoteLimits", "fetch"]

_REDIRECTS: Final = 5
_CONNECT_SECONDS: Final = 15
_NAME: Final = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_NAME: Final = 100
_PAGE: Final = re.compile(rb"\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_HEAD: Final = 512
_PLAIN_HTTP: Final = "fetched without TLS: anybody on the way can have read or changed it"


class RemoteLimits(msgspec.Struct, frozen=True):
    """Limits of a download: bytes of a manifest after decompression, bytes of an archive, total seconds."""

    manifest: int = MAXIMUM_BYTES
    archive: int = 256 << 20
    seconds: float = 60


DEFAULT_LIMITS: Final = RemoteLimits()


class Fetched(msgspec.Struct, frozen=True):
    """A downloaded file: its path, with the name of the source; its URL without secrets; and notes.

    notes: warnings for the user about a successful download.
    """

    path: str
    shown: str
    notes: tuple[str, ...] = ()


@contextlib.contextmanager
def fetch(url: str, limits: RemoteLimits = DEFAULT_LIMITS) -> Iterator[Fetched]:
    """Download a URL into a file that only we can read and that is removed afterwards.

    Credentials in the URL are sent to its host only. Raises RemoteError, with a message without secrets, unless one complete
    file within the limits was received.
    """
    import httpx2  # noqa: PLC0415 - a tenth of a second that only a download takes

    with tempfile.TemporaryDirectory(prefix="kubekeep-") as folder:
        yield _Download(httpx2, url, limits).save(Path(folder))


class _Download:
    """State of one download."""

    def __init__(self, httpx2: ModuleType, url: str, limits: RemoteLimits) -> None:
        self._httpx2 = httpx2
        self._limits = limits
        self._until = time.monotonic() + limits.seconds
        named = self._parsed(url)
        self._login = (named.username, named.password) if named.userinfo else None
        self._url = named.copy_with(userinfo=b"", fragment=None)
        self._shown = _shown(self._url)
        self._name = _NAME.sub("_", unquote(self._url.path).rpartition("/")[2])[-_LONGEST_NAME:].lstrip("._-")

    def save(self, folder: Path) -> Fetched:
        """Download the file into `folder`."""
        path = folder / (self._name or "manifest")
        with (
            Connection(self._url.raw_host.decode(), self._until) as connection,
            self._httpx2.Client(
                # Raw responses are read: the decompression of the library has no limits.
                headers={"User-Agent": "kubekeep", "Accept-Encoding": "identity"},
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            ) as client,
        ):
            try:
                with contextlib.closing(self._response(client, connection)) as response, path.open("xb") as file:
                    file.writelines(self._body(response))
            except (self._httpx2.HTTPError, self._httpx2.InvalidURL) as error:
                reason = self._late() if connection.is_over else visible(str(error)) or type(error).__name__
                raise RemoteError(f"{self._shown} cannot be fetched: {reason}") from None
        notes = (_PLAIN_HTTP,) if self._url.scheme == "http" else ()
        return Fetched(str(path), self._shown, notes)

    def _response(self, client: Any, connection: Connection) -> Any:
        """Return the response with the file, after redirects."""
        url = self._url
        for count in range(_REDIRECTS + 1):
            # `connection` enforces the deadline; these timeouts apply until it is established, and must be longer.
            left = max(self._until - time.monotonic(), 0) + 1
            connection.begin(url.raw_host.decode(), is_redirect=count > 0)
            request = client.build_request(
                "GET",
                url,
                timeout=self._httpx2.Timeout(left, connect=min(left, _CONNECT_SECONDS)),
                extensions={"trace": connection.trace},
            )
            login = self._login if _origin(url) == _origin(self._url) else None
            response = client.send(request, stream=True, auth=login, follow_redirects=False)
            target = response.headers.get("location")
            if not (self._httpx2.codes.is_redirect(response.status_code) and target):
                return self._checked(response)
            response.close()
            url = self._redirected(url, target)
        raise RemoteError(f"{self._shown} redirects more than {_REDIRECTS} times")

    def _redirected(self, url: Any, target: str) -> Any:
        try:
            redirected = url.join(target).copy_with(userinfo=b"")
        except self._httpx2.InvalidURL:
            raise RemoteError(f"{self._shown} redirects to an address that is none") from None
        if redirected.scheme not in {url.scheme, "https"} or not redirected.host:
            raise RemoteError(f"{self._shown} redirects to {visible(_shown(redirected))}, which is not followed")
        return redirected

    def _checked(self, response: Any) -> Any:
        """Return the response if it can contain a manifest. Raises RemoteError."""
        problem = ""
        kind = response.headers.get("content-type", "").lower()
        if response.status_code != self._httpx2.codes.OK:
            phrase = self._httpx2.codes.get_reason_phrase(response.status_code)
            problem = f" answers {response.status_code} {phrase}".rstrip()
        elif kind.startswith(("text/html", "application/xhtml")):
            problem = self._page()
        elif response.headers.get("content-encoding", "identity").lower() not in {"identity", "gzip", "x-gzip"}:
            problem = " comes in an encoding that was not asked for"
        elif int(_digits(response.headers.get("content-length", "0"))) > self._most():
            problem = self._too_large()
        if problem:
            response.close()
            raise RemoteError(self._shown + problem)
        return response

    def _body(self, response: Any) -> Iterator[bytes]:
        """Yield the content in chunks, within the limits."""
        # Servers often declare the compression of an archive as content encoding.
        packed = response.headers.get("content-encoding", "identity").lower() != "identity" and not self._is_archive()
        most = self._most()
        head = b""
        for chunk in self._gunzipped(response.iter_raw()) if packed else response.iter_raw():
            most -= len(chunk)
            if most < 0:
                raise RemoteError(self._shown + self._too_large())
            if len(head) < _HEAD:
                head = (head + chunk)[:_HEAD]
                if _PAGE.match(head):
                    raise RemoteError(self._shown + self._page())
            if time.monotonic() > self._until:
                raise RemoteError(f"{self._shown} cannot be fetched: {self._late()}")
            yield chunk

    def _gunzipped(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            for chunk in chunks:
                # One byte above the limit is enough to reject the file.
                yield inflate.decompress(chunk, self._most() + 1)
                if inflate.unused_data:
                    raise RemoteError(f"{self._shown} goes on after the end of what is compressed")
        except zlib.error:
            raise RemoteError(f"{self._shown} is not compressed as it says") from None
        if not inflate.eof:
            raise RemoteError(f"{self._shown} cannot be fetched: cut off")

    def _parsed(self, url: str) -> Any:
        try:
            parsed = self._httpx2.URL(url)
        except self._httpx2.InvalidURL:
            # The URL may contain a password: it is not quoted.
            raise RemoteError("this is no URL") from None
        if parsed.scheme not in {"https", "http"} or not parsed.host:
            raise RemoteError("only URLs that begin with https:// or http:// and a host are fetched")
        return parsed

    def _is_archive(self) -> bool:
        return is_archive(self._name)

    def _most(self) -> int:
        return self._limits.archive if self._is_archive() else self._limits.manifest

    def _too_large(self) -> str:
        return f" has more than {self._most()} bytes"

    def _late(self) -> str:
        return f"it takes longer than {self._limits.seconds:g} seconds"

    def _page(self) -> str:
        text = " is a web page, not a manifest: name the address of the file itself"
        if self._url.host == "github.com" and "/blob/" in self._url.path:
            raw = "https://raw.githubusercontent.com" + self._url.path.replace("/blob/", "/", 1)
            return f"{text}, {raw}"
        return f"{text}, on GitHub and GitLab the one behind 'Raw'"


def _shown(url: Any) -> str:
    """Return a URL without credentials, query and fragment."""
    return visible(str(url.copy_with(userinfo=b"", query=None, fragment=None)))


def _origin(url: Any) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _digits(text: str) -> str:
    return text if text.isascii() and text.isdigit() and len(text) < 20 else "0"

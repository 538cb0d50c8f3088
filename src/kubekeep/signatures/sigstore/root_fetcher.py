"""Requests of TUF updates: plain GET requests with limits of size and time, without redirects and credentials.

Proxies come from the environment, authorities from the system and a file. Never interprets content.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

import httpx2
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient.fetcher import FetcherInterface

from kubekeep.model.network_address import is_port
from kubekeep.model.text import visible
from kubekeep.registry.errors import RegistryError
from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.service_client import create_http_client

_FILE_SECONDS: Final = 120
"""Longest download of a file, however steady its bytes arrive: a server could otherwise delay an update forever."""


class RootFetcher(FetcherInterface):
    """Downloads files for the library `tuf`, which limits their sizes."""

    def __init__(self, authority_file: str) -> None:
        """Create the client; sends nothing yet. Raises TrustError for a file without certificates."""
        try:
            self._client = create_http_client(authority_file)
        except RegistryError as error:
            raise TrustError(str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def _fetch(self, url: str) -> Iterator[bytes]:
        deadline = time.monotonic() + _FILE_SECONDS
        try:
            request = self._client.build_request("GET", url)
            response = self._client.send(request, stream=True)
        except httpx2.HTTPError as error:
            raise DownloadError(f"{visible(url)} cannot be fetched: {visible(str(error))}") from error
        if not response.is_success:
            response.close()
            status = response.status_code
            if response.is_redirect:
                target = visible(response.headers.get("location", ""))
                raise DownloadError(f"{visible(url)} redirects to {target}: not followed, use --url with that address")
            raise DownloadHTTPError(f"{visible(url)}: the server responded with {status}", status)
        return _iterate(response, url, deadline)


def _iterate(response: httpx2.Response, url: str, deadline: float) -> Iterator[bytes]:
    try:
        for chunk in response.iter_raw():
            if time.monotonic() > deadline:
                raise SlowRetrievalError(f"{visible(url)}: the server is too slow")
            yield chunk
    except httpx2.HTTPError as error:
        raise DownloadError(f"{visible(url)} cannot be fetched: {visible(str(error))}") from error
    finally:
        response.close()


def parse_repository(text: str) -> str:
    """Return the URL of a TUF repository without a slash at the end. Raises TrustError."""
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise TrustError(f"{visible(text)!r} is not a URL: {error}") from error
    if url.userinfo:
        raise TrustError("the URL of a repository must not contain credentials")
    if url.scheme not in ("http", "https") or not url.host or not is_port(url.port) or url.query or url.fragment:
        raise TrustError(f"{visible(text)!r} is not the URL of a repository: use https://HOST/PATH")
    return text.rstrip("/")

"""Names in a registry: its repositories, and the tags of one (OCI distribution specification 1.1, content discovery).

Every page is limited, and no page leads to another registry. Never fetches a manifest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

import httpx2
import msgspec

from kubekeep.model.text import visible
from kubekeep.registry.connection import ConnectionSettings, RegistryConnection
from kubekeep.registry.credentials import Keychain
from kubekeep.registry.errors import RegistryError, RegistryResponseError
from kubekeep.registry.reference import ArtifactReference, is_repository, is_tag

_PAGE: Final = 1000
"""Names that are requested at once; registries may return fewer."""
MOST_REPOSITORIES: Final = 200_000
MOST_TAGS: Final = 100_000
"""Most tags of one repository."""
_MOST_PAGES: Final = 20_000
_NEXT: Final = re.compile(r'<([^<>]{1,4096})>\s*;[^,]*\brel="?next"?', re.IGNORECASE)
_REFUSED: Final = (401, 403, 404, 405, 501)
_WITHOUT_CATALOGUE: Final = ("docker.io", "ghcr.io", "public.ecr.aws")
"""Registries that are known to have no catalogue for clients."""


class _Names(msgspec.Struct, frozen=True):
    repositories: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None


class NoCatalogueError(RegistryError):
    """The registry does not list its repositories; the message names the alternative."""


class RegistryListing:
    """The names of a registry, or of one repository in `reference`.

    invalid: number of names that no registry may have; they are left out. Methods raise RegistryError, and
    RejectedArtifactError for a page that is too large.
    """

    def __init__(self, reference: ArtifactReference, keychain: Keychain, settings: ConnectionSettings) -> None:
        self._reference = reference
        self._connection = RegistryConnection(reference, keychain, settings)
        self.invalid = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def list_repositories(self) -> list[str]:
        """Return all repositories, sorted. Raises NoCatalogueError if the registry does not list them."""
        registry = self._reference.registry
        if registry in _WITHOUT_CATALOGUE:
            raise _create_error(registry, "")
        names: set[str] = set()
        try:
            for page in self._iterate_pages(f"_catalog?n={_PAGE}"):
                names |= self._select(page.repositories or (), is_repository, names, MOST_REPOSITORIES)
        except RegistryResponseError as error:
            if error.status in _REFUSED and not names:
                raise _create_error(registry, f": {error}") from error
            raise
        return sorted(names)

    def list_tags(self) -> list[str]:
        """Return all tags of the repository, sorted; empty if it has none or has been deleted."""
        names: set[str] = set()
        try:
            for page in self._iterate_pages(f"tags/list?n={_PAGE}"):
                names |= self._select(page.tags or (), is_tag, names, MOST_TAGS)
        except RegistryResponseError as error:
            if error.status != httpx2.codes.NOT_FOUND:
                raise
        return sorted(names)

    def _select(self, page: tuple[str, ...], accepts: Callable[[str], bool], names: set[str], limit: int) -> set[str]:
        """Return the valid names of a page. Raises RegistryError for too many names."""
        valid = {name for name in page if accepts(name)}
        self.invalid += len(page) - sum(name in valid for name in page)
        if len(names) + len(valid) > limit:
            raise RegistryError(
                f"{self._reference.name.rstrip('/')} lists more than {limit:,} names: use a narrower pattern"
            )
        return valid

    def _iterate_pages(self, target: str) -> Iterator[_Names]:
        """Yield each page; a page is requested only once."""
        first = url = self._connection.root.join(target)
        visited = {str(url)}
        while True:
            reply = self._connection.request("GET", url)
            self._connection.expect(reply, httpx2.codes.OK)
            try:
                page = msgspec.json.decode(reply.body, type=_Names)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise RegistryError(
                    f"{self._connection.registry} returned an invalid list of names: {visible(str(error))}"
                ) from error
            yield page
            match = _NEXT.search(reply.headers.get("link", ""))
            if match is None:
                return
            url = self._connection.join(url, match[1])
            if not self._connection.is_registry(url) or url.path != first.path:
                raise RegistryError(
                    f"{self._connection.registry}: the next page of names is at {visible(str(url))[:200]}: not followed"
                )
            if str(url) in visited or not (page.repositories or page.tags) or len(visited) >= _MOST_PAGES:
                raise RegistryError(f"{self._connection.registry} returns pages of names without an end")
            visited.add(str(url))


def _create_error(registry: str, cause: str) -> NoCatalogueError:
    return NoCatalogueError(
        f"{registry} does not list its repositories{cause}; name repositories without wildcards, or list them in a file "
        "with --repositories FILE"
    )

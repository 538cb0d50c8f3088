"""Repository of an OCI registry: manifests and blobs by the OCI distribution specification 1.1.

Every response is limited in size and checked against its digest. Never interprets a manifest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx2

from kubekeep.registry.blob_stream import BlobStream
from kubekeep.registry.connection import ConnectionSettings, FileContent, RegistryConnection
from kubekeep.registry.credentials import Keychain
from kubekeep.registry.errors import RejectedArtifactError
from kubekeep.registry.manifest import INDEX, MANIFEST, Descriptor, compute_digest
from kubekeep.registry.reference import DIGEST, ArtifactReference

_DIGEST: Final = re.compile(DIGEST)
_NEXT_PAGE: Final = re.compile(r'<([^<>]{1,2048})>\s*;\s*rel="?next"?', re.IGNORECASE)
_MOST_PAGES: Final = 64
_UNSUPPORTED: Final = (400, 404, 405, 501)
"""Responses of registries without the referrers API."""


class OciRepository:
    """A repository, accessed over verified TLS; with `plain_http` also without TLS.

    Methods raise RegistryError if the registry is unreachable or refuses.
    """

    def __init__(
        self,
        reference: ArtifactReference,
        keychain: Keychain,
        *,
        plain_http: bool = False,
        settings: ConnectionSettings | None = None,
    ) -> None:
        """Create the client; sends nothing yet. `settings` take precedence over `plain_http`."""
        self._registry = reference.registry
        self._connection = RegistryConnection(
            reference, keychain, settings or ConnectionSettings(plain_http=plain_http)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._connection.close()

    def resolve_digest(self, version: str, accept: str = MANIFEST) -> str:
        """Return the digest of a tag's manifest without fetching it; "" if the registry does not tell.

        Registries limit the number of manifests that a client fetches, and do not count this request.
        """
        reply = self._connection.request("HEAD", f"manifests/{version}", headers={"Accept": accept})
        digest: str = reply.headers.get("docker-content-digest", "")
        return digest if reply.status == httpx2.codes.OK and _DIGEST.fullmatch(digest) else ""

    def get_manifest(self, version: str, accept: str = MANIFEST) -> bytes | None:
        """Return the manifest of a tag or digest, or None. Raises RejectedArtifactError for another digest."""
        reply = self._connection.request("GET", f"manifests/{version}", headers={"Accept": accept})
        if reply.status == httpx2.codes.NOT_FOUND:
            return None
        self._connection.expect(reply, httpx2.codes.OK)
        if version.startswith("sha256:") and compute_digest(reply.body) != version:
            raise RejectedArtifactError(
                f"{self._registry} returned a different manifest for {version}: {compute_digest(reply.body)}"
            )
        return reply.body

    def iterate_referrers(self, digest: str) -> Iterator[bytes]:
        """Yield the pages of the index of manifests that refer to `digest`; none if the registry does not list them.

        Raises RejectedArtifactError if there are too many pages.
        """
        target: str | httpx2.URL = f"referrers/{digest}"
        for _ in range(_MOST_PAGES):
            reply = self._connection.request("GET", target, headers={"Accept": INDEX})
            if reply.status in _UNSUPPORTED:
                return
            self._connection.expect(reply, httpx2.codes.OK)
            yield reply.body
            match = _NEXT_PAGE.search(reply.headers.get("link", ""))
            if match is None:
                return
            target = self._connection.join(self._connection.root.join(target), match[1])
            if not self._connection.is_registry(target):
                raise RejectedArtifactError(f"{self._registry} continues a list of referrers at {target.host}")
        raise RejectedArtifactError(f"{self._registry} has more than {_MOST_PAGES} pages of referrers of {digest}")

    def get_blob(self, descriptor: Descriptor, limit: int) -> bytes:
        """Return the content of a blob. Raises RejectedArtifactError above `limit` bytes or for another digest."""
        if descriptor.size > limit:
            raise RejectedArtifactError(f"{descriptor.digest} has {descriptor.size:,} bytes; the limit is {limit:,}")
        reply = self._connection.request("GET", f"blobs/{descriptor.digest}", limit=descriptor.size)
        self._connection.expect(reply, httpx2.codes.OK)
        if len(reply.body) != descriptor.size or compute_digest(reply.body) != descriptor.digest:
            raise RejectedArtifactError(f"{self._registry} returned different content for {descriptor.digest}")
        return reply.body

    def open_blob(self, digest: str, size: int) -> BlobStream:
        """Return the content of a blob as a stream; the request is sent before the stream is returned."""
        return BlobStream(self._connection, digest, size)

    def put_blob(self, content: bytes) -> None:
        """Store a blob unless it exists."""
        self._put_blob(compute_digest(content), content)

    def put_file(self, path: Path, digest: str, size: int) -> None:
        """Store the content of a file as a blob unless it exists; the registry verifies the digest."""
        self._put_blob(digest, FileContent(path, size))

    def _put_blob(self, digest: str, content: bytes | FileContent) -> None:
        if self._connection.request("HEAD", f"blobs/{digest}").status == httpx2.codes.OK:
            return
        reply = self._connection.request("POST", "blobs/uploads/")
        self._connection.expect(reply, httpx2.codes.ACCEPTED)
        upload = self._connection.join(self._connection.root, reply.headers.get("location", "")).copy_merge_params(
            {"digest": digest}
        )
        reply = self._connection.request(
            "PUT", upload, content=content, headers={"Content-Type": "application/octet-stream"}
        )
        self._connection.expect(reply, httpx2.codes.CREATED)

    def put_manifest(self, version: str, content: bytes, media_type: str = MANIFEST) -> bool:
        """Store a manifest under `version`: a tag, or its digest.

        Returns True if the registry adds it to the referrers of its subject.
        """
        reply = self._connection.request(
            "PUT", f"manifests/{version}", content=content, headers={"Content-Type": media_type}
        )
        self._connection.expect(reply, httpx2.codes.CREATED)
        return "oci-subject" in reply.headers

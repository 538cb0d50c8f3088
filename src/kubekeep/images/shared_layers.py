"""Content of layers shared through a registry, so that a fleet reads each layer once.

A fragment is an OCI artifact with a tag made of the digest of the layer's blob, the version of the program and the kind of
reading. Everyone who may write there could hide packages, so a fragment counts only with a signature of the configured
key, or if the user trusts the registry; it is used only for the blob that it names itself. Never stored in the cache of
other runs.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.images.access.opened import LayerReference
from kubekeep.images.content import LayerContent
from kubekeep.images.layer_cache import LayerCache, decode_entry, encode_entry
from kubekeep.model.text import visible
from kubekeep.registry import artifacts
from kubekeep.registry.errors import MissingArtifactError, RegistryError, RejectedArtifactError
from kubekeep.registry.keys import PrivateKey, PublicKey
from kubekeep.registry.reference import ArtifactReference
from kubekeep.registry.repository import OciRepository

_FORMAT: Final = artifacts.ArtifactFormat(
    "application/vnd.kubekeep.layer.v1", "application/vnd.kubekeep.layer.content.v1", 64 << 20
)
_SHA256: Final = re.compile(r"sha256:([0-9a-f]{64})")
_PROGRAM_DIGITS: Final = 16
_MOST_FAILURES: Final = 3
"""Failed requests after which the registry is not used any more in this run."""
_MOST_MESSAGES: Final = 3


class FragmentTrust(msgspec.Struct, frozen=True, kw_only=True):
    """Trust in fragments: those signed by `key`, or all of the registry if `is_trusted_registry`."""

    key: PublicKey | None = None
    is_trusted_registry: bool = False


class SharedLayers:
    """Fragments in a repository; several threads may use it.

    program: identifies the version of the program on all machines. local: folder of accepted fragments, for these
    settings of trust only. writer: the key to sign new fragments with; with `writes` and without it they are not signed.
    on_problem: receives messages about rejected fragments and failed requests.
    """

    def __init__(
        self,
        repository: OciRepository,
        reference: ArtifactReference,
        trust: FragmentTrust,
        program: bytes,
        *,
        local: Path | None = None,
        writes: bool = False,
        writer: PrivateKey | None = None,
        on_problem: Callable[[str], None] = lambda _: None,
    ) -> None:
        if trust.key is None and not trust.is_trusted_registry:
            raise ValueError("fragments of an untrusted registry need a key")
        self._repository = repository
        self._reference = reference
        self._trust = trust
        self._program = program
        self._local = LayerCache(local, program) if local else None
        self._writes = writes
        self._writer = writer
        self._on_problem = on_problem
        self._failures = 0
        self._messages = 0
        self._lock = threading.Lock()

    def get(self, layer: LayerReference, *, secrets: bool) -> LayerContent | None:
        """Return the content of a layer, searched for secrets if requested; None if there is no trusted fragment."""
        if not _SHA256.fullmatch(layer.digest):
            return None
        content = self._local.get(layer.diff_id, secrets=secrets) if self._local else None
        if content is not None and content.digest == layer.digest:
            return content
        entry = self._pull(self._name(layer.digest, secrets=secrets))
        try:
            content = decode_entry(entry, self._program, secrets=secrets) if entry else None
        except (ValueError, MemoryError, RecursionError):
            content = None
        if content is None or (content.digest, content.diff_id) != (layer.digest, layer.diff_id):
            if entry:
                self._report(f"{layer.digest}: the fragment is of another layer or damaged: not used")
            return None
        if self._local:
            self._local.store(content, secrets=secrets)
        return content

    def put(self, content: LayerContent, *, secrets: bool) -> None:
        """Share the content of a layer if this run writes."""
        if not self._writes or not _SHA256.fullmatch(content.digest) or self._is_given_up():
            return
        entry = encode_entry(content, self._program, secrets=secrets)
        if entry is None or len(entry) > _FORMAT.maximum_bytes:
            return
        reference = self._name(content.digest, secrets=secrets)
        try:
            artifacts.push(self._repository, reference, _FORMAT, (entry, {}), {}, self._writer)
        except (RegistryError, RejectedArtifactError) as error:
            self._fail(f"a fragment cannot be written: {error}")

    def close(self) -> None:
        """Close the connections."""
        self._repository.close()

    def _pull(self, reference: ArtifactReference) -> bytes:
        if self._is_given_up():
            return b""
        try:
            return artifacts.pull(self._repository, reference, _FORMAT, self._trust.key).layer
        except MissingArtifactError:
            return b""
        except RejectedArtifactError as error:
            self._report(f"a fragment is rejected: {error}")
        except RegistryError as error:
            self._fail(f"a fragment cannot be read: {error}")
        return b""

    def _name(self, digest: str, *, secrets: bool) -> ArtifactReference:
        program = hashlib.blake2b(self._program).hexdigest()[:_PROGRAM_DIGITS]
        kind = "secrets" if secrets else "packages"
        return msgspec.structs.replace(
            self._reference, tag=f"layer-{digest.removeprefix('sha256:')}-{program}-{kind}", digest=""
        )

    def _is_given_up(self) -> bool:
        with self._lock:
            return self._failures >= _MOST_FAILURES

    def _fail(self, message: str) -> None:
        with self._lock:
            self._failures += 1
            is_last = self._failures == _MOST_FAILURES
        self._report(message + ("; it is not used any more in this run" if is_last else ""))

    def _report(self, message: str) -> None:
        with self._lock:
            self._messages += 1
            is_shown = self._messages <= _MOST_MESSAGES
        if is_shown:
            self._on_problem(f"layer cache {self._reference.name}: {visible(message)}")

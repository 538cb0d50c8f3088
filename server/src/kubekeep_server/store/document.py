"""Submissions as received: definitions, entries of subjects and packages of images stay encoded until they are needed.

Most of a scan is as in the scan before. Digests tell, so that it needs no decoding.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Final

import msgspec

from kubekeep.model.finding_document import DocumentPart
from kubekeep.model.permissions import ClusterPermissions
from kubekeep.model.submission import (
    Fingerprint,
    SubjectEntry,
    Submission,
    compute_manifest,
    digest_json,
    digest_permissions,
)
from kubekeep.model.text import encode_json
from kubekeep.uplink.delta import DivergenceError
from kubekeep_server.store.numbers import to_key

_NOTHING: Final = msgspec.Raw(b"null")


class SubmittedImage(DocumentPart, frozen=True):
    """An `ImageEntry` with its packages as they were received: a JSON object."""

    digest: str
    references: tuple[str, ...]
    platform: str
    content: msgspec.Raw


class _EncodedSubmission(Submission, frozen=True, kw_only=True):
    definitions: tuple[msgspec.Raw, ...] = ()  # type: ignore[assignment]
    images: tuple[SubmittedImage, ...] = ()  # type: ignore[assignment]
    subjects: tuple[msgspec.Raw, ...] = ()  # type: ignore[assignment]
    permissions: msgspec.Raw = _NOTHING  # type: ignore[assignment]


class _EntryKey(msgspec.Struct, frozen=True):
    key: Fingerprint


class _DefinitionKey(msgspec.Struct, frozen=True):
    key: str


_decoder: Final = msgspec.json.Decoder(_EncodedSubmission)
_FIRST_KEY: Final = re.compile(rb'\{"key":"([0-9a-f]{16})"')
"""The beginning of an entry, as Kubekeep writes it."""
_key_decoder: Final = msgspec.json.Decoder(_EntryKey)
_definition_key_decoder: Final = msgspec.json.Decoder(_DefinitionKey)
_permissions_decoder: Final = msgspec.json.Decoder(ClusterPermissions | None)
_entry_decoder: Final = msgspec.json.Decoder(SubjectEntry)


class SubmittedDocument:
    """A submission with the entries of its subjects by key.

    submission: without definitions, subjects, images and permissions. definitions: encoded, by key. images: by digest. digests: of the entries,
    as the manifest has them; empty for a delta, whose entries are parts.
    """

    def __init__(self, document: bytes) -> None:
        """Decode all but the entries. Raises msgspec.DecodeError, and DivergenceError if the manifest is another one."""
        encoded = _decoder.decode(document)
        self.submission: Submission = msgspec.structs.replace(
            encoded, definitions=(), subjects=(), images=(), permissions=None
        )
        self._permissions = encoded.permissions
        self.definitions = {_definition_key_decoder.decode(raw).key: bytes(raw) for raw in encoded.definitions}
        self.images = {image.digest: image for image in encoded.images}
        self._entries = {_read_key(raw): raw for raw in encoded.subjects}
        self.digests: dict[int, bytes] = {}
        if encoded.base:
            return
        self.digests = {key: digest_json(memoryview(raw)) for key, raw in self._entries.items()}
        if not self._is_complete():
            # Another program may have written the same entries in another form.
            self.digests = {key: digest_entry(self.decode(key)) for key in self._entries}
            if not self._is_complete():
                raise DivergenceError(f"{encoded.id} does not have the state {encoded.manifest}")

    @functools.cached_property
    def definitions_digest(self) -> bytes:
        """The digest of the definitions, and of the version of Kubekeep that they come from."""
        return digest_json(b"\n".join((self.submission.versions.kubekeep.encode(), *self.definitions.values())))

    @property
    def keys(self) -> frozenset[int]:
        """Keys of the subjects."""
        return frozenset(self._entries)

    def decode(self, key: int) -> SubjectEntry:
        """Return the entry of a subject. Raises msgspec.DecodeError."""
        entry = _entry_decoder.decode(self._entries[key])
        if to_key(entry.key) != key:
            raise msgspec.DecodeError(f"the entry {entry.key} has two keys")
        return entry

    def decode_permissions(self) -> ClusterPermissions | None:
        """Return the roles and bindings; None if the submission has none.

        Raises msgspec.DecodeError, and DivergenceError if the digest of the submission is another one.
        """
        permissions: ClusterPermissions | None = _permissions_decoder.decode(self._permissions)
        digest = self.submission.permissions_digest
        if permissions is not None and digest not in (
            digest_json(memoryview(self._permissions)).hex(),
            digest_permissions(permissions),
        ):
            raise DivergenceError(f"{self.submission.id} does not have the roles and bindings {digest}")
        return permissions

    def _is_complete(self) -> bool:
        return sum_digests(self.digests.values()) == self.submission.manifest


def _read_key(entry: msgspec.Raw) -> int:
    """Return the key of an encoded entry. Raises msgspec.DecodeError."""
    match = _FIRST_KEY.match(entry)
    return to_key(match[1].decode() if match else _key_decoder.decode(entry).key)


def digest_entry(entry: SubjectEntry) -> bytes:
    """Return the digest of an entry, as the manifest has it."""
    return digest_json(encode_json(entry).encode())


def sum_digests(digests: Iterable[bytes]) -> str:
    """Return the manifest of a state by the digests of its entries."""
    return compute_manifest(map(int.from_bytes, digests))

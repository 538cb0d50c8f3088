"""Submissions as received: the entries of subjects and the packages of images stay encoded until they are needed.

Most of a scan is as in the scan before. Digests tell, so that it needs no decoding.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from kubekeep.model.finding_document import DocumentPart
from kubekeep.model.submission import Fingerprint, SubjectEntry, Submission, compute_manifest, digest_json
from kubekeep.model.text import encode_json
from kubekeep.uplink.delta import DivergenceError
from kubekeep_server.store.numbers import to_key


class SubmittedImage(DocumentPart, frozen=True):
    """An `ImageEntry` with its packages as they were received: a JSON object."""

    digest: str
    references: tuple[str, ...]
    platform: str
    content: msgspec.Raw


class _EncodedSubmission(Submission, frozen=True, kw_only=True):
    images: tuple[SubmittedImage, ...] = ()  # type: ignore[assignment]
    subjects: tuple[msgspec.Raw, ...] = ()  # type: ignore[assignment]


class _EntryKey(msgspec.Struct, frozen=True):
    key: Fingerprint


_decoder: Final = msgspec.json.Decoder(_EncodedSubmission)
_key_decoder: Final = msgspec.json.Decoder(_EntryKey)
_entry_decoder: Final = msgspec.json.Decoder(SubjectEntry)


class SubmittedDocument:
    """A submission with the entries of its subjects by key.

    submission: without subjects and images. images: by digest. digests: of the entries, as the manifest has them; empty for a delta, whose entries are
    parts.
    """

    def __init__(self, document: bytes) -> None:
        """Decode all but the entries. Raises msgspec.DecodeError, and DivergenceError if the manifest is another one."""
        encoded = _decoder.decode(document)
        self.submission: Submission = msgspec.structs.replace(encoded, subjects=(), images=())
        self.images = {image.digest: image for image in encoded.images}
        self._entries = {to_key(_key_decoder.decode(raw).key): raw for raw in encoded.subjects}
        self.digests: dict[int, bytes] = {}
        if encoded.base:
            return
        self.digests = {key: digest_json(memoryview(raw)) for key, raw in self._entries.items()}
        if not self._is_complete():
            # Another program may have written the same entries in another form.
            self.digests = {key: digest_entry(self.decode(key)) for key in self._entries}
            if not self._is_complete():
                raise DivergenceError(f"{encoded.id} does not have the state {encoded.manifest}")

    @property
    def keys(self) -> frozenset[int]:
        """Keys of the subjects."""
        return frozenset(self._entries)

    def decode(self, key: int) -> SubjectEntry:
        """Return the entry of a subject. Raises msgspec.DecodeError."""
        return _entry_decoder.decode(self._entries[key])

    def _is_complete(self) -> bool:
        return sum_digests(self.digests.values()) == self.submission.manifest


def digest_entry(entry: SubjectEntry) -> bytes:
    """Return the digest of an entry, as the manifest has it."""
    return digest_json(encode_json(entry).encode())


def sum_digests(digests: Iterable[bytes]) -> str:
    """Return the manifest of a state by the digests of its entries."""
    return compute_manifest(map(int.from_bytes, digests))

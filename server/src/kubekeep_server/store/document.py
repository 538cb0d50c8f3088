"""Submissions as received: the entries of subjects stay encoded until one of them is needed.

Most subjects of a scan are those of the scan before. Their digest tells, so that they need no decoding.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from kubekeep.model.submission import Fingerprint, SubjectEntry, Submission, compute_manifest, digest_json
from kubekeep.model.text import encode_json
from kubekeep.uplink.delta import DivergenceError
from kubekeep_server.store.numbers import to_key


class _EncodedSubmission(Submission, frozen=True, kw_only=True):
    subjects: tuple[msgspec.Raw, ...] = ()  # type: ignore[assignment]


class _EntryKey(msgspec.Struct, frozen=True):
    key: Fingerprint


_decoder: Final = msgspec.json.Decoder(_EncodedSubmission)
_key_decoder: Final = msgspec.json.Decoder(_EntryKey)
_entry_decoder: Final = msgspec.json.Decoder(SubjectEntry)


class SubmittedDocument:
    """A submission with the entries of its subjects by key.

    submission: without subjects. digests: of the entries, as the manifest has them; empty for a delta, whose entries are
    parts.
    """

    def __init__(self, document: bytes) -> None:
        """Decode all but the entries. Raises msgspec.DecodeError, and DivergenceError if the manifest is another one."""
        encoded = _decoder.decode(document)
        self.submission: Submission = msgspec.structs.replace(encoded, subjects=())
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

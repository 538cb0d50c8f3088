"""Entries of transparency logs: signed entry timestamps, proofs of inclusion and checkpoints. No network."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import re
from typing import Final

import msgspec

from kubekeep.registry.keys import is_valid
from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.sigstore.bundle import InclusionProof, LogEntry
from kubekeep.signatures.sigstore.trusted_root import TransparencyLog

_SIGNATURE_LINE: Final = re.compile(r"\u2014 ([^\s]+) ([A-Za-z0-9+/=]+)")
_MOST_HASHES: Final = 64
_LARGEST_CHECKPOINT: Final = 64 << 10


class _SignedState(msgspec.Struct, frozen=True):
    """State of a log in a checkpoint: size and root hash of its tree, and the signatures by their hints."""

    size: int
    root_hash: bytes
    note: bytes
    signatures: tuple[tuple[bytes, bytes], ...]


def verify_entry(
    entry: LogEntry, logs: tuple[TransparencyLog, ...], *, needs_proof: bool
) -> tuple[dt.datetime | None, tuple[TransparencyLog, ...]]:
    """Verify that a trusted log has the entry; return the time that it proves, if any, and the log's candidates.

    The caller compares the entry with the signature, and the time of signing with the log's period if the entry proves
    no time. Raises SignatureError.
    """
    candidates = tuple(log for log in logs if log.log_id and log.log_id == entry.log_id.key_id)
    if not candidates:
        identity = entry.log_id.key_id.hex()[:64] or "none"
        raise SignatureError(f"the log entry is of an unknown log ({identity}): use its trusted root, or ignore logs")
    time = None
    has_promise = entry.inclusion_promise is not None and bool(entry.inclusion_promise.signed_entry_timestamp)
    if has_promise:
        time = dt.datetime.fromtimestamp(min(entry.integrated_time, 1 << 36), dt.UTC)
        candidates = check_period(candidates, time)
        _verify_promise(entry, candidates)
    proof = entry.inclusion_proof
    if proof is not None and proof.checkpoint is not None and proof.checkpoint.envelope:
        _verify_proof(entry.canonicalized_body, proof, proof.checkpoint.envelope, candidates)
    elif needs_proof or not has_promise:
        raise SignatureError("the log entry has no checkpoint of its log")
    return time, candidates


def check_period(logs: tuple[TransparencyLog, ...], time: dt.datetime) -> tuple[TransparencyLog, ...]:
    """Return the logs that were in use at `time`. Raises SignatureError if there is none."""
    candidates = tuple(log for log in logs if log.period.includes(time))
    if not candidates:
        raise SignatureError(f"the log was not in use at {time:%Y-%m-%d %H:%M:%S} UTC")
    return candidates


def _verify_promise(entry: LogEntry, logs: tuple[TransparencyLog, ...]) -> None:
    promise = entry.inclusion_promise
    signed = msgspec.json.encode(
        {
            "body": base64.b64encode(entry.canonicalized_body).decode(),
            "integratedTime": entry.integrated_time,
            "logID": entry.log_id.key_id.hex(),
            "logIndex": entry.log_index,
        }
    )
    if promise is None or not any(is_valid(log.key, promise.signed_entry_timestamp, signed) for log in logs):
        raise SignatureError("the log's timestamp of the entry (SET) is not valid")


def _verify_proof(body: bytes, proof: InclusionProof, checkpoint: str, logs: tuple[TransparencyLog, ...]) -> None:
    state = _decode_checkpoint(checkpoint)
    if not any(
        hint in log.hints and is_valid(log.key, signature, state.note)
        for hint, signature in state.signatures
        for log in logs
    ):
        raise SignatureError("the checkpoint has no valid signature of its log")
    if (proof.root_hash, proof.tree_size) != (state.root_hash, state.size):
        raise SignatureError("the proof of inclusion belongs to another checkpoint")
    if _compute_root(body, proof) != state.root_hash:
        raise SignatureError("the log does not contain the entry: its proof of inclusion leads to another root hash")


def _compute_root(body: bytes, proof: InclusionProof) -> bytes:
    """Return the root hash of the tree that follows from an entry and its path (RFC 9162 §2.1.3.2)."""
    if len(proof.hashes) > _MOST_HASHES or proof.log_index >= proof.tree_size:
        raise SignatureError("the proof of inclusion is not valid")
    node, last = proof.log_index, proof.tree_size - 1
    current = hashlib.sha256(b"\0" + body).digest()
    for sibling in proof.hashes:
        if last == 0:
            raise SignatureError("the proof of inclusion is too long")
        if node & 1 or node == last:
            current = hashlib.sha256(b"\1" + sibling + current).digest()
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            current = hashlib.sha256(b"\1" + current + sibling).digest()
        node, last = node >> 1, last >> 1
    if last != 0:
        raise SignatureError("the proof of inclusion is too short")
    return current


def _decode_checkpoint(text: str) -> _SignedState:
    """Decode a signed note (C2SP, tlog-checkpoint): origin, size and root hash, an empty line, signatures."""
    if len(text) > _LARGEST_CHECKPOINT or text.count("\n\n") != 1 or not text.endswith("\n"):
        raise SignatureError("the checkpoint is not a signed note")
    note, _, lines = text.partition("\n\n")
    fields = note.split("\n")
    try:
        if len(fields) < 3 or not fields[0] or not fields[1].isdecimal():
            raise ValueError("origin, size or root hash is missing")  # noqa: TRY301 - reported as the other errors
        root_hash = base64.b64decode(fields[2], validate=True)
        signatures = tuple(
            (content[:4], content[4:])
            for match in map(_SIGNATURE_LINE.fullmatch, lines.splitlines())
            if match is not None and len(content := base64.b64decode(match[2], validate=True)) > 4
        )
        return _SignedState(int(fields[1][:20]), root_hash, f"{note}\n".encode(), signatures)
    except (ValueError, binascii.Error) as error:
        raise SignatureError(f"the checkpoint is not valid: {error}") from error

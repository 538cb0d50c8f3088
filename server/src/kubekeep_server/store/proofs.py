"""Documents of scans as they were received, by their digest. Stores a document as its difference from an earlier one.

A scan of a source repeats almost all of the one before: with that as the dictionary of the compression, it takes a few
kilobytes. The dictionary is always a document that is stored whole, so that no document needs more than one other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, func, insert, select

from kubekeep_server.store.compression import ZstdDict, compress, decompress, decompress_parts
from kubekeep_server.store.schema import blob, scan

_LEAST_GAIN: Final = 4
"""The whole document that is the dictionary has at least this many times the bytes of a difference, both compressed."""


def store_document(connection: Connection, source: int, document: bytes) -> bytes:
    """Store a document of a source and return its digest."""
    digest = hashlib.sha256(document).digest()
    if connection.execute(select(blob.c.digest).where(blob.c.digest == digest)).first() is not None:
        return digest
    base, content = _compress_difference(connection, source, document)
    values = {"digest": digest, "base": base, "size": len(document), "content": content}
    connection.execute(insert(blob), [values])
    return digest


def load_document(connection: Connection, digest: bytes) -> bytes:
    """Return a document. Raises LookupError if there is none, ValueError if it is damaged."""
    document = decompress(*_load_compressed(connection, digest))
    if hashlib.sha256(document).digest() != digest:
        raise _describe_damage(digest)
    return document


def open_document(connection: Connection, digest: bytes) -> Iterator[bytes]:
    """Return the iterator over the parts of a document, which does not need the connection. Raises LookupError.

    The iterator raises ValueError at the end, or before, for a damaged one.
    """
    return _read_parts(digest, *_load_compressed(connection, digest))


def _load_compressed(connection: Connection, digest: bytes) -> tuple[bytes, ZstdDict | None]:
    row = connection.execute(select(blob.c.base, blob.c.content).where(blob.c.digest == digest)).first()
    if row is None:
        raise LookupError(f"there is no document {digest.hex()}")
    return row.content, None if row.base is None else ZstdDict(load_document(connection, row.base), is_raw=True)


def _read_parts(digest: bytes, content: bytes, dictionary: ZstdDict | None) -> Iterator[bytes]:
    computed = hashlib.sha256()
    for part in decompress_parts(content, dictionary):
        computed.update(part)
        yield part
    if computed.digest() != digest:
        raise _describe_damage(digest)


def _describe_damage(digest: bytes) -> ValueError:
    return ValueError(f"the document {digest.hex()} is damaged")


def _compress_difference(connection: Connection, source: int, document: bytes) -> tuple[bytes | None, bytes]:
    """Return the digest of the dictionary and the compressed document; no dictionary if it gains too little."""
    query = (
        select(blob.c.digest, func.length(blob.c.content).label("size"))
        .join(scan, scan.c.document == blob.c.digest)
        .where(scan.c.source == source, blob.c.base.is_(None))
        .order_by(scan.c.finished.desc())
        .limit(1)
    )
    base = connection.execute(query).first()
    if base is not None:
        difference = compress(document, ZstdDict(load_document(connection, base.digest), is_raw=True))
        if _LEAST_GAIN * len(difference) < base.size:
            return base.digest, difference
    return None, compress(document)

"""The native database of rpm in SUSE distributions (`Packages.db`). Reads records, never indexes.

The file begins with pages of slots; each slot has the number, the block and the number of blocks of a package record.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

_HEADER_MAGIC, _SLOT_MAGIC, _BLOB_MAGIC, _END_MAGIC = (
    int.from_bytes(magic, "little") for magic in (b"RpmP", b"Slot", b"BlbS", b"BlbE")
)
_PAGE: Final = 4096
_BLOCK: Final = 16
_HEADER_SIZE: Final = 32


def iterate_ndb_records(content: memoryview) -> Iterator[bytes]:
    """Yield the package headers. Raises ValueError if the file is not of this format or damaged."""
    if len(content) < _PAGE:
        raise ValueError(f"rpm database of less than {_PAGE} bytes")
    magic, version, _, slot_pages = struct.unpack_from("<IIII", content)
    if magic != _HEADER_MAGIC or version != 0:
        raise ValueError("not a native rpm database of version 0")
    if not 0 < slot_pages <= len(content) // _PAGE:
        raise ValueError(f"rpm database with {slot_pages} pages of slots in {len(content)} bytes")
    for slot in struct.iter_unpack("<IIII", content[_HEADER_SIZE : slot_pages * _PAGE]):
        magic, number, block, block_count = slot
        if magic != _SLOT_MAGIC:
            raise ValueError("rpm database with a damaged slot")
        # A slot without a block is free.
        if block:
            yield _read_record(content, number, block * _BLOCK, block_count * _BLOCK)


def _read_record(content: memoryview, number: int, start: int, size: int) -> bytes:
    """Return the record at `start`: a head of 16 bytes, the package header, padding, and a tail of 12 bytes.

    rpm does not check the checksum in the tail either when it reads.
    """
    end = start + size
    if size < 28 or end > len(content):
        raise ValueError(f"rpm database has package {number} outside of the file")
    magic, record_number, _, length = struct.unpack_from("<IIII", content, start)
    tail_length, tail_magic = struct.unpack_from("<II", content, end - 8)
    if magic != _BLOB_MAGIC or tail_magic != _END_MAGIC or record_number != number:
        raise ValueError(f"rpm database has a damaged record of package {number}")
    if length != tail_length or length > size - 28:
        raise ValueError(f"rpm database has package {number} with {length} bytes in a record of {size} bytes")
    return bytes(content[start + 16 : start + 16 + length])

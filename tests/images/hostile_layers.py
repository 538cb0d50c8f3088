"""Layers that attack the reader. Each is generated when it is read, so that bombs take no memory here."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from tests.images.layer_files import build_tar, entry

ZEROS: Final = bytes(1 << 20)
MIB: Final = 1 << 20
LAYERS: Final[dict[str, Callable[[], Iterator[bytes]]]] = {}
"""Generators of layers by name. Names with "problem" have a problem as result, the others an error."""


def layer(build: Callable[[], Iterator[bytes]]) -> Callable[[], Iterator[bytes]]:
    """Register a generator."""
    LAYERS[build.__name__] = build
    return build


def header(path: str = "file", size: int = 0, kind: bytes = b"0", **fields: object) -> bytes:
    """Return the header block of an entry."""
    info = entry(path, type=kind, size=size, **fields)
    return info.tobuf(tarfile.GNU_FORMAT)


def patch(block: bytes, start: int, value: bytes) -> bytes:
    """Replace bytes of a header block and set its checksum."""
    changed = bytearray(block)
    changed[start : start + len(value)] = value
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed[:512])
    return bytes(changed)


def pad(content: bytes) -> bytes:
    """Return content with the padding of an entry."""
    return content + bytes(-len(content) % 512)


def compress(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Compress with gzip."""
    compressor = zlib.compressobj(9, wbits=31)
    for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.flush()


def pax(records: dict[str, str]) -> bytes:
    """Return a pax header with records."""
    text = b""
    for key, value in records.items():
        record = f" {key}={value}\n".encode()
        size = len(record) + len(str(len(record)))
        size = len(record) + len(str(size))
        text += str(size).encode() + record
    return header("pax", len(text), b"x") + pad(text)


def endless(chunk: bytes) -> Iterator[bytes]:
    """Yield a chunk forever."""
    while True:
        yield chunk


# Bombs: the reader runs with a limit of 64 MiB unpacked and a ratio of 200 after 16 MiB.


@layer
def gzip_bomb() -> Iterator[bytes]:
    def build() -> Iterator[bytes]:
        yield header(size=2000 * MIB)
        yield from (ZEROS for _ in range(100))

    yield from compress(build())


@layer
def gzip_bomb_in_members() -> Iterator[bytes]:
    yield gzip.compress(header(size=8 << 30))
    member = gzip.compress(bytes(8 * MIB))
    yield from (member for _ in range(100))


@layer
def endless_zeros() -> Iterator[bytes]:
    yield header(size=1 << 60)
    yield from endless(ZEROS)


@layer
def endless_entries() -> Iterator[bytes]:
    def build() -> Iterator[bytes]:
        for number in range(1 << 40):
            yield header(f"{number}")

    yield from build()


@layer
def endless_empty_members() -> Iterator[bytes]:
    yield from endless(gzip.compress(b"") * 1000)


@layer
def endless_skippable_frames() -> Iterator[bytes]:
    yield from endless(b"\x50\x2a\x4d\x18\0\0\0\0" * 10_000)


@layer
def endless_random_bytes_after_the_end() -> Iterator[bytes]:
    yield build_tar({"a": b"b"})
    yield from endless(random.Random(1).randbytes(MIB))


@layer
def zstd_bomb() -> Iterator[bytes]:
    # A frame of blocks that each repeat one byte (RFC 8878, section 3.1.1.2.2), in a window of 128 KiB.
    yield b"\x28\xb5\x2f\xfd\x00\x38"
    block = struct.pack("<I", (128 << 10) << 3 | 1 << 1)[:3] + b"\0"
    yield from endless(block * 1000)


@layer
def zstd_with_a_window_of_2_gib() -> Iterator[bytes]:
    yield b"\x28\xb5\x2f\xfd\x00\xa8" + struct.pack("<I", 1000 << 3 | 1 << 1)[:3] + b"\0" * 100


@layer
def paths_of_many_entries() -> Iterator[bytes]:
    text = b"p" * 4000
    name = header("././@LongLink", 4000, b"L") + pad(text)
    yield from endless((name + header()) * 100)


@layer
def gzip_name_without_end() -> Iterator[bytes]:
    yield b"\x1f\x8b\x08\x08" + bytes(6)
    yield from endless(b"n" * MIB)


# Headers.


@layer
def long_name_of_8_gib() -> Iterator[bytes]:
    yield patch(header("././@LongLink", 0, b"L"), 124, b"77777777777\0")
    yield from endless(b"n" * MIB)


@layer
def long_name_of_8_eib() -> Iterator[bytes]:
    yield patch(header("././@LongLink", 0, b"L"), 124, b"\x80\0\0\0\x7f" + b"\xff" * 7)


@layer
def pax_header_of_2_mib() -> Iterator[bytes]:
    yield header("pax", 2 * MIB, b"x")
    yield from endless(b"1" * MIB)


@layer
def pax_record_with_huge_size() -> Iterator[bytes]:
    text = b"99999999999999999999 path=x\n"
    yield header("pax", len(text), b"x") + pad(text) + header()


@layer
def pax_record_without_end() -> Iterator[bytes]:
    yield header("pax", 600, b"x") + pad(b"600 path=" + b"x" * 591) + header()


@layer
def pax_size_that_overflows() -> Iterator[bytes]:
    yield pax({"size": "9" * 19}) + header()


@layer
def pax_size_beyond_the_end() -> Iterator[bytes]:
    yield pax({"size": str(1 << 62)}) + header() + ZEROS


@layer
def negative_pax_size() -> Iterator[bytes]:
    yield pax({"size": "-1"}) + header()


@layer
def negative_size() -> Iterator[bytes]:
    yield patch(header(), 124, b"\xff" * 12)


@layer
def size_of_96_bits() -> Iterator[bytes]:
    yield patch(header(), 124, b"\x80" + b"\xff" * 11)


@layer
def size_with_letters() -> Iterator[bytes]:
    yield patch(header(), 124, b"0000000012z\0")


@layer
def wrong_checksum() -> Iterator[bytes]:
    block = header()
    yield block[:10] + b"x" + block[11:]


@layer
def block_of_zeros_between_entries() -> Iterator[bytes]:
    yield header("a") + bytes(512) + header("b") + bytes(1024)


@layer
def endless_extended_headers() -> Iterator[bytes]:
    yield from endless(pax({"path": "x" * 100}) * 100)


# Sparse files.


def old_sparse(segments: list[tuple[int, int]], real_size: int, stored: int, extended: int = 0) -> bytes:
    """Return the header of a sparse file in the old GNU format."""
    block = patch(header("sparse", stored, b"S"), 483, b"%011o\0" % real_size)
    for number, (offset, size) in enumerate(segments):
        block = patch(block, 386 + 24 * number, b"%011o\0%011o\0" % (offset, size))
    return patch(block, 482, bytes([extended]))


@layer
def sparse_segments_out_of_order() -> Iterator[bytes]:
    yield old_sparse([(1024, 512), (0, 512)], 4096, 1024) + bytes(2048)


@layer
def sparse_segments_that_overlap() -> Iterator[bytes]:
    yield old_sparse([(0, 1024), (512, 1024)], 4096, 2048) + bytes(4096)


@layer
def sparse_segment_beyond_the_file() -> Iterator[bytes]:
    yield old_sparse([(4096, 512)], 1024, 512) + bytes(2048)


@layer
def sparse_map_with_another_size() -> Iterator[bytes]:
    yield old_sparse([(0, 512)], 4096, 1024) + bytes(2048)


@layer
def endless_sparse_map() -> Iterator[bytes]:
    yield old_sparse([], 1 << 30, 0, extended=1)
    block = b"%011o\0%011o\0" % (0, 0) * 21 + b"\1" + bytes(7)
    yield from endless(block * 100)


@layer
def sparse_numbers_that_overflow() -> Iterator[bytes]:
    largest = str((1 << 63) - 1)
    yield pax({"GNU.sparse.map": f"1,{largest},{largest},1", "GNU.sparse.size": largest}) + header()


@layer
def sparse_map_with_many_segments() -> Iterator[bytes]:
    text = b"99999999\n" + b"0\n" * 252
    yield pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}) + header(size=1 << 30) + pad(text)
    yield from endless(b"0\n" * 512)


@layer
def sparse_jar_of_8_eib_is_a_problem() -> Iterator[bytes]:
    largest = str((1 << 63) - 1)
    yield pax({"GNU.sparse.map": "0,0", "GNU.sparse.size": largest, "GNU.sparse.name": "a.jar"}) + header()
    yield bytes(1024)


# Content.


def build_zip(entries: list[tuple[bytes, bytes, int]]) -> bytes:
    """Return a zip file of (name, deflated content, stated size), all with the CRC of nothing."""
    body, directory = b"", b""
    for name, content, size in entries:
        fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0, 0, len(content), size, len(name), 0)
        directory += b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name
        body += b"PK\3\4" + fields + name + content
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + end


def deflate(content: bytes) -> bytes:
    compressor = zlib.compressobj(9, wbits=-15)
    return compressor.compress(content) + compressor.flush()


@layer
def nested_archive_bomb_is_a_problem() -> Iterator[bytes]:
    bomb = deflate(bytes(64 * MIB))
    yield build_tar({"a.jar": build_zip([(b"%d.jar" % number, bomb, 64 * MIB) for number in range(100)])})


@layer
def manifest_bomb_is_a_problem() -> Iterator[bytes]:
    bomb = deflate(bytes(64 * MIB))
    yield build_tar({"a.jar": build_zip([(b"META-INF/MANIFEST.MF", bomb, 100)])})


@layer
def archive_in_itself_is_a_problem() -> Iterator[bytes]:
    inner = b""
    for _ in range(20):
        inner = build_zip([(b"r.jar", deflate(inner), len(inner))])
    yield build_tar({"r.jar": inner})


@layer
def executable_with_offsets_out_of_range_has_no_problem() -> Iterator[bytes]:
    start = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 2, 62, 1)
    huge = struct.pack("<QQQ", 1 << 63, (1 << 64) - 64, (1 << 64) - 64)
    yield build_tar({"a": start + huge + b"\xff" * 22, "b": start + b"\xff" * 10, "c": b"MZ" + b"\xff" * 62})


@layer
def executable_with_many_sections_has_no_problem() -> Iterator[bytes]:
    count = 60_000
    names = 64 + 64 * count
    section = struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, names, 2 * MIB, 0, 0, 0, 0)
    start = b"\x7fELF\x02\x01\x01" + bytes(9)
    start += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, 64, 0, 64, 56, 0, 64, count, 1)
    yield build_tar({f"{number}": start + section * count + b"n" * 2 * MIB for number in range(3)})


@layer
def archive_with_many_entries_is_a_problem() -> Iterator[bytes]:
    name = b"a/A.class"
    fields = b"PK\1\2" + struct.pack("<HHHHHHIIIHH", 20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0)
    directory = (fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name) * 200_000
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(directory), 0, 0)
    yield build_tar({"a.jar": directory + end})


@layer
def paths_that_leave_the_image_are_a_problem() -> Iterator[bytes]:
    yield build_tar({"../" * number + "etc/name": b"x" for number in range(1, 40)})


@layer
def absolute_links_have_no_problem() -> Iterator[bytes]:
    links = [(entry(f"l{number}", type=tarfile.SYMTYPE, linkname="/etc/shadow"), b"") for number in range(10)]
    yield build_tar([*links, (entry("l0/name"), b"x")])


@layer
def cyclic_hard_links_have_no_problem() -> Iterator[bytes]:
    yield build_tar(
        [
            (entry("a/name", type=tarfile.LNKTYPE, linkname="b/name"), b""),
            (entry("b/name", type=tarfile.LNKTYPE, linkname="a/name"), b""),
            (entry("c/name", type=tarfile.LNKTYPE, linkname="c/name"), b""),
        ]
    )


@layer
def hard_link_out_of_the_image_is_a_problem() -> Iterator[bytes]:
    yield build_tar([(entry("name", type=tarfile.LNKTYPE, linkname="../../../etc/shadow"), b"")])


@layer
def long_paths_are_a_problem() -> Iterator[bytes]:
    yield build_tar([(entry("x/" * 100_000), b"")], tarfile.GNU_FORMAT)


@layer
def many_copies_of_a_file_by_links() -> Iterator[bytes]:
    yield header("name", 4 * MIB) + bytes(4 * MIB)
    yield from endless(header("x/name", 0, tarfile.LNKTYPE, linkname="name") * 100)


@layer
def many_selected_files() -> Iterator[bytes]:
    yield from endless((header("name", 512) + b"x" * 512) * 100)


class Stream(io.RawIOBase):
    """A stream of generated chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        """Read from the chunks."""
        self._chunks, self._rest = chunks, b""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, never more than requested."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = chunk
        result, self._rest = self._rest[:size], self._rest[size:]
        return result

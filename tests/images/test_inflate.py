"""The decompression of gzip layers agrees with zlib, byte for byte and in what it rejects."""

from __future__ import annotations

import gzip
import hashlib
import heapq
import io
import random
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from kubekeep import _native
from tests.images.layer_files import build_tar

ARCHIVE: Final = build_tar({"a": b"content"})
PREFIX: Final = gzip.compress(ARCHIVE, mtime=0)
"""A whole archive in its own member. What follows belongs to the digest alone, so that it can be any bytes."""
HEADER: Final = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
READER: Final = _native.LayerReader([], [])
STRATEGIES: Final = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED)
FLUSHES: Final = (zlib.Z_NO_FLUSH, zlib.Z_PARTIAL_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH)


class Chunks(io.RawIOBase):
    """A stream that returns a few bytes at a time."""

    def __init__(self, content: bytes, size: int) -> None:
        """Return up to `size` bytes of the content for each call."""
        self._stream, self._size = io.BytesIO(content), size

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        return self._stream.read(min(size, self._size))


def decompress(data: bytes) -> tuple[bytes, int] | None:
    """Return the content of deflate data and its size, or None if zlib rejects it."""
    decompressor = zlib.decompressobj(-15)
    try:
        content = decompressor.decompress(data)
    except zlib.error:
        return None
    return (content, len(data) - len(decompressor.unused_data)) if decompressor.eof else None


def compare(data: bytes, folder: Path, chunk: int = 1 << 20) -> bool:
    """Assert that deflate data has the same content as with zlib or is rejected too; return True if it has content."""
    expected = decompress(data)
    if expected is None:
        with pytest.raises(_native.NativeLayerError, match="gzip data"):
            READER.read(Chunks(PREFIX + HEADER + data, chunk), str(folder))
        return False
    content, size = expected
    blob = PREFIX + HEADER + data[:size] + struct.pack("<II", 0, len(content) & 0xFFFFFFFF)
    native = READER.read(Chunks(blob, chunk), str(folder))
    stored, unpacked = hashlib.sha256(blob), hashlib.sha256(ARCHIVE + content)
    assert native.digests == (stored.hexdigest(), len(blob), unpacked.hexdigest(), len(ARCHIVE) + len(content))
    return True


def generate_content(source: random.Random) -> bytes:
    """Return bytes with matches of all lengths and distances, or with none."""
    content = bytearray(source.randbytes(source.choice((0, 1, 10, 1000, 70_000))))
    for _ in range(source.randrange(200)):
        kind = source.randrange(4)
        if kind == 0:
            content += source.randbytes(source.randrange(300))
        elif kind == 1:
            content += bytes([source.randrange(256)]) * source.randrange(3000)
        elif kind == 2:
            content += bytes(source.choices(b"abcde", k=source.randrange(500)))
        elif content:
            start = max(0, len(content) - source.choice((1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 258, 32_000, 32_768)))
            size = source.choice((3, 4, 16, 17, 32, 33, 257, 258, 259, 2000))
            content += (content[start:] * (size // max(1, len(content) - start) + 1))[:size]
    return bytes(content)


def deflate(content: bytes, source: random.Random) -> bytes:
    """Compress with a random level, strategy and flushes."""
    compressor = zlib.compressobj(
        source.randrange(10),
        zlib.DEFLATED,
        -source.randrange(9, 16),
        source.randrange(1, 10),
        source.choice(STRATEGIES),
    )
    data, position = bytearray(), 0
    while position < len(content):
        size = source.choice((1, 100, 10_000, 1 << 20))
        data += compressor.compress(content[position : position + size])
        data += compressor.flush(source.choice(FLUSHES)) if source.randrange(3) == 0 else b""
        position += size
    return bytes(data + compressor.flush())


def test_valid_data(tmp_path: Path) -> None:
    for seed in range(300):
        source = random.Random(seed)
        data = deflate(generate_content(source), source)
        assert compare(data, tmp_path, source.choice((1 << 20, 1 << 20, 4096, 100)))


def test_damaged_data(tmp_path: Path) -> None:
    """Changed bits, removed and inserted bytes, in headers of blocks more often than elsewhere."""
    accepted = 0
    for seed in range(4000):
        source = random.Random(seed)
        content = generate_content(source)[: source.choice((50, 500, 5000, 100_000))]
        data = bytearray(deflate(content, source))
        for _ in range(source.randrange(1, 4)):
            position = source.randrange(min(len(data), source.choice((3, 100, 1 << 20))))
            match source.randrange(4):
                case 0 | 1:
                    data[position] ^= 1 << source.randrange(8)
                case 2:
                    data[position : position + source.randrange(4)] = source.randbytes(source.randrange(1, 4))
                case _:
                    del data[position + 1 :]
        accepted += compare(bytes(data), tmp_path, source.choice((1 << 20, 1000)))
    assert 300 < accepted < 3000


def test_data_that_ends_at_each_byte(tmp_path: Path) -> None:
    source = random.Random(1)
    content = bytes(source.choices(b"abcdefgh", k=3000)) + b"x" * 500
    for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED):
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy)
        data = compressor.compress(content) + compressor.flush()
        assert [compare(data[:end], tmp_path) for end in range(len(data) + 1)] == [False] * len(data) + [True]
        with pytest.raises(_native.NativeLayerError, match="the layer ends within its gzip data"):
            READER.read(io.BytesIO(PREFIX + HEADER + data[:-1]), str(tmp_path))


class Bits:
    """A writer of bits, lowest first."""

    def __init__(self) -> None:
        """Begin with none."""
        self._value = self._count = 0

    def add(self, value: int, count: int) -> None:
        """Add a number."""
        self._value |= value << self._count
        self._count += count

    def add_code(self, code: tuple[int, int]) -> None:
        """Add a code of (bits, length), highest bit first."""
        bits, length = code
        for shift in reversed(range(length)):
            self.add(bits >> shift & 1, 1)

    def to_bytes(self) -> bytes:
        """Return the bytes, with zeros in the last one."""
        return self._value.to_bytes(-(-self._count // 8), "little")


def assign_codes(lengths: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return the canonical codes of symbols (RFC 1951, section 3.2.2)."""
    codes, code, before = {}, 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        code <<= length - before
        codes[symbol] = code, length
        code, before = code + 1, length
    return codes


def start_block(literals: Sequence[int], distances: Sequence[int], bits: Bits | None = None) -> Bits:
    """Return a last block with codes of these lengths, each of which is stored with four bits."""
    bits = bits or Bits()
    bits.add(0b101, 3)
    bits.add(len(literals) - 257, 5)
    bits.add(len(distances) - 1, 5)
    bits.add(15, 4)
    for symbol in (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15):
        bits.add(4 if symbol < 16 else 0, 3)
    for length in (*literals, *distances):
        bits.add_code((length, 4))
    return bits


def create_lengths(source: random.Random, symbols: Sequence[int], size: int) -> list[int]:
    """Return the lengths of a random complete code for symbols."""
    leaves = [(source.random(), 1), (source.random(), 1)]
    heapq.heapify(leaves)
    while len(leaves) < len(symbols):
        order, length = heapq.heappop(leaves)
        if length < 15:
            for _ in range(2):
                # Small numbers are split again, which gives long codes.
                heapq.heappush(leaves, (source.random() * source.choice((1, order, 2)), length + 1))
        else:
            heapq.heappush(leaves, (order + 1, length))
    lengths = [0] * size
    for symbol, (_, length) in zip(source.sample(symbols, len(symbols)), leaves, strict=True):
        lengths[symbol] = length
    return lengths


def test_random_codes(tmp_path: Path) -> None:
    """Random bits in random complete codes, after enough history for all distances."""
    history = random.Random(0).randbytes(32_768)
    stored = b"\0" + struct.pack("<HH", 32_768, 32_767) + history
    accepted = 0
    for seed in range(600):
        source = random.Random(seed)
        literal_count = source.randrange(258, 287)
        used = {256, *source.sample(range(literal_count), source.randrange(1, literal_count))}
        literals = create_lengths(source, sorted({*used, 257}), literal_count)
        distance_count = source.randrange(2, 31)
        used = set(source.sample(range(distance_count), source.randrange(2, distance_count + 1)))
        bits = start_block(literals, create_lengths(source, sorted(used), distance_count))
        bits.add(source.getrandbits(40_000), 40_000)
        bits.add_code(assign_codes(literals)[256])
        accepted += compare(stored + bits.to_bytes(), tmp_path, source.choice((1 << 20, 3000)))
    assert accepted > 300


def generate_edge_cases() -> Iterator[tuple[str, bytes]]:
    """Yield data at the limits of what zlib accepts, by name."""
    two = [0] * 65 + [2] + [0] * 190 + [2, 1]
    for name, literals, distances in (
        ("no distances", two, [0]),
        ("one distance of one bit", two, [1]),
        ("one distance of two bits", two, [2]),
        ("one distance of fifteen bits", two, [15]),
        ("two distances that leave codes unused", two, [1, 2]),
        ("too many distances", two, [1, 1, 1]),
        ("the end alone", [0] * 256 + [1], [0]),
        ("the end alone with two bits", [0] * 256 + [2], [0]),
        ("no end", [1, *[0] * 255, 0, 1], [1, 1]),
        ("nothing", [0] * 257, [0]),
        ("literals that leave codes unused", [0] * 256 + [2, 2], [1, 1]),
        ("too many literals", [1] * 257, [1, 1]),
        ("287 literals", [*two, *[0] * 29], [1, 1]),
        ("288 literals", [*two, *[0] * 30], [1, 1]),
        ("31 distances", two, [1, 1, *[0] * 29]),
        ("32 distances", two, [1, 1, *[0] * 30]),
        ("all lengths of codes", [*range(2, 16), 15, *[0] * 241, 1], [*range(1, 16), 15]),
    ):
        codes = assign_codes(literals)
        for symbols in ([], [65], [65, 257], [65, 257, 257], [257]):
            for distance in ((0, 1), (1, 1), (0, 2), (2, 2)):
                bits = start_block(literals, distances)
                for symbol in symbols:
                    bits.add_code(codes.get(symbol, (0, 1)))
                    if symbol == 257:
                        bits.add_code(distance)
                bits.add_code(codes.get(256, (1, 1)))
                yield f"{name}, {symbols}, {distance[0]:0{distance[1]}b}", bits.to_bytes()
    for symbol in range(280, 288):
        for number in range(32):
            bits = Bits()
            bits.add(0b011, 3)
            for literal in b"abcde":
                bits.add_code((0x30 + literal, 8))
            bits.add_code((symbol - 280 + 0xC0, 8))
            bits.add(0, (symbol - 261) // 4 if symbol < 285 else 0)
            bits.add_code((number, 5))
            bits.add(0, max(0, number // 2 - 1))
            bits.add(0, 7)
            yield f"fixed {symbol} {number}", bits.to_bytes()
    yield "an unknown kind of block", b"\x07"
    yield "an empty block", b"\x03\0"
    yield "empty blocks", (b"\0\0\0\xff\xff" * 5000) + b"\x01\0\0\xff\xff"
    blocks = 0b010 * (((1 << 300_000) - 1) // 1023) | 0b011 << 300_000
    yield "many empty blocks with codes", blocks.to_bytes(37_502, "little")
    yield "a wrong size", b"\x01\x05\0\xfb\xffabcde"
    yield "a right size", b"\x01\x05\0\xfa\xffabcde"


def test_edge_cases(tmp_path: Path) -> None:
    outcomes = {name: compare(data, tmp_path) for name, data in generate_edge_cases()}
    assert outcomes["one distance of one bit, [65, 257], 0"]
    assert not outcomes["one distance of one bit, [65, 257], 1"]
    assert not outcomes["no distances, [65, 257], 0"]
    assert outcomes["no distances, [65], 0"]
    assert outcomes["the end alone, [], 0"]
    assert outcomes["one distance of one bit, [65, 257, 257], 0"]
    assert outcomes["empty blocks"]
    assert outcomes["many empty blocks with codes"]
    assert outcomes["all lengths of codes, [], 00"]
    assert 60 < sum(outcomes.values()) < len(outcomes) - 60


def test_distances_into_an_earlier_member(tmp_path: Path) -> None:
    """The history of a member begins with it, also if the buffer still has bytes of the one before."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=ARCHIVE)
    data = compressor.compress(ARCHIVE[-4000:]) + compressor.flush()
    assert not compare(data, tmp_path)
    with pytest.raises(_native.NativeLayerError, match=r"is damaged: invalid distance too far back$"):
        READER.read(io.BytesIO(PREFIX + HEADER + data), str(tmp_path))


def test_members_of_all_sizes(tmp_path: Path) -> None:
    source = random.Random(2)
    contents = [source.randbytes(source.randrange(1000)) * source.randrange(300) for _ in range(60)]
    blob = PREFIX + b"".join(gzip.compress(content, source.randrange(10), mtime=0) for content in contents)
    expected = hashlib.sha256(ARCHIVE + b"".join(contents)).hexdigest()
    for chunk in (1 << 20, 5000, 11):
        digests = READER.read(Chunks(blob, chunk), str(tmp_path)).digests
        assert digests is not None
        assert digests[2] == expected

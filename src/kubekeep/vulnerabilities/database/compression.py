"""Compression of advisory records: frequent words become codes, then Zstandard with a trained dictionary. No I/O.

A record of 3 KB alone has few repetitions. Zstandard needs about 20 bits to refer to a word of the dictionary, wherever it
is; a code needs about 10, which makes texts of ordinary words a fifth smaller.
"""

from __future__ import annotations

import collections
import re
import sys
from collections.abc import Sequence
from typing import Final

import msgspec

from kubekeep.vulnerabilities.database.errors import DatabaseError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["MAX_RECORD", "SAMPLE_BYTES", "RecordCompressor", "RecordDecompressor", "Training", "train", "zstd"]

MAX_RECORD: Final = 32 << 20
"""Bytes of a record; the largest real ones list every version of the Linux kernel and have a few MB."""
SAMPLE_BYTES: Final = 4 << 20
"""Bytes of records to train a dictionary with."""
_DICTIONARY: Final = 112 << 10
_SAMPLES_PER_BYTE: Final = 20
"""Bytes of samples for each byte of the dictionary, so that small databases have a small one."""
_FEWEST_SAMPLES: Final = 20
_FIRST_CODE: Final = 0xF8
_MOST_WORDS: Final = 8 * 256
_CODE: Final = re.compile(rb"([\xf8-\xff].)", re.DOTALL)


class Training(msgspec.Struct, frozen=True):
    """Result of training with the first records of a file: a dictionary of Zstandard, and words in the order of their codes.

    Both may be empty.
    """

    dictionary: bytes = b""
    words: bytes = b""


def train(samples: Sequence[bytes]) -> Training:
    """Return the training for records like `samples`, which are JSON; nothing is learned from too few."""
    size = min(_DICTIONARY, sum(map(len, samples)) // _SAMPLES_PER_BYTE)
    if len(samples) < _FEWEST_SAMPLES:
        return Training()
    words = b" ".join(_select_words(samples))
    vocabulary = _Vocabulary(words)
    try:
        dictionary = zstd.train_dict([vocabulary.encode(sample) for sample in samples], size).dict_content
    except (zstd.ZstdError, ValueError):
        return Training()
    return Training(dictionary, words)


class RecordCompressor:
    """Compresses records, which are JSON."""

    def __init__(self, training: Training, level: int) -> None:
        self._vocabulary = _Vocabulary(training.words)
        self._compressor = zstd.ZstdCompressor(level=level, zstd_dict=_load(training.dictionary))

    def compress(self, content: bytes) -> bytes:
        """Return the compressed record."""
        return self._compressor.compress(self._vocabulary.encode(content), self._compressor.FLUSH_FRAME)


class RecordDecompressor:
    """Decompresses records that were compressed with the same training."""

    def __init__(self, training: Training) -> None:
        """Load the training. Raises DatabaseError if it is damaged."""
        self._vocabulary = _Vocabulary(training.words)
        self._dictionary = _load(training.dictionary)

    def decompress(self, content: bytes) -> bytes:
        """Return the record. Raises DatabaseError for damaged content and beyond the limit."""
        try:
            decompressor = zstd.ZstdDecompressor(zstd_dict=self._dictionary)
            text = decompressor.decompress(content, MAX_RECORD)
        except (zstd.ZstdError, EOFError) as error:
            raise DatabaseError("a record cannot be decompressed") from error
        if not decompressor.eof:
            raise DatabaseError("a record is incomplete or too large")
        return self._vocabulary.decode(text)


class _Vocabulary:
    """Codes of two bytes for a space and a word. Their first byte, 0xF8 to 0xFF, never occurs in UTF-8."""

    def __init__(self, words: bytes) -> None:
        listed = words.split(b" ")[:_MOST_WORDS] if words else []
        self._codes = {word: bytes((_FIRST_CODE + number // 256, number % 256)) for number, word in enumerate(listed)}
        self._words = {code: b" " + word for word, code in self._codes.items()}

    def encode(self, text: bytes) -> bytes:
        first, *words = text.split(b" ")
        get = self._codes.get
        return first + b"".join([get(word) or b" " + word for word in words])

    def decode(self, text: bytes) -> bytes:
        parts = _CODE.split(text)
        try:
            parts[1::2] = [self._words[code] for code in parts[1::2]]
        except KeyError as error:
            raise DatabaseError("a record has an unknown word") from error
        if sum(map(len, parts)) > MAX_RECORD:
            raise DatabaseError("a record is too large")
        return b"".join(parts)


def _select_words(samples: Sequence[bytes]) -> list[bytes]:
    """Return the words whose codes save most, the most frequent first."""
    counts: collections.Counter[bytes] = collections.Counter()
    for sample in samples:
        counts.update(sample.split(b" ")[1:])
    saved = {word: count * (len(word) - 1) for word, count in counts.items() if count > 1}
    selected = sorted(saved, key=lambda word: (-saved[word], word))[:_MOST_WORDS]
    return sorted((word for word in selected if saved[word] > 0), key=lambda word: (-counts[word], word))


def _load(dictionary: bytes) -> zstd.ZstdDict | None:
    try:
        return zstd.ZstdDict(dictionary) if dictionary else None
    except ValueError as error:
        raise DatabaseError("the compression dictionary is damaged") from error

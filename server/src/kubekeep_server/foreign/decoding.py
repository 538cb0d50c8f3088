"""Decoding of documents of other tools into types, with limits of size, values and depth. No I/O."""

from __future__ import annotations

import hashlib
import re
from typing import Final, TypeVar

import msgspec

from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible

T = TypeVar("T")

MAX_BYTES: Final = 256 << 20
"""Maximum size of the documents of a report together."""
_MAX_VALUES: Final = 8_000_000
"""Maximum number of values in a document: memory depends on them more than on the size."""
MAX_NAME: Final = 512
"""Maximum bytes of a name: databases limit the length of indexed texts."""
MAX_TEXT: Final = 8192
_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""The escape of a character that databases cannot store."""


class ForeignDocumentError(KubekeepError, ValueError):
    """A document of another tool that cannot be converted; the message names the position and the reason.

    Messages quote the document: control characters are escaped.
    """

    def __init__(self, message: str) -> None:
        super().__init__(visible(message))


def decode(document: bytes, kind: type[T], description: str) -> T:
    """Return a JSON document as a type. description: of the document in messages. Raises ForeignDocumentError."""
    check_size(document, description)
    try:
        return msgspec.json.decode(replace_nul(document.removeprefix(b"\xef\xbb\xbf")), type=kind)
    except RecursionError:
        raise ForeignDocumentError(f"not {description}: nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ForeignDocumentError(f"not {description}: {error}") from None


def check_size(document: bytes, description: str) -> None:
    """Raise ForeignDocumentError for a document with too many bytes or values."""
    if len(document) > MAX_BYTES:
        raise ForeignDocumentError(
            f"{description} may have {MAX_BYTES >> 20} MiB, and this one has {len(document):,} bytes"
        )
    if document.count(b",") + document.count(b"[") + document.count(b"{") > _MAX_VALUES:
        raise ForeignDocumentError(f"{description} may have {_MAX_VALUES:,} values, and this one has more")


def replace_nul(document: bytes) -> bytes:
    """Return a document without the character that databases cannot store, in plain text and escaped in JSON."""
    return _NUL.sub(rb"\1\\ufffd", document.replace(b"\0", b""))


def shorten(text: str, limit: int = MAX_NAME) -> str:
    """Return a text of at most `limit` bytes; a longer one ends in its digest, so that different texts stay different.

    Addresses in documents may have the character that databases cannot store percent-encoded.
    """
    text = text.replace("\0", "\ufffd")
    content = text.encode("utf-8", "replace")
    if len(content) <= limit:
        return text
    digest = hashlib.sha256(content).hexdigest()[:16]
    return f"{content[: limit - 20].decode('utf-8', 'ignore')}…{digest}"

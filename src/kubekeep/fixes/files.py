"""The files that a plan may change, each read once. Never writes."""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Mapping

import msgspec

from kubekeep.confinement import open_descriptor
from kubekeep.fixes.edits.change import EditRefusedError
from kubekeep.fixes.edits.dockerfile import DockerfileEditText
from kubekeep.fixes.edits.parsed_text import ParsedText
from kubekeep.sources import json_text
from kubekeep.sources.dockerfile.names import is_dockerfile_name
from kubekeep.sources.tree import DEFAULT_LIMITS, MAXIMUM_BYTES, Problem
from kubekeep.sources.unsaved import find_unsaved

_BOM = codecs.BOM_UTF8


class TextFile(msgspec.Struct, frozen=True):
    """A file in UTF-8: its bytes, and its text without the byte order mark."""

    data: bytes
    text: str

    @classmethod
    def read(cls, path: str) -> TextFile:
        """Read a regular file. Raises EditRefusedError for files that cannot be changed, and OSError."""
        descriptor = open_descriptor(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise EditRefusedError("it is not a regular file")
            content = stream.read(MAXIMUM_BYTES + 1)
        if len(content) > MAXIMUM_BYTES:
            raise EditRefusedError(f"it is larger than {MAXIMUM_BYTES} bytes")
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise EditRefusedError("it is UTF-16, which can be read but not edited")
        try:
            return cls(content, content.decode().removeprefix("\ufeff"))
        except UnicodeDecodeError as error:
            raise EditRefusedError("it is not UTF-8 text") from error

    def encode(self, text: str) -> bytes:
        """Encode another text for this file, with a byte order mark if the file has one."""
        return (_BOM if self.data.startswith(_BOM) else b"") + text.encode()


class FileCache:
    """Cache of files by displayed name. unsaved: contents by real path that replace those of files."""

    def __init__(self, unsaved: Mapping[str, bytes] = {}) -> None:
        self._unsaved = unsaved
        self._texts: dict[str, TextFile] = {}
        self._parsed: dict[str, ParsedText] = {}

    def read(self, name: str) -> TextFile:
        """Return a file. Raises EditRefusedError if it cannot be read or changed."""
        if name not in self._texts:
            unsaved = find_unsaved(self._unsaved, name)
            try:
                self._texts[name] = TextFile.read(name) if unsaved is None else TextFile(unsaved, unsaved.decode())
            except OSError as error:
                raise EditRefusedError(f"{name}: {error.strerror}") from error
        return self._texts[name]

    def parse(self, name: str) -> ParsedText:
        """Return a parsed file. Raises EditRefusedError."""
        if name not in self._parsed:
            self._parsed[name] = parse_text(name, self.read(name).text)
        return self._parsed[name]


def parse_text(name: str, text: str) -> ParsedText:
    """Return the text of a file, parsed in the syntax that a scan reads it in."""
    if is_dockerfile_name(os.path.split(name)[1]):
        return DockerfileEditText(text)
    return ParsedText(text, is_json=is_json(name, text))


def is_json(name: str, text: str) -> bool:
    """Return True if a scan reads the file as JSON: by its name, or because it begins with { and is valid."""
    if name.lower().endswith(".json"):
        return True
    if not text.lstrip().startswith("{"):
        return False
    parsed = ParsedText(text, is_json=True)
    return not any(
        isinstance(document, Problem) for document in json_text.parse_documents(text, parsed.lines, DEFAULT_LIMITS)
    )

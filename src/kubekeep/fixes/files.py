"""The files that a plan may change, each read once and kept as it was. Never writes."""

from __future__ import annotations

import codecs
import os
import stat

import msgspec

from kubekeep.fixes.edits.change import RefusedError
from kubekeep.fixes.edits.reading import Reading
from kubekeep.sources import json_text
from kubekeep.sources.tree import DEFAULT_LIMITS, MAXIMUM_BYTES, Problem

_BOM = codecs.BOM_UTF8


class Text(msgspec.Struct, frozen=True):
    """A file of UTF-8: its bytes, and its text without the byte order mark."""

    data: bytes
    text: str

    @classmethod
    def read(cls, path: str) -> Text:
        """Read the regular file at `path`. Raises RefusedError for what cannot be changed, OSError as the system does."""
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise RefusedError("it is no regular file")
            data = stream.read(MAXIMUM_BYTES + 1)
        if len(data) > MAXIMUM_BYTES:
            raise RefusedError(f"it is larger than {MAXIMUM_BYTES} bytes")
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise RefusedError("it is UTF-16, which is read but not changed")
        try:
            return cls(data, data.decode().removeprefix("\ufeff"))
        except UnicodeDecodeError as error:
            raise RefusedError("it is not UTF-8 text") from error

    def encoded(self, text: str) -> bytes:
        """The bytes of another text for this file, with a byte order mark if it has one."""
        return (_BOM if self.data.startswith(_BOM) else b"") + text.encode()


class Files:
    """The files by the name that is shown to people."""

    def __init__(self) -> None:
        self._texts: dict[str, Text] = {}
        self._readings: dict[str, Reading] = {}

    def text(self, name: str) -> Text:
        """A file. Raises RefusedError for what cannot be read or changed."""
        if name not in self._texts:
            try:
                self._texts[name] = Text.read(name)
            except OSError as error:
                raise RefusedError(f"{name}: {error.strerror}") from error
        return self._texts[name]

    def reading(self, name: str) -> Reading:
        """What a file says. Raises RefusedError."""
        if name not in self._readings:
            text = self.text(name).text
            self._readings[name] = Reading(text, is_json=is_json(name, text))
        return self._readings[name]


def is_json(name: str, text: str) -> bool:
    """Whether a scan takes it for JSON: by its name, or because it begins so and is."""
    if name.lower().endswith(".json"):
        return True
    if not text.lstrip().startswith("{"):
        return False
    reading = Reading(text, is_json=True)
    return not any(isinstance(item, Problem) for item in json_text.documents(text, reading.lines, DEFAULT_LIMITS))

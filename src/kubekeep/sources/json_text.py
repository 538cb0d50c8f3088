"""JSON text as documents with a source map.

The decoder of the standard library checks the syntax; tokens give the positions, and the native code builds the document.
Reads several documents in sequence, as kubectl does. Never reads YAML.
"""

from __future__ import annotations

import json
import math
import re
from array import array
from collections.abc import Iterator
from typing import Final, NoReturn

from kubekeep._native import Tree, json_integer
from kubekeep.sources.tree import Document, Limits, Problem, build_document

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s,:{}\[\]"]+')
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LONGEST_INTEGER: Final = len(str(-(2**63)))
_LITERALS: Final = {"null": None, "true": True, "false": False}


def parse_documents(text: str, lines: array[int], limits: Limits) -> Iterator[Document | Problem | None]:
    """Yield the documents of a JSON text in order; after an error the rest is not read."""
    reader = _JsonReader(text, lines, limits)
    at, number = reader.skip_space(0), 0
    while at < len(text):
        try:
            end = reader.check_syntax(at, number)
            build_document = reader.build_document(at, end)
        except _TextError as error:
            yield error.problem
            return
        yield build_document
        at, number = reader.skip_space(end), number + 1


class _TextError(Exception):
    """An error in a document; nothing after the document is read."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.problem = Problem(message, at)


class _JsonReader:
    """Reader of one text; lines: start of each line."""

    def __init__(self, text: str, lines: array[int], limits: Limits) -> None:
        self._text = text
        self._lines = lines
        self._limits = limits
        self._nodes = 0
        self._decoder = json.JSONDecoder(parse_constant=_reject_constant, parse_int=str, parse_float=str)

    def skip_space(self, at: int) -> int:
        """Return the index of the next token, or of the end."""
        match = _SPACE.match(self._text, at)
        return match.end() if match else at

    def check_syntax(self, at: int, number: int) -> int:
        """Check the syntax of the document at `at` and return its end; `number` counts documents from 0."""
        if number >= self._limits.documents:
            raise _TextError(f"more than {self._limits.documents} documents: the rest was not read", at)
        try:
            return self._decoder.raw_decode(self._text, at)[1]
        except json.JSONDecodeError as error:
            raise _TextError(f"not JSON: {error.msg}", error.pos) from None
        except _ConstantError as error:
            raise _TextError(f"not JSON: {error}", at) from None
        except RecursionError:
            raise _TextError(f"nested deeper than {self._limits.depth} levels", at) from None

    def build_document(self, at: int, end: int) -> Document | None:
        """Return the document between two indexes, after its syntax was checked."""
        tree = Tree()
        depth = 0
        limit = self._limits.nodes - self._nodes
        for match in _TOKEN.finditer(self._text, at, end):
            lexeme = match[0]
            if lexeme in "}]":
                tree.close(match.end())
                depth -= 1
                continue
            if lexeme in "{[":
                if depth >= self._limits.depth:
                    raise _TextError(f"nested deeper than {self._limits.depth} levels", match.start())
                depth += 1
                nodes = tree.open(lexeme == "{", match.start())
            else:
                nodes = tree.leaf(_parse_scalar(lexeme, match.start()), match.start(), match.end())
            if nodes > limit:
                raise _TextError(f"more than {self._limits.nodes} values: the rest was not read", match.start())
        self._nodes += len(tree)
        parts = tree.finish()
        return None if parts is None else build_document(*parts, self._lines)


def _parse_scalar(lexeme: str, at: int) -> str | float | bool | None:
    if lexeme[0] == '"':
        if "\\" not in lexeme:
            return lexeme[1:-1]
        # Half a surrogate pair becomes the replacement character, as in encoding/json.
        return _SURROGATE.sub("\ufffd", json.loads(lexeme))
    if lexeme in _LITERALS:
        return _LITERALS[lexeme]
    if lexeme.lstrip("-").isdigit() and len(lexeme) <= _LONGEST_INTEGER:
        return json_integer(lexeme)
    number = float(lexeme)
    if math.isinf(number):
        raise _TextError("number out of range", at)
    return number


class _ConstantError(ValueError):
    """NaN or Infinity, accepted by the decoder of Python and invalid in JSON."""


def _reject_constant(name: str) -> NoReturn:
    raise _ConstantError(f"{name} is not a JSON number")

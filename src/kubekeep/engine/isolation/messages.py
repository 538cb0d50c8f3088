"""Messages between a scan and the process that evaluates its custom rules, as msgpack in frames. Never pickled.

A frame is the length of a message in 8 bytes, and the message. Replies come from a process that runs rules of others:
their length and their types are checked.
"""

from __future__ import annotations

import struct
from typing import IO, Final

import msgspec

_LENGTH: Final = struct.Struct("<Q")


class FrameError(Exception):
    """A frame that is too long."""


class Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A request; each has one reply. `seconds` limits the time until the reply."""

    seconds: float


class SetMemoryLimit(Request, frozen=True, kw_only=True):
    """Limit the memory that is allocated from now on, in bytes. The reply is `Done`."""

    memory: int


class RuleSource(msgspec.Struct, frozen=True):
    """A rule with the modules that it needs (path to source)."""

    number: int
    name: str
    path: str
    modules: dict[str, str]


class CheckModules(Request, frozen=True, kw_only=True):
    """Compile modules, and evaluate the rule at `path` (if any) on an empty document. The reply is `Done` or `Invalid`."""

    modules: dict[str, str]
    path: str = ""


class CompileRules(Request, frozen=True, kw_only=True):
    """Compile rules for evaluations. The reply is `Done` or `Invalid`."""

    rules: list[RuleSource]


class SetContext(Request, frozen=True, kw_only=True):
    """Set the fields that all documents share, an object as JSON. The reply is `Done` or `Invalid`."""

    context: bytes


class SetDocuments(Request, frozen=True, kw_only=True):
    """Set the documents of the next evaluations, as JSON. The reply is `Done`."""

    documents: list[bytes]


class EvaluateRule(Request, frozen=True, kw_only=True):
    """Evaluate the rule `number` on some documents. The reply is `Outcomes`."""

    number: int
    documents: list[int]


class EvaluateQuery(Request, frozen=True, kw_only=True):
    """Evaluate a query, as `engine.rego` does. The reply is `Bindings` or `QueryError`."""

    modules: dict[str, str]
    query: str
    data: str | None
    input: str | None
    is_v0: bool
    time_limit: float


AnyRequest = SetMemoryLimit | CheckModules | CompileRules | SetContext | SetDocuments | EvaluateRule | EvaluateQuery


class Done(msgspec.Struct, frozen=True, tag=True):
    """The request had no error."""


class Invalid(msgspec.Struct, frozen=True, tag=True):
    """Modules that do not compile, or a context that is no object; the message has file and line."""

    message: str


class Outcomes(msgspec.Struct, frozen=True, tag=True):
    """The outcome of a rule for each document, as JSON; None if it is empty."""

    texts: list[str | None]


class Bindings(msgspec.Struct, frozen=True, tag=True):
    """The results of a query, as JSON."""

    text: str


class QueryError(msgspec.Struct, frozen=True, tag=True):
    """The parts of a `RegoError`."""

    code: str
    message: str
    file: str
    line: int
    column: int


Reply = Done | Invalid | Outcomes | Bindings | QueryError

encode: Final = msgspec.msgpack.Encoder().encode
decode_request: Final = msgspec.msgpack.Decoder(AnyRequest).decode
decode_reply: Final = msgspec.msgpack.Decoder(Reply).decode


def write_frame(stream: IO[bytes], message: bytes) -> None:
    """Write one message. Raises OSError."""
    stream.write(_LENGTH.pack(len(message)))
    stream.write(message)
    stream.flush()


def read_frame(stream: IO[bytes], limit: int | None = None) -> bytes:
    """Read one message. Raises EOFError at the end, FrameError for more than `limit` bytes, and OSError."""
    length: int = _LENGTH.unpack(_read(stream, _LENGTH.size))[0]
    if limit is not None and length > limit:
        raise FrameError
    return _read(stream, length)


def _read(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data

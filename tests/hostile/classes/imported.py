"""Ignore files of other tools for `exceptions import`, state of registry scans, and input of `mcp` and `lsp`."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, Final

from tests.hostile.classes.images import Image, serve, use_registry
from tests.hostile.member import REPORT, Content, Expected, Link, Member, Special, hostile_class
from tests.hostile.samples import POD, TEXTS, VALUES, damage, dump, mutate

_TRIVY: Final = {
    "vulnerabilities": [
        {"id": "CVE-2026-1", "paths": ["a/b"], "purls": ["pkg:npm/a@1"], "expired_at": "2030-01-01", "statement": "a"}
    ],
    "misconfigurations": [{"id": "AVD-1"}],
}
_GRYPE: Final = {
    "ignore": [
        {
            "vulnerability": "CVE-2026-1",
            "include-aliases": True,
            "reason": "a",
            "package": {"name": "a", "version": "1", "type": "npm", "location": "/a/**"},
        }
    ]
}


@hostile_class("ignore files of other tools")
def ignore_files(source: random.Random) -> Iterator[Member]:
    """Ignore files of Trivy and Grype with values of other types, patterns, texts, and files of other kinds."""

    def convert(name: str, file: str, content: Content, expected: Expected = Expected.EITHER) -> Member:
        return Member(
            f"{file}: {name}",
            {file: content},
            expected,
            ("exceptions", "import", file, "-o", "out.yaml"),
            ("out.yaml",),
        )

    for file, document in {".trivyignore.yaml": _TRIVY, ".grype.yaml": _GRYPE}.items():
        for name, changed in mutate(document, source, 24):
            yield convert(name, file, dump(changed))
        for name, content in damage(dump(document).encode(), source, 8):
            yield convert(name, file, content)
    others: tuple[Content, ...] = (
        Special.FIFO,
        Special.FOLDER,
        Special.SOCKET,
        Link("/dev/zero"),
        Link("missing"),
        " " * (17 << 20),
        "[" * 100_000,
        "a: &a [*a]",
        b"\xff\xfe",
        "\x00",
    )
    for other in others:
        for file in (".trivyignore", ".trivyignore.yaml", ".grype.yaml"):
            yield convert(str(other)[:20], file, other, Expected.REFUSED)
    for name, text in TEXTS.items():
        yield convert(name, ".trivyignore", f"CVE-2026-1 exp:{text}\n# {text}\n{text}\nCVE-2026-2\n")
        yield convert(
            name,
            ".trivyignore.yaml",
            dump(
                {
                    "vulnerabilities": [
                        {"id": text, "statement": text, "paths": [text]},
                        {"id": "CVE-2026-1", "purls": [text]},
                    ]
                }
            ),
        )
        yield convert(
            name,
            ".grype.yaml",
            dump(
                {
                    "ignore": [
                        {"vulnerability": "CVE-2026-1", "reason": text, "package": {"name": text, "location": text}}
                    ]
                }
            ),
        )


@hostile_class("state of registry scans")
def states(source: random.Random) -> Iterator[Member]:
    """Files in place of the state, links and pipes, for scans and rematches."""
    image = Image()
    others: tuple[Content, ...] = (
        "",
        "x" * 5_000,
        b"SQLite format 3\0" + bytes(5_000),
        bytes(source.randrange(256) for _ in range(5_000)),
        Special.FIFO,
        Special.FOLDER,
        Special.SOCKET,
        Link("/dev/zero"),
        Link("missing"),
        Link("../../secret"),
    )
    for other in others:
        for name in ("images.sqlite", "images.sqlite-wal"):
            yield Member(
                f"rematch {name} {str(other)[:20]!r}",
                {f"state/{name}": other},
                Expected.REFUSED,
                ("registry", "rematch", "state", "--database", "db"),
                ("state", "db"),
            )
            files = {f"state/{name}": other}
            arguments = (
                *("registry", "scan", "{repository}"),
                *("--advisories", "advisories.jsonl", "--state", "state"),
                *REPORT,
            )
            yield use_registry(f"scan {name} {str(other)[:20]!r}", serve(image), arguments, files, outputs=("state",))


def _frame(*messages: Any) -> bytes:
    """Return messages of the language server protocol."""
    bodies = (
        message if isinstance(message, bytes) else dump(message).encode("utf-8", "surrogatepass")
        for message in messages
    )
    return b"".join(b"Content-Length: %d\r\n\r\n" % len(body) + body for body in bodies)


@hostile_class("input of the language server")
def lsp(source: random.Random) -> Iterator[Member]:
    """Messages in which one value is of another type, damaged frames, and endless headers."""
    start = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"processId": None, "rootUri": None, "capabilities": {}},
    }
    opened = {
        "jsonrpc": "2.0",
        "method": "textDocument/didOpen",
        "params": {"textDocument": {"uri": "file:///a/b.yaml", "languageId": "yaml", "version": 1, "text": POD}},
    }
    end = ({"jsonrpc": "2.0", "id": 9, "method": "shutdown"}, {"jsonrpc": "2.0", "method": "exit"})
    yield Member("valid", {}, Expected.EITHER, ("lsp",), stdin=_frame(start, opened, *end))
    for name, changed in mutate(opened, source, 24):
        yield Member(name, {}, Expected.EITHER, ("lsp",), stdin=_frame(start, changed, *end))
    for name, changed in mutate(start, source, 16):
        yield Member(f"start: {name}", {}, Expected.EITHER, ("lsp",), stdin=_frame(changed, opened, *end))
    for name, content in damage(_frame(start, opened, *end), source, 16):
        yield Member(name, {}, Expected.EITHER, ("lsp",), stdin=content)
    for name, content in {
        "endless header": b"X: y\r\n" * 500_000,
        "long line": b"x" * 5_000_000,
        "huge length": b"Content-Length: 99999999999999\r\n\r\n{}",
        "long length": b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n",
        "negative length": b"Content-Length: -5\r\n\r\n",
        "nested": _frame(b"[" * 200_000),
        "not UTF-8": _frame(b'{"a": "\xff"}'),
        "empty": b"",
    }.items():
        yield Member(name, {}, Expected.EITHER, ("lsp",), stdin=content)


@hostile_class("input of the MCP server")
def mcp(source: random.Random) -> Iterator[Member]:
    """Messages in which one value is of another type, damaged lines, and calls of tools with hostile arguments."""
    start = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}},
    }
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    call = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "explain_control", "arguments": {"control": "C-0057"}},
    }

    def serve_lines(*messages: Any) -> bytes:
        return b"".join(
            (message if isinstance(message, bytes) else json.dumps(message).encode()) + b"\n" for message in messages
        )

    def member(name: str, *messages: Any) -> Member:
        return Member(
            name,
            {"in/a.yaml": POD},
            Expected.EITHER,
            ("mcp", "--root", "in"),
            stdin=serve_lines(start, ready, *messages),
        )

    yield member("valid", call)
    for name, changed in mutate(call, source, 24):
        yield member(name, changed)
    for value in VALUES:
        yield member(f"message {dump(value)[:20]}", value)
    for name, line in {
        "nested": b"[" * 200_000,
        "long line": b"x" * 5_000_000,
        "not UTF-8": b'{"a": "\xff"}',
        "null": b"\x00",
        "no end": b'{"jsonrpc": "2.0"',
    }.items():
        yield member(name, line, call)

"""Recorded answers of reference programs: one file of JSON lines for each test module. Never runs a program."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LEVEL: Final = 19
_LONG: Final = 4000
"""Characters from which a text is compressed: nobody reviews it line by line."""


class Case(msgspec.Struct, frozen=True, order=True):
    """A program, and the digest of all that its answer depends on."""

    program: str
    digest: str


class Answer(msgspec.Struct, frozen=True):
    """The result of a program: `stderr` only if it failed, and the files that it wrote."""

    code: int
    stdout: str
    stderr: str = ""
    files: dict[str, bytes] = {}


class _Header(msgspec.Struct, frozen=True):
    """First line of a file: the versions of the programs."""

    versions: dict[str, str]


class _Row(msgspec.Struct, frozen=True, omit_defaults=True):
    program: str
    case: str
    code: int = 0
    stdout: str = ""
    stderr: str = ""
    compressed: bytes = b""
    files: dict[str, bytes] = {}


class AnswerFile(msgspec.Struct, frozen=True):
    """Answers with the versions of the programs that gave them."""

    versions: Mapping[str, str] = {}
    answers: Mapping[Case, Answer] = {}


def locate_answers(module: Path) -> Path:
    """Return the file with the answers for the tests of a module."""
    return module.parent / "answers" / f"{module.stem}.jsonl"


def read_answers(file: Path) -> AnswerFile:
    """Return the content of a file, nothing if it does not exist."""
    if not file.exists():
        return AnswerFile()
    header, *rows = file.read_bytes().splitlines()
    return AnswerFile(msgspec.json.decode(header, type=_Header).versions, dict(map(decode_answer, rows)))


def write_answers(file: Path, content: AnswerFile) -> None:
    """Write a file, or remove it if there are no answers."""
    if not content.answers:
        file.unlink(missing_ok=True)
        return
    versions = {name: content.versions[name] for name in sorted({case.program for case in content.answers})}
    rows = [encode_answer(case, answer) for case, answer in sorted(content.answers.items(), key=lambda pair: pair[0])]
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"".join(line + b"\n" for line in (msgspec.json.encode(_Header(versions)), *rows)))


def encode_answer(case: Case, answer: Answer) -> bytes:
    """Return the line of an answer."""
    is_long = len(answer.stdout) > _LONG
    row = _Row(
        case.program,
        case.digest,
        answer.code,
        "" if is_long else answer.stdout,
        answer.stderr,
        zstd.compress(answer.stdout.encode(), _LEVEL) if is_long else b"",
        {name: zstd.compress(content, _LEVEL) for name, content in answer.files.items()},
    )
    return msgspec.json.encode(row)


def decode_answer(line: bytes) -> tuple[Case, Answer]:
    """Return the answer of a line, and its case."""
    row = msgspec.json.decode(line, type=_Row)
    stdout = zstd.decompress(row.compressed).decode() if row.compressed else row.stdout
    files = {name: zstd.decompress(content) for name, content in row.files.items()}
    return Case(row.program, row.case), Answer(row.code, stdout, row.stderr, files)

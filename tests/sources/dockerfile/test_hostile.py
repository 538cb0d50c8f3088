"""Hostile Dockerfiles: each ends in a resource or a message, within limits of time and size."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import pytest

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.inputs import read

MAX_SECONDS: Final = 20.0
"""Limit for the slowest machine; a reader that is not linear takes minutes."""
MAX_JSON: Final = 40_000_000

FILES: Final[dict[str, Callable[[], bytes]]] = {
    "larger than the limit": lambda: b"FROM a\n" + b"# x\n" * 300_000,
    "very long line": lambda: b"FROM a\nRUN " + b"x" * 70_000,
    "very long instruction": lambda: b"FROM a\nRUN a" + b" && b c \\\n" * 100_000 + b" d\n",
    "many instructions": lambda: b"FROM a\n" + b"RUN a\n" * 150_000,
    "many stages": lambda: b"FROM a\n" * 4_900,
    "no text": lambda: bytes(range(256)) * 100,
    "NUL": lambda: b"FROM a\nRUN \0\n",
    "nested variables": lambda: b"FROM scratch\nENV A=" + b"${B:-" * 9_000 + b"}" * 9_000 + b"\n",
    "growing variables": lambda: (
        b"FROM scratch\nENV A0=xxxxxxxx\n"
        + b"".join(b"ENV A%d=$A%d$A%d\n" % (number, number - 1, number - 1) for number in range(1, 2_000))
    ),
    "many expanded words": lambda: b"FROM scratch\nENV A=" + b"x" * 8_000 + b"\n" + b"ENV B=$A$A\n" * 4_000,
    "patterns": lambda: b"FROM scratch\nENV A=" + b"a" * 8_000 + b"\n" + b"USER ${A##" + b"*a" * 400 + b"b}\n" * 1,
    "replacements": lambda: b"FROM scratch\nENV A=" + b"a" * 8_000 + b"\nUSER ${A//*a*a*a*b/x}\n",
    "nested substitutions": lambda: b"FROM a\nRUN " + b"a $(" * 10_000 + b"\n",
    "nested quotes": lambda: b"FROM a\nRUN " + b'a "$(' * 8_000 + b"\n",
    "scripts in scripts": lambda: b"FROM a\nRUN " + b"sh -c 'a'; " * 5_000 + b"\n",
    "long pipe": lambda: b"FROM a\nRUN a" + b"|a" * 30_000 + b"\n",
    "unclosed": lambda: b"FROM a\n" + b"RUN a 'b $((c ${d `e\n" * 4_000,
    "many heredocs": lambda: b"FROM a\nRUN " + b" ".join(b"<<E%d" % number for number in range(5_000)) + b"\n",
    "heredoc without end": lambda: b"FROM a\nRUN <<EOF\n" + b"x\n" * 400_000,
    "nested JSON": lambda: b"FROM a\nRUN " + b"[" * 30_000 + b"]" * 30_000 + b"\n",
    "many words in JSON": lambda: b"FROM a\nRUN [" + b'"a",' * 15_000 + b'"b"]\n',
    "surrogates": lambda: b'FROM a\nRUN ["\\ud800", "\\udfff\\ud83d\\ude00"]\n',
    "many pairs": lambda: b"FROM a\nENV " + b"A=1 " * 16_000 + b"\n",
    "flags": lambda: b"FROM a\nRUN " + b"--mount=type=cache,target=/x " * 2_000 + b"a\n",
    "brackets": lambda: b"FROM a\nRUN " + b"(" * 60_000 + b"\n",
    "onbuild": lambda: b"FROM a\n" + b"ONBUILD " * 8_000 + b"RUN a\n",
}


@pytest.mark.parametrize("name", FILES)
def test_hostile_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "Dockerfile"
    file.write_bytes(FILES[name]())
    start = time.process_time()
    with read([str(tmp_path)]) as inputs:
        (entry,) = inputs
    assert time.process_time() - start < MAX_SECONDS
    if isinstance(entry, Resource):
        assert len(msgspec.json.encode(entry.object)) < MAX_JSON
        assert entry.locate(("stages", 0)) is not None
    else:
        assert isinstance(entry, UnreadInput)
        assert entry.message
        assert len(entry.message) < 300


def test_other_files(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("FROM a\nENV SECRET=b\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "Dockerfile").symlink_to(outside)
    os.mkfifo(folder / "Containerfile")
    (folder / "a.Dockerfile").mkdir()
    with read([str(folder)]) as inputs:
        entries = list(inputs)
    assert all(isinstance(entry, UnreadInput) for entry in entries)
    assert sorted(entry.message for entry in entries if isinstance(entry, UnreadInput)) == [
        "not a regular file",
        "symbolic link to a path outside the scanned folder: not followed",
    ]

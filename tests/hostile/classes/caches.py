"""Files with cached outcomes of rules: a damaged one never changes a verdict."""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import random
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.hostile.member import REPORT, Content, Expected, Link, Member, Run, Special, hostile_class
from tests.hostile.samples import CANARY, POD, VALUES, damage, dump

_INPUT: Final[dict[str, Content]] = {"in/a.yaml": POD, "in/b.yaml": CANARY}
_SCAN: Final = ("scan", "control", "C-0057,C-0016,C-0013", "in", "--incremental", *REPORT)
_FILE: Final = "cache/kubekeep/outcomes"
_HEAD: Final = len(b"kubekeep outcomes 1\n") + 32
_DIGEST: Final = 32


@functools.cache
def _scan() -> tuple[bytes, list[Any]]:
    """Return the cache file and the verdicts of a first scan."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in _INPUT.items():
            file = Path(folder, name)
            file.parent.mkdir(exist_ok=True)
            file.write_text(str(content))
        arguments = [word.replace("{format}", "yaml") for word in _SCAN]
        environment = os.environ | {"XDG_CACHE_HOME": f"{folder}/cache"}
        subprocess.run(
            [sys.executable, "-m", "kubekeep", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            check=False,
        )
        report = msgspec.json.decode(Path(folder, "report.json").read_bytes())
        return Path(folder, _FILE).read_bytes(), _list_verdicts(report)


def _list_verdicts(report: dict[str, Any]) -> list[Any]:
    return [
        (result["resourceID"], control["controlID"], control["status"], control.get("rules"))
        for result in report["results"]
        for control in result["controls"]
    ]


def _check_verdicts(run: Run) -> None:
    assert _list_verdicts(run.report) == _scan()[1], "other verdicts than without a cache"


def _cached(name: str, content: Content, **files: Content) -> Member:
    return Member(
        name,
        {**_INPUT, _FILE: content, **files},
        Expected.EITHER,
        _SCAN,
        ("cache/kubekeep",),
        environment={"XDG_CACHE_HOME": "{work}/cache"},
        check=_check_verdicts,
    )


def _pack(head: bytes, packed: bytes) -> bytes:
    """Return a file with a right digest."""
    body = zlib.compress(packed, 1)
    return head + hashlib.blake2b(body, digest_size=_DIGEST).digest() + body


def _pack_later(name: str, head: bytes, packed: bytes) -> Callable[[], Member]:
    """Return a function that compresses the content, which is large for some members, and builds the member."""
    return lambda: _cached(name, _pack(head, packed))


@hostile_class("caches of outcomes")
def caches(source: random.Random) -> Iterator[Member | Callable[[], Member]]:
    """Damaged files, files of other programs, and outcomes that are no outcomes, also with a right digest."""
    valid, _ = _scan()
    yield _cached("valid", valid)
    for name, content in damage(valid, source, 24):
        yield _cached(name, content)
    for number in range(16):
        at = source.randrange(len(valid))
        flipped = valid[:at] + bytes([valid[at] ^ 1 << source.randrange(8)]) + valid[at + 1 :]
        yield _cached(f"bit {number} at {at}", flipped)
    head, body = valid[:_HEAD], valid[_HEAD + _DIGEST :]
    (outcomes,) = msgspec.msgpack.decode(zlib.decompress(body), type=list[dict[bytes, bytes]])
    keys = list(outcomes)
    swapped = msgspec.msgpack.encode([dict(zip(keys, reversed(outcomes.values()), strict=True))])
    yield _cached("swapped outcomes", valid[: _HEAD + _DIGEST] + zlib.compress(swapped, 1))
    yield _cached("another program", _pack(bytes(reversed(head)), zlib.decompress(body)))
    yield _cached("another version", valid.replace(b"outcomes 1", b"outcomes 2", 1))
    for value in (b"", b"[", b"\xff", b"null", b"[]", b"5", b'"a"', b"[" * 100_000, b'{"a":' * 100_000, b'{"a": NaN}'):
        yield _pack_later(f"outcome {value[:10]!r}", head, msgspec.msgpack.encode([dict.fromkeys(keys, value)]))
    for item in (*VALUES, [VALUES], {"a": 1}):
        text = dump(item).encode("utf-8", "surrogatepass")
        yield _pack_later(f"content {text[:20]!r}", head, text)
    for packed in (
        b"\xdd\xff\xff\xff\xff",
        b"\xdd\x05\x00\x00\x00" + b"\x80" * 80_000_000,
        b"\x91" * 100_000,
        b"\xc6\xff\xff\xff\xff",
    ):
        yield _pack_later(f"packed {packed[:6]!r}", head, packed)
    yield _pack_later("bomb", head, bytes(300 << 20))
    yield _cached("pickle", pickle.dumps(print))
    yield _pack_later("pickle in the body", head, pickle.dumps(print))
    others: tuple[Content, ...] = (
        "",
        b"\x00" * 1_000,
        Special.FIFO,
        Special.FOLDER,
        Special.SOCKET,
        Link("/dev/zero"),
        Link("other"),
        Link("missing"),
        Link("outcomes"),
        Link("../../../../secret"),
    )
    for other in others:
        yield _cached(f"file {str(other)[:30]!r}", other, **{"cache/kubekeep/other": valid})

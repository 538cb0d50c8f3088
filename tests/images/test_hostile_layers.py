"""Hostile layers end in an error or a problem, within limits of time and memory."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Final

import pytest

from kubekeep._native import NativeLayerError
from tests.images.hostile_layers import LAYERS
from tests.images.layer_files import build_tar, read_native

ROOT: Final = Path(__file__).parents[2]
LIMITS: Final = {
    "stored": 256 << 20,
    "unpacked": 256 << 20,
    "ratio": 200,
    "free_ratio": 16 << 20,
    "entries": 50_000,
    "paths": 4 << 20,
    "spill": 64 << 20,
    "selected": 64 << 20,
    "archive_unpacked": 100 << 20,
    "archive_entries": 100_000,
}
"""The limits of the program, smaller so that the tests are quick."""
MOST_MEMORY: Final = 100 << 20
CHILD: Final = """
import json, resource, sys, tempfile
from kubekeep import _native
from tests.images.hostile_layers import LAYERS, Stream
reader = _native.LayerReader([("**/name", 0)], [("x", "**", "version ([0-9]+)")], json.loads(sys.argv[2]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with tempfile.TemporaryDirectory() as folder:
    try:
        native = reader.read(Stream(LAYERS[sys.argv[1]]()), folder)
        outcome = ["read", native.problems[:3]]
    except _native.NativeLayerError as error:
        outcome = ["error", str(error)]
print(json.dumps([*outcome, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024]))
"""


@pytest.mark.parametrize("name", LAYERS)
def test_hostile_layers_end_within_limits(name: str) -> None:
    command = [sys.executable, "-B", "-c", CHILD, name, json.dumps(LIMITS)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    outcome, detail, memory = json.loads(result.stdout)
    if name.endswith("no_problem"):
        assert (outcome, detail) == ("read", [])
    elif name.endswith("problem"):
        assert outcome == "read"
        assert detail
    else:
        assert outcome == "error"
        assert 20 < len(detail) < 300
    assert memory < MOST_MEMORY


def test_truncated_layers_are_errors(tmp_path: Path) -> None:
    """Cut at each byte, a compressed layer is never taken for a complete one."""
    archive = build_tar({"a": b"content" * 50, "b" * 120: b"more"})
    packed = gzip.compress(archive)
    for end in range(2, len(packed)):
        with pytest.raises(NativeLayerError):
            read_native(packed[:end], tmp_path)
    end_of_content = archive.rindex(b"more") + 4
    errors = 0
    for end in range(1, end_of_content, 13):
        try:
            native = read_native(archive[:end], tmp_path)
        except NativeLayerError:
            errors += 1
        else:
            # Cut between two entries, or within the padding of the first one.
            assert native.paths in ("", "a")
    assert errors > 60


def test_messages_name_the_limit_and_the_next_step(tmp_path: Path) -> None:
    blob = gzip.compress(build_tar({"a": bytes(1 << 20), "b": b""}))
    messages = {
        "unpacked": (1 << 20, "the unpacked layer exceeds the limit of 1 MiB"),
        "stored": (100, "the stored layer exceeds the limit of 100 bytes"),
        "entries": (1, "the layer exceeds the limit of 1 entries"),
    }
    for name, (value, message) in messages.items():
        with pytest.raises(NativeLayerError) as error:
            read_native(blob, tmp_path, limits={name: value})
        assert str(error.value) == f"{message}; unpack the image and scan its folder with dir:PATH"
    with pytest.raises(
        NativeLayerError, match=r"unpacks \d+ bytes to more than \d+ and exceeds the limit of 10 unpacked"
    ):
        read_native(blob, tmp_path, limits={"ratio": 10, "free_ratio": 0})
    with pytest.raises(ValueError, match="unknown limit"):
        read_native(blob, tmp_path, limits={"other": 1})


def test_deflate_streams_of_random_bytes(tmp_path: Path) -> None:
    """Damaged compression never reads outside of its buffers; changed bytes are found by an error or the digest."""
    archive = build_tar({"a": bytes(range(256)) * 40})
    packed = bytearray(gzip.compress(archive, 9))
    expected = read_native(bytes(packed), tmp_path).digests
    for position in range(10, len(packed) - 8):
        changed = bytearray(packed)
        changed[position] ^= 0x10
        try:
            native = read_native(bytes(changed), tmp_path)
        except NativeLayerError:
            continue
        assert native.digests != expected
    assert zlib.decompress(packed, 31) == archive


def test_failing_temporary_folder_is_an_os_error(tmp_path: Path) -> None:
    archive = build_tar({"name": bytes(3 << 20)})
    with pytest.raises(OSError, match=r"a temporary file could not be used: .*; free disk space or set TMPDIR"):
        read_native(archive, tmp_path / "missing", ["name"], limits={"memory": 1000})

"""Archives as `tarfile`, GNU tar, gzip and zstd write them: the native reader returns the same entries and content."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubekeep import _native
from kubekeep._native import NativeLayerError
from tests.images.layer_files import build_tar, entry, read_native, select

ALL = "**"
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def read_with_tarfile(archive: bytes) -> tuple[dict[str, bytes], list[str]]:
    """Return the content of files and the paths of all entries except folders; later entries replace earlier ones."""
    files: dict[str, bytes] = {}
    paths: dict[str, None] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            path = os.path.normpath(member.name).lstrip("/")
            files.pop(path, None)
            if member.isdir():
                continue
            paths[path] = None
            stream = tar.extractfile(member) if member.isfile() or member.islnk() else None
            if stream is not None:
                files[path] = stream.read()
    return files, sorted(paths, key=str.encode)


def build_random(seed: int) -> bytes:
    numbers = random.Random(seed)
    format_ = numbers.choice(FORMATS)
    # ustar splits paths at a slash; names of up to 100 bytes fit everywhere.
    longest = 80 if format_ == tarfile.USTAR_FORMAT else 400
    names: dict[str, str] = {}
    targets: set[str] = set()
    entries: list[tuple[tarfile.TarInfo, bytes]] = []
    for number in range(numbers.randint(1, 60)):
        parts = [
            "".join(numbers.choices("abcdefü.-_ ", k=numbers.randint(1, 30))).strip(". ") or "x"
            for _ in range(numbers.randint(1, 4))
        ]
        name = f"{'/'.join(parts)[:longest]}{number}"
        # A link keeps the content of a target that is replaced later, which tarfile does not know.
        replaceable = [path for path in names if path not in targets]
        if replaceable and numbers.random() < 0.1:
            name = numbers.choice(replaceable)
        prefix = numbers.choice(["", "./", "/", ".//"])
        kind = numbers.choices(
            [tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE],
            [10, 1, 2, 2, 2, 1],
        )[0]
        info = entry(prefix + name, type=kind, mode=numbers.choice([0o644, 0o4755, 0o2755, 0o666, 0o755]))
        info.uid, info.mtime = numbers.choice([0, 1000, 2_097_152 * (format_ != tarfile.USTAR_FORMAT)]), number
        content = b""
        if info.isreg():
            content = numbers.randbytes(numbers.choice([0, 1, 511, 512, 513, 5000, 200_000]))
        elif kind == tarfile.SYMTYPE:
            info.linkname = "/".join(parts)[:longest]
        elif kind == tarfile.LNKTYPE:
            files = [path for path in names if path != name]
            if not files:
                continue
            target = numbers.choice(files)
            # tarfile compares the texts.
            info.linkname = names[target]
            targets.add(target)
        entries.append((info, content))
        if info.isreg():
            names[name] = info.name
        else:
            names.pop(name, None)
    return build_tar(entries, format_)


@pytest.mark.parametrize("seed", range(60))
def test_random_archives_are_read_as_by_tarfile(seed: int, tmp_path: Path) -> None:
    archive = build_random(seed)
    files, paths = read_with_tarfile(archive)
    native = read_native(gzip.compress(archive, 1), tmp_path, [ALL])
    assert native.paths.split("\n") == paths or (not paths and not native.paths)
    assert select(archive, tmp_path, ALL) == files
    modes = {path: mode for path, mode, _, _ in native.modes}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        expected = {
            os.path.normpath(member.name).lstrip("/"): member.mode if member.isfile() or member.islnk() else 0
            for member in tar
        }
    assert modes == {path: mode for path, mode in expected.items() if mode & 0o6002}


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2048), st.data())
def test_changed_archives_never_fail_otherwise(change: bytes, position: int, data: st.DataObject) -> None:
    archive = bytearray(build_tar({"a": b"x" * 600, "b" * 150: b"y", "c.jar": b"PK\x05\x06" + bytes(18)}))
    position = min(position, len(archive))
    archive[position : position + len(change)] = change
    if data.draw(st.booleans()):
        del archive[data.draw(st.integers(0, len(archive))) :]
    try:
        native = _native.LayerReader([(ALL, 0)], []).read(io.BytesIO(bytes(archive)), "/nonexistent")
    except NativeLayerError:
        return
    assert native.digests
    assert native.digests[0] == hashlib.sha256(archive).hexdigest()


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=posix", "--sparse-version=0.0"],
        ["--format=posix", "--sparse-version=0.1"],
        ["--format=posix", "--sparse-version=1.0"],
    ],
)
def test_sparse_files_of_gnu_tar(options: list[str], tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    # More segments than fit a header block, a hole at the end, and a file that is only a hole.
    with (source / "many").open("wb") as stream:
        for number in range(40):
            stream.seek(number * 65_536)
            stream.write(f"segment {number}".encode() * 400)
        stream.truncate(5_000_000)
    with (source / "hole").open("wb") as stream:
        stream.truncate(1_000_000)
    (source / "plain").write_bytes(b"plain")
    archive = tmp_path / "layer.tar"
    subprocess.run(["tar", "--sparse", *options, "-C", str(source), "-cf", str(archive), "."], check=True, timeout=120)
    assert archive.stat().st_size < 1_000_000
    expected = {path.name: path.read_bytes() for path in source.iterdir()}
    assert select(archive.read_bytes(), tmp_path, ALL) == expected


@pytest.mark.parametrize("format_", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_formats_of_gnu_tar(format_: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    folder = source / ("f" * 60) / ("g" * (20 if format_ == "v7" else 60))
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(b"content")
    if format_ != "ustar":  # its links have at most 100 bytes
        (source / "link").hardlink_to(folder / "file")
    archive = tmp_path / "layer.tar"
    command = ["tar", f"--format={format_}", "--sort=name", "-C", str(source), "-cf", str(archive), "."]
    subprocess.run(command, check=True, timeout=120)
    files, paths = read_with_tarfile(archive.read_bytes())
    assert select(archive.read_bytes(), tmp_path, ALL) == files
    assert read_native(archive.read_bytes(), tmp_path).paths.split("\n") == paths


def test_sizes_in_pax_headers_and_binary_numbers(tmp_path: Path) -> None:
    info = entry("large", pax_headers={"size": "1000"})
    pax = bytearray(build_tar([(info, b"x" * 1000), (entry("next"), b"y")]))
    header = pax.index(b"large", 1024)
    pax[header + 124 : header + 136] = b"00000000000\0"
    set_checksum(pax, header)
    assert select(bytes(pax), tmp_path, ALL) == {"large": b"x" * 1000, "next": b"y"}

    binary = bytearray(build_tar({"large": b"x" * 1000, "next": b"y"}))
    binary[124:136] = b"\x80" + (1000).to_bytes(11, "big")
    set_checksum(binary, 0)
    assert select(bytes(binary), tmp_path, ALL) == {"large": b"x" * 1000, "next": b"y"}


def set_checksum(archive: bytearray, header: int) -> None:
    archive[header + 148 : header + 156] = b" " * 8
    archive[header + 148 : header + 156] = b"%06o\0 " % sum(archive[header : header + 512])


def test_global_headers_have_no_effect(tmp_path: Path) -> None:
    """As in Go's archive/tar, which container runtimes use."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"path": "other"}) as archive:
        archive.addfile(tarfile.TarInfo("name"), io.BytesIO())
    assert read_native(stream.getvalue(), tmp_path).paths == "name"


def test_absent_padding_and_end_are_accepted(tmp_path: Path) -> None:
    archive = build_tar({"a": b"x" * 600})
    content_end = 512 + 600
    for end in (content_end, content_end + 1, 512 + 1024, 512 + 1024 + 512):
        assert select(archive[:end], tmp_path, ALL) == {"a": b"x" * 600}
    for end in (content_end - 1, 512, 511, 1):
        with pytest.raises(NativeLayerError, match="the tar archive ends within"):
            select(archive[:end], tmp_path, ALL)
    assert select(b"", tmp_path, ALL) == {}


def test_content_after_the_end_is_only_digested(tmp_path: Path) -> None:
    archive = build_tar({"a": b""}) + build_tar({"b": b""})
    native = read_native(archive, tmp_path)
    assert native.paths == "a"
    assert native.digests is not None
    assert native.digests[2:] == (hashlib.sha256(archive).hexdigest(), len(archive))


def compress_with_zstd(content: bytes, *options: str) -> bytes:
    return subprocess.run(
        ["zstd", "-q", "-c", *options], input=content, capture_output=True, check=True, timeout=60
    ).stdout


def test_compressions(tmp_path: Path) -> None:
    archive = build_tar({"a": os.urandom(300_000), "b": b"y" * 3_000_000})
    half = len(archive) // 2
    named = io.BytesIO()
    with gzip.GzipFile("layer.tar", "wb", fileobj=named) as stream:
        stream.write(archive)
    extra = gzip.compress(archive)
    # Extra field, comment and header checksum (RFC 1952), as estargz and pigz write them.
    extra = extra[:3] + b"\x16" + extra[4:10] + struct.pack("<H", 3) + b"abc" + b"comment\0" + b"\0\0" + extra[10:]
    skippable = b"\x5f\x2a\x4d\x18" + struct.pack("<I", 5) + b"table"
    frames = compress_with_zstd(archive[:half]) + skippable + compress_with_zstd(archive[half:], "-19")
    blobs = {
        "plain": archive,
        "gzip": named.getvalue(),
        "header fields": extra,
        "members": gzip.compress(archive[:half]) + gzip.compress(b"") + gzip.compress(archive[half:], 9),
        "zstd": compress_with_zstd(archive),
        "frames": skippable + frames + skippable,
    }
    for name, blob in blobs.items():
        native = read_native(blob, tmp_path)
        assert native.digests == (
            hashlib.sha256(blob).hexdigest(),
            len(blob),
            hashlib.sha256(archive).hexdigest(),
            len(archive),
        ), name


def test_damaged_compression_is_an_error(tmp_path: Path) -> None:
    archive = build_tar({"a": os.urandom(3000)})
    packed = gzip.compress(archive)
    cases = [
        (packed + b"garbage", "other bytes after its gzip data"),
        (packed + b"\0" * 16, "other bytes after its gzip data"),
        (packed[:-4] + b"\0\0\0\1", "another size than its trailer states"),
        (packed[:-9], "ends within"),
        (packed[:1500] + b"\xff" * 500 + packed[2000:], "gzip data of the layer|wrong checksum"),
        (packed[:5], "ends within a gzip header"),
        (b"\x1f\x8b\x07" + packed[3:], "header of an unknown kind"),
        (compress_with_zstd(archive) + b"garbage", "zstd data of the layer is damaged"),
        (compress_with_zstd(archive)[:-9], "ends within its zstd data"),
        (b"BZh91AY", "compressed with bzip2, which container runtimes do not support"),
        (b"\xfd7zXZ\0\0\0", "compressed with xz"),
        (b"<html>" * 200, "no tar archive"),
    ]
    for blob, message in cases:
        with pytest.raises(NativeLayerError, match=message):
            read_native(blob, tmp_path)


@pytest.mark.parametrize("size", [1, 7, 100, 4096])
def test_streams_may_return_small_chunks(size: int, tmp_path: Path) -> None:
    archive = build_random(size)

    class Trickle(io.BytesIO):
        def read(self, _: int | None = -1, /) -> bytes:
            return super().read(size)

    blob = gzip.compress(archive)[: 1 << 20]
    if size == 1:
        blob = gzip.compress(build_tar({"a": b"b" * 100}))
    native = _native.LayerReader([], []).read(Trickle(blob), str(tmp_path))
    assert native.digests
    assert native.digests[0] == hashlib.sha256(blob).hexdigest()


def test_paths_that_leave_the_image_are_problems(tmp_path: Path) -> None:
    archive = build_tar({"../../etc/passwd": b"x", "a/../b": b"y", "a/../../c": b"z", "d/..": b""})
    native = read_native(archive, tmp_path, [ALL])
    assert native.paths == "b"
    assert [path for path, _ in native.problems] == ["../../etc/passwd", "a/../../c"]
    assert [native.file(index)[0] for index in range(native.file_count)] == ["b"]


def test_invalid_paths_are_escaped(tmp_path: Path) -> None:
    archive = build_tar({"a\nb": b"", "ü": b"", "c\udcff": b"", "d\\x2d": b""}, tarfile.GNU_FORMAT)
    assert read_native(archive, tmp_path).paths.split("\n") == ["a\\x0ab", "c\\xff", "d\\x2d", "ü"]


def test_whiteouts(tmp_path: Path) -> None:
    archive = build_tar({"a/.wh.b": b"", ".wh.c": b"", "d/.wh..wh..opq": b"", ".wh..wh.plnk/1.2": b"", "e/.wh...": b""})
    native = read_native(archive, tmp_path)
    assert (native.removed, native.opaque) == (["a/b", "c"], ["d"])
    assert [path for path, _ in native.problems] == ["e/.wh..."]

"""Archives of manifests: damaged ones, hostile names, links, special files and bombs."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from tests.hostile.member import Content, Expected, Member, hostile_class
from tests.hostile.samples import POD, TEXTS, damage

_SCAN: Final = ("scan", "control", "C-0057", "{file}", "--format", "json,{format}", "--output", "report")
_NAMES: Final = (
    "../a.yaml",
    "../../a.yaml",
    "b/../../a.yaml",
    "/a.yaml",
    "//a.yaml",
    "\\a.yaml",
    "..\\a.yaml",
    "C:/a.yaml",
    "C:a.yaml",
    "./../a.yaml",
    "a\x00b.yaml",
    "a\nb.yaml",
    "a\x1b[31m.yaml",
    "a" * 600 + ".yaml",
    "b/" * 100 + "a.yaml",
    "con",
    "a.yaml/b.yaml",
    ".",
    "..",
    "",
    "/",
    "\u202ea.yaml",
    "\ud800.yaml",
    "b/./a.yaml",
    "b//a.yaml",
    "~/a.yaml",
)


def scan_archive(name: str, file: str, content: Content, expected: Expected) -> Member:
    """Return the scan of one archive."""
    arguments = tuple(argument.replace("{file}", file) for argument in _SCAN)
    return Member(name, {file: content, "secret.yaml": "untouched"}, expected, arguments)


def pack_tar(members: Sequence[tuple[tarfile.TarInfo, bytes]], format: int = tarfile.PAX_FORMAT) -> bytes:
    """Pack members as they are, without the checks of tools."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def pack_zip(*names: str, content: bytes = POD.encode()) -> bytes:
    """Pack files with any names."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            info = zipfile.ZipInfo("a.yaml")
            info.filename = name
            archive.writestr(info, content)
    return stream.getvalue()


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@hostile_class("damaged archives")
def damaged(source: random.Random) -> Iterator[Member]:
    """Archives of all types with damaged bytes."""
    tar = pack_tar([(_member("a.yaml"), POD.encode()), (_member("b.yaml"), POD.encode())])
    for file, content in (
        ("a.tar", tar),
        ("a.tgz", gzip.compress(tar)),
        ("a.zip", pack_zip("a.yaml", "b.yaml")),
        ("a.tar.gz", gzip.compress(tar, 0)),
    ):
        for name, changed in damage(content, source, 10):
            yield scan_archive(f"{file} {name}", file, changed, Expected.EITHER)


@hostile_class("names in archives")
def names(source: random.Random) -> Iterator[Member]:
    """Paths in archives that lead out of them or are ambiguous."""
    del source
    harmless = {
        "con",
        "a.yaml/b.yaml",
        "\ud800.yaml",
        "b/./a.yaml",
        "b//a.yaml",
        "~/a.yaml",
        "\u202ea.yaml",
        "./",
        "b/" * 100,
    }
    for number, name in enumerate(_NAMES):
        expected = Expected.EITHER if name in harmless else Expected.REPORTED
        encoded = name.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
        content = pack_tar([(_member(encoded), POD.encode())])
        yield scan_archive(f"{number} in tar {name[:30]!r}", "a.tar", content, expected)
        if name and name != "\ud800.yaml":
            yield scan_archive(f"{number} in zip {name[:30]!r}", "a.zip", pack_zip(name), expected)
    for first, second in (
        ("a.yaml", "a.yaml"),
        ("a.yaml", "A.yaml"),
        ("a/b.yaml", "a"),
        ("\u00e9.yaml", "e\u0301.yaml"),
    ):
        content = pack_tar([(_member(first), POD.encode()), (_member(second), POD.encode())])
        yield scan_archive(f"{first!r} and {second!r}", "a.tar", content, Expected.REPORTED)


@hostile_class("entries of archives")
def entries(source: random.Random) -> Iterator[Member]:
    """Links, devices and other entries that are not regular files."""
    del source
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        for target in ("/etc/passwd", "../secret.yaml", "../../secret", "a.yaml", "b.yaml", ".", "/", ""):
            members = [(_member("a.yaml", kind, target), b""), (_member("b.yaml"), POD.encode())]
            yield scan_archive(f"{kind!r} to {target}", "a.tar", pack_tar(members), Expected.REPORTED)
    for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, b"Z"):
        yield scan_archive(f"type {kind!r}", "a.tar", pack_tar([(_member("a.yaml", kind), b"")]), Expected.EITHER)
    through = [(_member("a", tarfile.SYMTYPE, "/tmp"), b""), (_member("a/b.yaml"), POD.encode())]  # noqa: S108
    yield scan_archive("through a link", "a.tar", pack_tar(through), Expected.REPORTED)
    for mode in (0o120777, 0o010644, 0o020644, 0o140755):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            info = zipfile.ZipInfo("a.yaml")
            info.external_attr = mode << 16
            archive.writestr(info, "/etc/passwd")
        yield scan_archive(f"mode {mode:o}", "a.zip", stream.getvalue(), Expected.REPORTED)


@hostile_class("archive bombs")
def bombs(source: random.Random) -> Iterator[Member]:
    """Archives that are much larger when unpacked, or claim to be."""
    del source
    zeros = zlib.compressobj(1, wbits=31)
    head = _member("a.yaml")
    head.size = 2 << 30
    block = bytes(1 << 20)
    packed = [zeros.compress(head.tobuf()), *(zeros.compress(block) for _ in range(600)), zeros.flush()]
    yield scan_archive("600 MiB of zeros", "a.tgz", b"".join(packed), Expected.REPORTED)
    for size in (1 << 33, 1 << 40, 2**63 - 1, 2**64):
        info = _member("a.yaml")
        info.size = size
        yield scan_archive(f"size {size}", "a.tar", info.tobuf(tarfile.GNU_FORMAT) + bytes(1024), Expected.REPORTED)
        sparse = _member("a.yaml")
        sparse.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1"}
        sparse.pax_headers |= {"GNU.sparse.size": str(size), "GNU.sparse.name": "a.yaml"}
        yield scan_archive(f"sparse size {size}", "a.tar", pack_tar([(sparse, b"x" * 512)]), Expected.REPORTED)
    for count in (60_000, 200_000):
        header = _member("f").tobuf()
        content = gzip.compress(b"".join(header.replace(b"f\0", f"{n:x}\0".encode(), 1)[:512] for n in range(count)), 1)
        yield scan_archive(f"{count} entries", "a.tgz", content, Expected.REPORTED)
    yield scan_archive("zip of zeros", "a.zip", pack_zip("a.yaml", content=bytes(300 << 20)), Expected.REPORTED)
    many = pack_zip(*(f"{n}.yaml" for n in range(2_000)), content=b"")
    yield scan_archive("many empty files", "a.zip", many, Expected.EITHER)
    single = pack_zip("a.yaml")
    for offset, name in (
        (22, "sizes"),
        (18, "packed size"),
        (8, "method"),
        (6, "flags"),
        (14, "checksum"),
        (26, "name length"),
    ):
        central = single.rindex(b"PK\x01\x02") + offset + 2
        local = single[:offset] + b"\xff\xff" + single[offset + 2 :]
        yield scan_archive(f"local {name}", "a.zip", local, Expected.EITHER)
        yield scan_archive(
            f"central {name}", "a.zip", single[:central] + b"\xff\x7f" + single[central + 2 :], Expected.EITHER
        )
    nested = POD.encode()
    for _ in range(5):
        nested = pack_zip("a.zip", content=nested)
    yield scan_archive("archives in archives", "a.zip", nested, Expected.REPORTED)
    overlap = single[:-22] * 2 + single[-22:]
    yield scan_archive("overlap", "a.zip", overlap, Expected.EITHER)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 65_535, 65_535, 0, 0, 0)
    yield scan_archive("table of contents without entries", "a.zip", end, Expected.REPORTED)


@hostile_class("content of archives")
def contents(source: random.Random) -> Iterator[Member]:
    """Files in archives with hostile names and content that is no manifest."""
    del source
    for name, text in TEXTS.items():
        content = pack_tar([(_member(f"{name}.yaml"), text.encode("utf-8", "surrogatepass"))])
        yield scan_archive(f"text {name}", "a.tar", content, Expected.REPORTED)
    for file in ("a.tar", "a.tgz", "a.zip", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "a.tar.zst"):
        yield scan_archive(f"empty {file}", file, b"", Expected.REPORTED)
        yield scan_archive(f"text as {file}", file, POD, Expected.REPORTED)

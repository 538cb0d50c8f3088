"""Archives for tests, valid ones and ones that no tool writes."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

POD = b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n"


def entry(
    name: str, content: bytes = POD, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    """Return a member of a tar archive of any kind."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, len(content)
    return member, content


def tar(file: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "", format: int = tarfile.PAX_FORMAT) -> Path:
    """Return a tar archive of members; `mode` is its compression."""
    with tarfile.open(file, f"w:{mode}", format=format) as archive:  # type: ignore[call-overload]
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return file


def raw_tar(file: Path, *blocks: bytes) -> Path:
    """Return a gzip file of raw blocks and the end of a tar archive."""
    packer = zlib.compressobj(wbits=31)
    file.write_bytes(
        b"".join([*(packer.compress(block) for block in blocks), packer.compress(bytes(1024)), packer.flush()])
    )
    return file


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return the header of a member that declares `size` bytes."""
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def block(content: bytes) -> bytes:
    """Return content padded to whole blocks."""
    return content + bytes(-len(content) % 512)


def pack_zip(
    file: Path, members: Iterable[tuple[zipfile.ZipInfo | str, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    """Return a zip archive."""
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file


def zip_entry(name: str, mode: int = stat.S_IFREG) -> zipfile.ZipInfo:
    """Return a member of a zip archive with a Unix file type."""
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr, info.compress_type = 3, mode << 16, zipfile.ZIP_DEFLATED
    return info


def overlapping_zip(file: Path, count: int) -> Path:
    """Return a zip of `count` members that share their compressed bytes (D. Fifield, "A better zip bomb", 2019)."""
    packer = zlib.compressobj(wbits=-15)
    content = bytes(1 << 20)
    packed = packer.compress(content) + packer.flush()
    common = struct.pack("<HHHHHLLL", 20, 0, 8, 0, 0x21, zlib.crc32(content), len(packed), len(content))
    local = b"PK\3\4" + common + struct.pack("<HH", 1, 0) + b"a" + packed
    table = b"".join(
        b"PK\1\2" + struct.pack("<H", 20) + common + struct.pack("<HHHHHLL", 1, 0, 0, 0, 0, 0, 0) + bytes([97 + number])
        for number in range(count)
    )
    end = b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, count, count, len(table), len(local), 0)
    file.write_bytes(local + table + end)
    return file


def patch(file: Path, old: bytes, new: bytes, count: int = -1) -> Path:
    """Return the file with bytes replaced; they must occur in it."""
    data = file.read_bytes()
    assert old in data
    file.write_bytes(data.replace(old, new, count))
    return file

"""Damaged or malicious archives: each is rejected within the limits, with a message that names the member."""

from __future__ import annotations

import contextlib
import lzma
import random
import re
import stat
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from kubekeep.sources.archive.unpack import ArchiveError, ArchiveLimits, unpack
from tests.sources.packing import POD, block, entry, header, overlapping_zip, pack_zip, patch, raw_tar, tar, zip_entry

SMALL = ArchiveLimits(bytes=4 << 20, free=1 << 20, entries=1000, file=1 << 16)
_MOST_MEMORY = 24 << 20
_BOMB = re.compile(r"larger than \d{7} bytes when unpacked")


def get_refusal(file: Path, limits: ArchiveLimits = SMALL) -> str:
    """Return the reason for rejecting an archive, and check memory and files outside of the folder."""
    paths_before = set(file.parent.rglob("*"))
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError) as error, unpack(str(file), limits):
            pass
        assert tracemalloc.get_traced_memory()[1] < _MOST_MEMORY
    finally:
        tracemalloc.stop()
    assert set(file.parent.rglob("*")) == paths_before
    message = str(error.value)
    assert message.isprintable()
    assert len(message) < 300
    return message


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../evil.yaml", "../evil.yaml: path outside the archive"),
        ("a/../../evil.yaml", "a/../../evil.yaml: path outside the archive"),
        ("a/..", "a/..: path outside the archive"),
        ("/etc/evil.yaml", "/etc/evil.yaml: absolute path"),
        ("C:evil.yaml", "C:evil.yaml: absolute path"),
        ("..\\evil.yaml", "..\\evil.yaml: name contains a backslash, a path separator on some systems"),
        ("a\x1b[2J.yaml", "a\\x1b[2J.yaml: name contains control characters"),
        ("a\nb.yaml", "a\\nb.yaml: name contains control characters"),
        ("/".join("a" * 65), f"{'/'.join('a' * 65)[:120]}: path too deep, or name too long"),
        ("a" * 256, f"{'a' * 120}: path too deep, or name too long"),
        ("a/" * 300, f"{'a/' * 60}: name longer than 512 characters"),
        (".", ".: file without a name"),
    ],
)
def test_outside_names_are_rejected(tmp_path: Path, name: str, reason: str) -> None:
    members = [("fine.yaml", POD), (name, POD)]
    message = get_refusal(tar(tmp_path / "a.tar", *(entry(*member) for member in members)))
    assert message == reason
    if not name.endswith("/"):
        assert get_refusal(pack_zip(tmp_path / "a.zip", members)) == reason


def test_name_with_nul_is_rejected(tmp_path: Path) -> None:
    file = pack_zip(tmp_path / "a.zip", [("a.yaml", POD), ("bXc.yaml", POD)])
    assert get_refusal(patch(file, b"bXc", b"b\0c")) == "b\\x00c.yaml: name contains control characters"
    member, content = entry("a")
    member.pax_headers = {"path": "b\0c"}
    assert get_refusal(tar(tmp_path / "a.tar", (member, content))) == "b\\x00c: name contains control characters"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "device or pipe"),
        (tarfile.BLKTYPE, "device or pipe"),
        (tarfile.FIFOTYPE, "device or pipe"),
        (b"V", "special file"),
    ],
)
def test_special_files_in_tar_are_rejected(tmp_path: Path, kind: bytes, reason: str) -> None:
    members = [entry("a", b"", kind, "/etc/passwd"), entry("a/b.yaml")]
    assert (
        get_refusal(tar(tmp_path / "a.tar", *members)) == f"a: {reason}: only regular files and folders are supported"
    )


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_special_files_in_zip_are_rejected(tmp_path: Path, kind: int) -> None:
    file = pack_zip(tmp_path / "a.zip", [(zip_entry("a", kind | 0o777), b"/etc/passwd"), (zip_entry("a/b.yaml"), POD)])
    assert get_refusal(file).startswith("a: ")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("a.yaml", "a.yaml"), "a.yaml: duplicate entry in the archive"),
        (("a.yaml", "./a.yaml"), "./a.yaml: duplicate entry in the archive"),
        (("a.yaml", "A.yaml"), "A.yaml: same path as a.yaml on some systems"),
        (("Deploy/a.yaml", "deploy/b.yaml"), "deploy/b.yaml: same path as Deploy on some systems"),
        (("caf\u00e9", "cafe\u0301"), "cafe\u0301: same path as caf\u00e9 on some systems"),
        (("a", "a/b.yaml"), "a/b.yaml: duplicate entry in the archive"),
        (("a/b.yaml", "a"), "a: duplicate entry in the archive"),
    ],
)
def test_equivalent_names_are_rejected(tmp_path: Path, names: tuple[str, str], reason: str) -> None:
    assert get_refusal(tar(tmp_path / "a.tar", *map(entry, names))) == reason
    with pytest.warns(UserWarning, match="Duplicate name") if names[0] == names[1] else contextlib.nullcontext():
        pack_zip(tmp_path / "a.zip", ((name, POD) for name in names))
    assert get_refusal(tmp_path / "a.zip") == reason


@pytest.mark.parametrize("mode", ["gz", "bz2", "xz"])
def test_compression_bombs_are_limited(tmp_path: Path, mode: str) -> None:
    """10 MiB of zeros in a few bytes; a file above the limit must be skipped."""
    file = tar(tmp_path / "a.tgz", *(entry(f"{number}.yaml", bytes(5 << 20)) for number in range(2)), mode=mode)
    assert file.stat().st_size < 1 << 17
    assert _BOMB.fullmatch(get_refusal(file))


def test_total_size_of_small_files_is_limited(tmp_path: Path) -> None:
    file = tar(tmp_path / "a.tgz", *(entry(f"{number}.yaml", bytes(60_000)) for number in range(100)), mode="gz")
    assert _BOMB.fullmatch(get_refusal(file))
    file = pack_zip(tmp_path / "a.zip", ((f"{number}.yaml", bytes(60_000)) for number in range(100)))
    assert _BOMB.fullmatch(get_refusal(file).partition(": ")[2])


def test_archive_size_is_limited(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"")
    with (tmp_path / "a.tar").open("r+b") as file:
        file.truncate(1 << 40)
    assert get_refusal(tmp_path / "a.tar") == "archive larger than 4194304 bytes"


def test_number_of_empty_entries_is_limited(tmp_path: Path) -> None:
    file = tar(tmp_path / "a.tgz", *(entry(str(number), b"") for number in range(1001)), mode="gz")
    assert get_refusal(file) == "1000: more than 1000 files and folders"
    file = pack_zip(tmp_path / "a.zip", ((str(number), b"") for number in range(1001)))
    assert get_refusal(file) == "1000: more than 1000 files and folders"
    same = raw_tar(tmp_path / "b.tgz", *(header("a/", 0, tarfile.DIRTYPE) for _ in range(1001)))
    assert get_refusal(same) == "a: more than 1000 files and folders"


def test_number_of_implied_folders_is_limited(tmp_path: Path) -> None:
    file = tar(tmp_path / "a.tgz", *(entry(f"{number}/{'x/' * 60}a", b"") for number in range(3)), mode="gz")
    assert get_refusal(file, ArchiveLimits(entries=100)).endswith("more than 100 files and folders")


def test_zip_directory_size_is_limited(tmp_path: Path) -> None:
    size = 9 << 20
    table = (b"PK\1\2" + bytes(42)) * (size // 46)
    end = b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 1, 1, len(table), 0, 0)
    (tmp_path / "a.zip").write_bytes(b"PK\3\4" + bytes(26) + table + end)
    assert get_refusal(tmp_path / "a.zip", ArchiveLimits()) == "table of contents larger than 8388608 bytes"


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_tar_header_size_is_limited(tmp_path: Path, kind: bytes) -> None:
    size = 3 << 20
    file = raw_tar(tmp_path / "a.tgz", header("a", size, kind), block(b"a" * size), header("a", 0))
    assert get_refusal(file, ArchiveLimits(free=1 << 30)) == "header larger than 1048576 bytes"
    liar = raw_tar(tmp_path / "b.tgz", header("a", 8 << 30, kind))
    assert get_refusal(liar) == "header larger than 1048576 bytes"


def test_nested_headers_are_limited(tmp_path: Path) -> None:
    chain = [header("a", 4, tarfile.XHDTYPE) + block(b"4 =\n") for _ in range(1000)]
    # If tarfile does not recurse, it reads up to the limit.
    assert get_refusal(raw_tar(tmp_path / "a.tgz", *chain)).startswith("damaged")
    chain = [header("a", 100_000, tarfile.GNUTYPE_LONGNAME) + block(b"a" * 100_000) for _ in range(20)]
    assert get_refusal(raw_tar(tmp_path / "b.tgz", *chain)) == "header larger than 1048576 bytes"


def test_global_headers_are_limited(tmp_path: Path) -> None:
    records = b"".join(b"%d n%04d=a\n" % (11, number) for number in range(200))
    file = raw_tar(tmp_path / "a.tgz", header("g", len(records), tarfile.XGLTYPE), block(records), header("a", 0))
    assert get_refusal(file) == "a: more than 100 global header records"


@pytest.mark.parametrize("size", ["-512", "-1", "9" * 20, "9" * 4000])
def test_invalid_sizes_are_rejected(tmp_path: Path, size: str) -> None:
    """A negative size made tarfile read the same header forever (CVE-2025-8194)."""
    record = f" size={size}\n"
    length = len(record) + len(str(len(record) + 4))
    records = f"{length}{record}".encode()
    assert int(records.split()[0]) == len(records)
    file = raw_tar(
        tmp_path / "a.tgz", header("p", len(records), tarfile.XHDTYPE), block(records), header("a", 0), header("b", 0)
    )
    assert any(word in get_refusal(file) for word in ("invalid", "truncated", "damaged"))


def test_sparse_files_are_rejected(tmp_path: Path) -> None:
    """A sparse map declares a file of any size without content."""
    old = bytearray(header("a.yaml", 0, tarfile.GNUTYPE_SPARSE))
    old[483:495] = b"77777777777\0"
    old[148:156] = b"%06o\0 " % (256 + sum(old[:148]) + sum(old[156:512]))
    assert (
        get_refusal(raw_tar(tmp_path / "a.tgz", bytes(old)))
        == "a.yaml: sparse file: only regular files and folders are supported"
    )
    member, content = entry("b.yaml", block(b"1\n0\n1\n"))
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    assert "sparse file" in get_refusal(tar(tmp_path / "b.tar", (member, content)))
    member, content = entry("c.yaml", b"9999999999\n" * 200_000)
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1"}
    assert get_refusal(tar(tmp_path / "c.tar", (member, content))) == "header larger than 1048576 bytes"


@pytest.mark.parametrize("mode", ["", "gz", "bz2", "xz"])
def test_truncated_tar_is_rejected(tmp_path: Path, mode: str) -> None:
    rng = random.Random(1)
    members = [entry(f"{number}.yaml", rng.randbytes(1500)) for number in range(3)]
    archive = tar(tmp_path / "a.tgz", *members, mode=mode).read_bytes()
    end = len(archive) if mode else 3 * 2048 + 512
    for cut in {0, 1, 6, 511, 512, 2048, 3 * 2048, end - 1, *range(7, end, 97)}:
        if cut >= end:
            continue
        (tmp_path / "a.tgz").write_bytes(archive[:cut])
        get_refusal(tmp_path / "a.tgz")


def test_truncated_zip_is_rejected(tmp_path: Path) -> None:
    archive = pack_zip(tmp_path / "a.zip", ((f"{number}.yaml", POD * 9) for number in range(3))).read_bytes()
    for cut in range(0, len(archive), 13):
        (tmp_path / "a.zip").write_bytes(archive[:cut])
        get_refusal(tmp_path / "a.zip")


def test_damaged_header_is_rejected(tmp_path: Path) -> None:
    """Reject a broken header: the library would treat it as the end and ignore the rest."""
    file = tar(tmp_path / "a.tar", entry("a.yaml"), entry("b.yaml"), entry("c.yaml"))
    assert get_refusal(patch(file, b"b.yaml", b"B.yaml")) == "a.yaml: damaged or truncated after this entry"
    file = tar(tmp_path / "b.tgz", entry("a.yaml"), mode="gz")
    archive = bytearray(file.read_bytes())
    archive[-5] ^= 1
    file.write_bytes(archive)
    assert get_refusal(file).startswith("damaged or truncated: ")


def test_content_after_the_end_is_rejected(tmp_path: Path) -> None:
    file = tar(tmp_path / "a.tar", entry("a.yaml"))
    file.write_bytes(file.read_bytes() + tar(tmp_path / "b.tar", entry("b.yaml")).read_bytes())
    assert get_refusal(file) == "content after the end of the archive"


def test_xz_memory_is_limited(tmp_path: Path) -> None:
    archive = bytearray(lzma.compress(block(b"a"), filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]))
    # The block header: its size, flags, filter, size of properties, dictionary size; here 4 GiB - 1.
    assert archive[12:16] == b"\x02\x00\x21\x01"
    archive[16] = 40
    archive[20:24] = struct.pack("<L", zlib.crc32(archive[12:20]))
    (tmp_path / "a.txz").write_bytes(archive)
    assert "emory" in get_refusal(tmp_path / "a.txz")


def test_zstandard_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    assert get_refusal(tmp_path / "a.tar.zst").startswith("Zstandard compression is not supported")


def test_overlapping_members_are_rejected(tmp_path: Path) -> None:
    assert get_refusal(overlapping_zip(tmp_path / "a.zip", 20), ArchiveLimits()) == "b: overlaps with another entry"


def test_encrypted_member_is_rejected(tmp_path: Path) -> None:
    file = pack_zip(tmp_path / "a.zip", [("a.yaml", POD), ("b.yaml", POD)])
    archive = bytearray(file.read_bytes())
    archive[archive.rfind(b"PK\1\2") + 8] |= 1
    file.write_bytes(archive)
    assert get_refusal(file) == "b.yaml: encrypted"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unbounded_compression_methods_are_rejected(tmp_path: Path, method: int) -> None:
    file = pack_zip(tmp_path / "a.zip", [("a.yaml", bytes(1000))], method)
    assert get_refusal(file).startswith("a.yaml: unsupported compression method")


@pytest.mark.parametrize("size", [1, 50_000, 70_000])
def test_zip_with_wrong_sizes_is_rejected(tmp_path: Path, size: int) -> None:
    file = pack_zip(tmp_path / "a.zip", [("a.yaml", bytes(60_000))])
    message = get_refusal(patch(file, struct.pack("<L", 60_000), struct.pack("<L", size)), ArchiveLimits())
    assert message.startswith("a.yaml: damaged: ")


def test_zip_member_with_two_names_is_rejected(tmp_path: Path) -> None:
    file = pack_zip(tmp_path / "a.zip", [("a.yaml", POD)])
    assert "damaged" in get_refusal(patch(file, b"a.yaml", b"b.yaml", 1))


@pytest.mark.parametrize("make", [tar, pack_zip])
def test_changed_bytes_are_read_or_rejected(tmp_path: Path, make: Callable[..., Path]) -> None:
    """A changed archive is read within the limits or rejected."""
    file = tmp_path / "a"
    if make is tar:
        tar(file, entry("a" * 150, b"a" * 700), entry("b/c.yaml"), entry("b/", b"", tarfile.DIRTYPE))
    else:
        pack_zip(file, [("a" * 150, b"a" * 700), ("b/c.yaml", POD)])
    archive, rng, refused = file.read_bytes()[:6000], random.Random(2), 0
    for _ in range(300):
        changed = bytearray(archive)
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(len(changed))] = rng.choice([0, 0x20, 0x2F, 0x2E, 0x80, 0xFF, rng.randrange(256)])
        file.write_bytes(changed)
        try:
            with unpack(str(file), SMALL) as result:
                assert all(path.resolve().is_relative_to(result.folder) for path in Path(result.folder).rglob("*"))
        except ArchiveError:
            refused += 1
    assert refused > 100

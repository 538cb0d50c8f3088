"""Hostile package databases end in a ValueError with a reason, within bounded time and memory."""

from __future__ import annotations

import gzip
import sqlite3
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from kubekeep.images.catalog import apk, bounded, debian_copyright, dpkg, dpkg_files, os_release, rpm
from kubekeep.images.catalog.rpm_header import read_header
from kubekeep.images.content import CatalogRecord, LayerContent, LayerFile
from kubekeep.images.errors import ImageContentError
from kubekeep.images.merge import merge
from tests.images.test_dpkg import read_status

SQLITE, NDB, HASH = "var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages.db", "var/lib/rpm/Packages"
MEGABYTE = 2**20


def build_header(*entries: tuple[int, int, int, int], store: bytes = b"shop\0001\0", size: int | None = None) -> bytes:
    """Return an rpm header with entries of tag, type, offset and count."""
    index = b"".join(struct.pack(">IIII", *(number & 0xFFFFFFFF for number in entry)) for entry in entries)
    return struct.pack(">II", len(entries), len(store) if size is None else size) + index + store


VALID = build_header((1000, 6, 0, 1), (1001, 6, 5, 1))


def build_sqlite(path: Path, *statements: str, record: bytes = VALID) -> LayerFile:
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    for statement in statements or ("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)",):
        connection.execute(statement)
    if not statements:
        connection.execute("INSERT INTO Packages (blob) VALUES (?)", (record,))
    connection.commit()
    connection.close()
    return LayerFile(SQLITE, path.read_bytes())


def expect_error(function: Callable[[], object], reason: str, memory: int = 64 * MEGABYTE) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=reason):
            function()
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("field", ["Version", "Depends", "Maintainer"])
def test_giant_status_field(field: str) -> None:
    text = f"Package: a\nStatus: install ok installed\nVersion: 1\n{field}: {'x' * MEGABYTE}\n"
    expect_error(lambda: read_status(text), "field of more than 65536")


def test_endless_continuation_lines() -> None:
    text = f"Package: a\nStatus: install ok installed\nVersion: 1\nDepends: b\n{' c,' * 10}" + "\n x," * MEGABYTE
    expect_error(lambda: read_status(text), "field of more than 65536", 256 * MEGABYTE)
    ignored = "Package: a\nStatus: install ok installed\nVersion: 1\nDescription: b\n" + " x\n" * MEGABYTE
    assert len(read_status(ignored)) == 1


def test_too_many_packages() -> None:
    expect_error(lambda: read_status("\nPackage: a\n" * 1_000_000), "more than 100000 packages")
    content = LayerFile("lib/apk/db/installed", b"\nP:a\n" * 1_000_000)
    expect_error(lambda: apk.read(content), "more than 100000 packages")


def test_paragraphs_and_lines_without_content() -> None:
    newlines = b"\n" * 30_000_000
    for path, read in (("var/lib/dpkg/status", dpkg.read), ("lib/apk/db/installed", apk.read)):
        file = LayerFile(path, newlines)
        expect_error(lambda read=read, file=file: read(file), "more than 100000 packages")  # type: ignore[misc]
    for path in ("var/lib/dpkg/status.d/a.md5sums", "var/lib/dpkg/diversions", "var/lib/dpkg/info/a.list"):
        file = LayerFile(path, newlines[: 10 * MEGABYTE])
        expect_error(lambda file=file: dpkg_files.read(file), "more than 2000000 files")  # type: ignore[misc]
    folders = LayerFile("lib/apk/db/installed", b"P:a\nV:1\n" + b"F:\n" * 10_000_000)
    expect_error(lambda: apk.read(folders), "more than 2000000 files")


def test_words_of_a_copyright_file() -> None:
    text = "/usr/share/common-licenses/GPL-2 " + "a " * (6 * MEGABYTE)
    file = LayerFile("usr/share/doc/a/copyright", text.encode())
    assert debian_copyright.read(file) == CatalogRecord(
        file.path, "debian_copyright", licences=(("a", ("GPL-2.0-only",)),)
    )


def test_too_large_text(tmp_path: Path) -> None:
    path = tmp_path / "spill"
    with path.open("wb") as stream:
        stream.truncate(bounded.MAX_TEXT + 1)
    for read in (dpkg.read, apk.read, dpkg_files.read, debian_copyright.read):
        file = LayerFile("var/lib/dpkg/x/copyright", b"", spill=str(path))
        expect_error(lambda read=read, file=file: read(file), "text of more than", 2 * bounded.MAX_TEXT)  # type: ignore[misc]
    expect_error(lambda: os_release.read(LayerFile("etc/os-release", b"x" * MEGABYTE)), "more than 65536 bytes")


def test_dependencies_of_all_on_all() -> None:
    paragraph = "Package: a{0}\nStatus: install ok installed\nVersion: 1\nProvides: x\nDepends: x\n\n"
    packages = read_status("".join(paragraph.format(number) for number in range(5_000)))
    assert max(len(package.dependencies) for package in packages) == bounded.MAX_PROVIDERS
    depends = ", ".join(f"a{number}" for number in range(500))
    paragraph = f"Package: a{{0}}\nStatus: install ok installed\nVersion: 1\nDepends: {depends}\n\n"
    text = "".join(paragraph.format(number) for number in range(500))
    expect_error(lambda: read_status(text), "more than 200000 dependencies", 512 * MEGABYTE)


def test_invalid_utf8() -> None:
    text = b"Package: a\nStatus: install ok installed\nVersion: 1\nMaintainer: \x80\n\n"
    record = dpkg.read(LayerFile("var/lib/dpkg/status", text))
    assert record is not None
    assert (record.packages[0].supplier, record.damage) == ("\ufffd", "")
    for damaged in (text.replace(b": a", b": a\xff"), text.replace(b": 1", b": \xfe1")):
        expect_error(lambda content=damaged: dpkg.read(LayerFile("var/lib/dpkg/status", content)), "has no valid")  # type: ignore[misc]


def test_repeated_folder_of_apk() -> None:
    folder = f"F:{'x' * MEGABYTE}\n" + "R:a\n" * 1000
    text = f"P:a\nV:1\n{folder}"
    expect_error(lambda: apk.read(LayerFile("lib/apk/db/installed", text.encode())), "paths of files with more than")


def test_many_licences() -> None:
    text = "Format: https://x/1.0/\n" + "".join(f"License: x{number}\n" for number in range(100_000))
    file = LayerFile("usr/share/doc/a/copyright", text.encode())
    expect_error(lambda: debian_copyright.read(file), "more than 500 licences")
    nested = "Format: https://x/1.0/\nLicense: " + "(" * 1000 + "MIT" + ")" * 1000 + "\n"
    record = debian_copyright.read(LayerFile("usr/share/doc/a/copyright", nested.encode()))
    assert record is not None
    assert record.licences[0][1][0].startswith("((((")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "less than 8 bytes"),
        (struct.pack(">II", 0xFFFFFFFF, 0xFFFFFFFF), "4294967295 entries"),
        (struct.pack(">II", 0, 0), "0 entries"),
        (build_header((1000, 6, 0, 1), size=1000), "1000 bytes of data"),
        (build_header((1000, 6, -5, 1)), "outside of its data"),
        (build_header((1000, 6, 100, 1)), "outside of its data"),
        (build_header((1117, 8, 0, 0xFFFFFFFF)), "outside of its data"),
        (build_header((1117, 8, 0, 5)), "does not end"),
        (build_header((1000, 4, 0, 1)), "text of type 4"),
        (build_header((1117, 6, 0, 1), (1117, 4, 0, 1), (1118, 4, 0, 1)), "list of texts of type 4"),
        (build_header((1003, 4, 0, 0x40000000)), "numbers outside of its data"),
        (build_header((1003, 8, 0, 1)), "numbers outside of its data"),
        (build_header((1000, 6, 0, 1), store=b"no end"), "does not end"),
        (build_header((1049, 8, 0, 2_000_000), store=bytes(4_000_000)), "outside of its data"),
        (build_header((1116, 4, 0, 2_000_000), store=bytes(8_000_000)), "outside of its data"),
    ],
)
def test_damaged_header(content: bytes, reason: str) -> None:
    expect_error(lambda: read_header(content), reason)


@pytest.mark.parametrize(
    ("entries", "store", "reason"),
    [
        ([(1117, 8, 0, 2), (1116, 4, 4, 1)], b"a\0b\0\0\0\0\0", "2 names of files but 1 folders"),
        ([(1117, 8, 0, 1), (1116, 4, 4, 1), (1118, 8, 0, 1)], b"a\0\0\0\0\0\0\x09", "folder that it does not list"),
        (
            [(1117, 8, 0, 1), (1116, 4, 2, 1), (1118, 8, 6, 1)],
            b"a\0\0\0\0\0" + b"x" * 5000 + b"\0",
            "more than 4096 bytes",
        ),
        (
            [(1117, 8, 0, 1000), (1116, 4, 2000, 1000), (1118, 8, 6000, 1)],
            b"a\0" * 1000 + bytes(4000) + b"x" * 4000 + b"\0",
            "paths of files with more than 1000000",
        ),
    ],
)
def test_damaged_paths(entries: list[tuple[int, int, int, int]], store: bytes, reason: str) -> None:
    expect_error(lambda: read_header(build_header(*entries, store=store)).take_paths(1_000_000), reason)


def test_header_without_name(tmp_path: Path) -> None:
    file = build_sqlite(tmp_path / "a", record=build_header((1001, 6, 5, 1)))
    expect_error(lambda: rpm.read(file), "without name or version")


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (["CREATE TABLE Other (blob BLOB)"], "without a table Packages"),
        (
            ["CREATE TABLE Other (blob BLOB)", "CREATE VIEW Packages AS SELECT blob FROM Other"],
            "without a table Packages",
        ),
        (["CREATE VIRTUAL TABLE Packages USING fts4(blob)"], "without a table Packages"),
        (["CREATE TABLE Packages (blob TEXT)", "INSERT INTO Packages VALUES ('text')"], "no blob"),
        (["CREATE TABLE Packages (hnum INTEGER)"], "no such column"),
        (
            [
                "CREATE TABLE Packages (a INTEGER, blob BLOB AS (zeroblob(1000000000)))",
                "INSERT INTO Packages VALUES (1)",
            ],
            "SQLite cannot read",
        ),
    ],
)
def test_hostile_sqlite_schema(tmp_path: Path, statements: list[str], reason: str) -> None:
    file = build_sqlite(tmp_path / "rpmdb.sqlite", *statements)
    for candidate in (file, LayerFile(SQLITE, b"", spill=str(tmp_path / "rpmdb.sqlite"))):
        expect_error(lambda candidate=candidate: rpm.read(candidate), reason)  # type: ignore[misc]


def test_sqlite_triggers_do_not_run(tmp_path: Path) -> None:
    path = tmp_path / "rpmdb.sqlite"
    build_sqlite(path)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TRIGGER t AFTER DELETE ON Packages BEGIN DELETE FROM Packages; END")
    connection.execute(f"ATTACH '{tmp_path / 'other'}' AS other")
    connection.commit()
    connection.close()
    record = rpm.read(LayerFile(SQLITE, path.read_bytes()))
    assert record is not None
    assert [package.name for package in record.packages] == ["shop"]


@pytest.mark.parametrize("content", [b"", b"x", b"SQLite format 3\0", b"SQLite format 3\0" + bytes(4096)])
def test_no_sqlite_database(content: bytes) -> None:
    expect_error(lambda: rpm.read(LayerFile(SQLITE, content)), "SQLite")


def test_damaged_sqlite_pages(tmp_path: Path) -> None:
    record = build_header((1000, 6, 0, 1), (1001, 6, 5, 1), store=b"shop\0001\0" + bytes(40_000))
    content = build_sqlite(tmp_path / "a", record=record).content
    for position in range(4096, len(content), 997):
        damaged = content[:position] + b"\xff" * 64 + content[position + 64 :]
        try:
            rpm.read(LayerFile(SQLITE, damaged))
        except ValueError as error:
            assert str(error)  # noqa: PT017 - the damage may be in a part that is not read


def read_ndb() -> bytes:
    return gzip.decompress((Path(__file__).parent / "ndb" / "Packages.db.gz").read_bytes())


def write_numbers(content: bytes, offset: int, *numbers: int) -> bytes:
    return content[:offset] + struct.pack(f"<{len(numbers)}I", *numbers) + content[offset + 4 * len(numbers) :]


@pytest.mark.parametrize(
    ("offset", "numbers", "reason"),
    [
        (0, (1,), "not a native rpm database"),
        (4, (9,), "of version 0"),
        (12, (0xFFFFFFFF,), "4294967295 pages of slots"),
        (12, (0,), "0 pages of slots"),
        (32, (1,), "damaged slot"),
        (40, (0xFFFFFF, 1), "outside of the file"),
        (40, (257, 1), "outside of the file"),
        (40, (1, 100), "damaged record"),
    ],
)
def test_damaged_ndb(offset: int, numbers: tuple[int, ...], reason: str) -> None:
    content = write_numbers(read_ndb(), offset, *numbers)
    expect_error(lambda: rpm.read(LayerFile(NDB, content)), reason)


def test_ndb_slots_with_one_record() -> None:
    content = read_ndb()
    first = content[32:48]
    repeated = content[:32] + first * ((4096 - 32) // 16) + content[4096:]
    expect_error(lambda: rpm.read(LayerFile(NDB, repeated)), "records of more than .* the size of the file")


def build_hash_file(
    *, next_page: int, size: int, length: int = 4000, kind: int = 7, entry_count: int = 2, key_offset: int = 4091
) -> bytes:
    """Return a hash file with one record on a chain of pages of type `kind`; each page names `next_page` as its next."""
    page_size = 4096
    meta = bytearray(page_size)
    struct.pack_into("<III", meta, 12, 0x061561, 9, page_size)
    page = bytearray(page_size)
    struct.pack_into("<HHBB", page, 20, entry_count, 0, 0, 13)
    struct.pack_into("<HH", page, 26, key_offset, page_size - 17)
    page[page_size - 5 :] = b"\x01\x01\x00\x00\x00"
    struct.pack_into("<BxxxII", page, page_size - 17, 3, 2, size)
    chain = bytearray(page_size)
    struct.pack_into("<IHHBB", chain, 16, next_page, 0, length, 0, kind)
    return bytes(meta + page + chain)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x", "less than 512 bytes"),
        (bytes(4096), "not a hash file"),
        (build_hash_file(next_page=2, size=0xFFFFFFFF), "value of 4294967295 bytes"),
        (build_hash_file(next_page=2, size=12_000), "rpm header with"),
        (build_hash_file(next_page=0, size=8_000), "no page 0"),
        (build_hash_file(next_page=99, size=8_000), "no page 99"),
        (build_hash_file(next_page=2, size=8_000, length=0), "0 bytes in a chain"),
        (build_hash_file(next_page=2, size=8_000, length=0xFFFF), "65535 bytes in a chain"),
        (build_hash_file(next_page=2, size=8_000, kind=5), "page of type 5"),
        (build_hash_file(next_page=2, size=8_000, entry_count=60_000), "60000 entries"),
        (build_hash_file(next_page=2, size=8_000, entry_count=3), "3 entries"),
        (build_hash_file(next_page=2, size=8_000, key_offset=5), "entry outside of it"),
    ],
)
def test_damaged_hash_file(content: bytes, reason: str) -> None:
    expect_error(lambda: rpm.read(LayerFile(HASH, content)), reason)


def test_too_many_nested_folders() -> None:
    records = tuple(CatalogRecord(f"{number}/" + "a/" * 2000 + "package.json", "npm") for number in range(100))
    layer = LayerContent("sha256:0", 0, "sha256:0", 0, records=records)
    with pytest.raises(ImageContentError, match="characters with their folders"):
        merge([layer])

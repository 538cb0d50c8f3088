"""Hostile input: bombs, damaged archives, foreign and damaged database files."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kubekeep.vulnerabilities.database import compression, inputs, json_stream, schema, zip_archive
from kubekeep.vulnerabilities.database.advisory_files import AdvisoryFiles
from kubekeep.vulnerabilities.database.build import build_database
from kubekeep.vulnerabilities.database.compression import RecordDecompressor, Training
from kubekeep.vulnerabilities.database.errors import AdvisoryInputError, DatabaseError, MissingDatabaseError
from kubekeep.vulnerabilities.database.locking import change_folder
from kubekeep.vulnerabilities.database.open import open_advisories
from kubekeep.vulnerabilities.database.sources import AdvisoryDatabase
from kubekeep.vulnerabilities.database.zip_archive import ZipArchive, ZipError
from tests.vulnerabilities.database.records import create_record, write_lines, write_zip


@pytest.fixture
def database(tmp_path: Path) -> Path:
    folder = tmp_path / "database"
    records = (create_record(f"A-{number}", f"name-{number}", details="text " * 50) for number in range(100))
    build_database([write_lines(tmp_path / "x.jsonl", records)], folder)
    return folder


def test_names_of_entries_are_never_paths(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../../escaped.json", "/absolute.json", "C:\\x.json", "a\nb.json"):
            archive.writestr(name, json.dumps(create_record(f"A-{len(name)}")))
    before = {*tmp_path.parent.rglob("*")}
    with AdvisoryFiles([path]) as files:
        assert (len(list(files.find_advisories("npm", ["left-pad"]))), files.unread) == (4, 0)
    assert {*tmp_path.parent.rglob("*")} == before


def test_zip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_archive, "_FREE_BYTES", 1 << 20)
    path = write_zip(tmp_path / "x.zip", [create_record("A-1", details=" " * (4 << 20))])
    with pytest.raises(AdvisoryInputError, match="more content than an archive of advisories can have"):
        AdvisoryFiles([path])


def test_gzip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_FREE_BYTES", 1 << 20)
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * (4 << 20)))
    with pytest.raises(AdvisoryInputError, match="decompression bomb"):
        AdvisoryFiles([path])


@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
def test_a_record_above_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for module in (json_stream, inputs):
        monkeypatch.setattr(module, "MAX_RECORD", 10_000)
    path = write_lines(tmp_path / name, [create_record("A-1"), create_record("A-2", details="x" * 20_000)])
    with AdvisoryFiles([path]) as files:
        assert [problem.line for problem in files.problems] == [2]
        assert len(list(files.find_advisories("npm", ["left-pad"]))) == 1


def test_entries_that_lie(tmp_path: Path) -> None:
    """An entry with another size, checksum, compression or place than the directory says is unread; others are read."""
    path = write_zip(tmp_path / "x.zip", [create_record(f"A-{number}") for number in range(5)])
    content = bytearray(path.read_bytes())
    starts = [start for start in range(len(content)) if content[start : start + 4] == b"PK\1\2"]
    struct.pack_into("<I", content, starts[0] + 24, 7)
    struct.pack_into("<I", content, starts[1] + 16, 7)
    struct.pack_into("<H", content, starts[2] + 10, 99)
    struct.pack_into("<I", content, starts[3] + 42, 5)
    path.write_bytes(content)
    with AdvisoryFiles([path]) as files:
        assert files.unread == 4
        assert [record.id for _, record in files.find_advisories("npm", ["left-pad"])] == ["A-4"]


def test_damaged_archives() -> None:
    """No damage of one byte leads to another error than ZipError or to endless work."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"{number}.json", json.dumps(create_record(f"A-{number}")))
    content = stream.getvalue()
    chance = random.Random(1)
    for _ in range(1500):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] = chance.randrange(256)
        with contextlib.suppress(ZipError):
            opened = ZipArchive(io.BytesIO(damaged))
            for entry in opened.list_entries():
                opened.read(entry, 1 << 20)
                opened.open(entry).read()


def test_zip64_and_large_entries(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.jsonl", "w", force_zip64=True) as entry,
    ):
        for number in range(3000):
            entry.write(json.dumps(create_record(f"A-{number}", f"name-{number}")).encode() + b"\n")
    with AdvisoryFiles([path]) as files:
        assert files.get_states()["npm"].records == 3000


def test_many_ecosystems_are_refused(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "x.jsonl", [create_record(f"A-{number}", ecosystem=f"E{number}") for number in range(301)]
    )
    with pytest.raises(AdvisoryInputError, match="more than 300 ecosystems"):
        AdvisoryFiles([path])


@pytest.mark.parametrize("ecosystem", ["../../x", "..", ".hidden", "a/b", "C:\\x", "nul\0l", "é", "Red Hat"])
def test_ecosystems_are_no_paths(tmp_path: Path, ecosystem: str) -> None:
    record = create_record("A-1", ecosystem=ecosystem)
    build_database([write_lines(tmp_path / "x.jsonl", [record, create_record("B-1")])], tmp_path / "database")
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix == schema.SUFFIX]
    assert all(path.parent == tmp_path / "database" and not path.name.startswith(".") for path in files)
    with AdvisoryDatabase(tmp_path / "database") as source:
        assert len(source.get_states()) == 2


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:30_000])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _replace_by_text(path: Path) -> None:
    path.write_text("no database\n" * 1000)


def _add_trigger(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON names BEGIN DELETE FROM records; END")


def _add_view(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE names")
        connection.execute(
            "CREATE VIEW names AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n FROM r) SELECT * FROM r"
        )


def _use_another_version(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")


def _damage_records(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE records SET content = randomblob(100)")


def _damage_training(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE training SET value = randomblob(100)")


def _use_text_as_content(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE records SET content = 'text'")


def _use_wrong_facts(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE facts SET value = 'x' WHERE name = 'records'")


def _use_another_ecosystem(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE facts SET value = 'PyPI' WHERE name = 'ecosystem'")


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _empty,
        _replace_by_text,
        _add_trigger,
        _add_view,
        _use_another_version,
        _damage_records,
        _damage_training,
        _use_text_as_content,
        _use_wrong_facts,
        _use_another_ecosystem,
    ],
)
def test_damaged_files(database: Path, damage: Callable[[Path], None]) -> None:
    damage(database / "npm.advisories")
    with pytest.raises(DatabaseError, match="npm"):
        _read_all(database)


def _read_all(database: Path) -> None:
    with open_advisories(database) as source:
        source.get_states()
        list(source.find_advisories("npm", [f"name-{number}" for number in range(100)]))


def test_random_damage(database: Path) -> None:
    path = database / "npm.advisories"
    content = path.read_bytes()
    chance = random.Random(2)
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(20):
            damaged[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(damaged)
        with contextlib.suppress(DatabaseError):
            _read_all(database)


def test_a_record_cannot_grow_without_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "MAX_RECORD", 1000)
    bomb = compression.zstd.compress(b"x" * 100_000)
    with pytest.raises(DatabaseError, match="too large"):
        RecordDecompressor(Training()).decompress(bomb)
    words = compression.zstd.compress(b"\xf8\x00" * 400)
    with pytest.raises(DatabaseError, match="too large"):
        RecordDecompressor(Training(words=b"long-word")).decompress(words)
    with pytest.raises(DatabaseError, match="unknown word"):
        RecordDecompressor(Training()).decompress(words)


def test_missing_database(tmp_path: Path) -> None:
    with pytest.raises(MissingDatabaseError, match="run `kubekeep db update`, or use --advisories"):
        open_advisories(tmp_path)
    with pytest.raises(MissingDatabaseError):
        open_advisories(tmp_path / "missing")


def test_a_busy_or_unwritable_folder(tmp_path: Path) -> None:
    with (
        change_folder(tmp_path),
        pytest.raises(DatabaseError, match="another process changes"),
        change_folder(tmp_path, patience=0.1),
    ):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="cannot be written"), change_folder(tmp_path / "file" / "x"):
        pass

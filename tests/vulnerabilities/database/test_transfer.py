"""Bundles for air gaps, and artifacts in a real registry, through the command line."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep.vulnerabilities.database.sources import AdvisoryDatabase
from tests.registry.conftest import write_keys
from tests.registry.service import Service, run_registry
from tests.vulnerabilities.database.records import DATA, create_record, kubekeep_db, run_db, write_lines
from tests.vulnerabilities.database.test_build import find


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "database"
    run_db("build", DATA / "osv", DATA / "known_exploited_vulnerabilities.json", "-o", folder, database=folder)
    run_db(
        "import", write_lines(folder.parent / "own.jsonl", [create_record("ACME-1")]), "--feed", "acme", database=folder
    )
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with run_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def read_files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_export_and_import(built: Path, tmp_path: Path) -> None:
    bundle, database = tmp_path / "x.bundle", tmp_path / "database"
    exported = kubekeep_db("export", bundle, database=built)
    assert exported.stdout.strip() == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert "imported 10 files" in kubekeep_db("import", bundle, database=database).stderr
    assert read_files(database) == read_files(built)
    run_db("export", tmp_path / "npm.bundle", "--ecosystem", "npm", database=built)
    run_db("import", tmp_path / "npm.bundle", database=tmp_path / "npm")
    assert sorted(read_files(tmp_path / "npm")) == ["exploits.signals", "feeds/acme/npm.advisories", "npm.advisories"]
    assert (
        "no advisories for Cargo"
        in run_db("export", tmp_path / "x", "--ecosystem", "Cargo", code=3, database=built).stderr
    )
    assert not (tmp_path / "x").exists()


def test_import_of_a_built_folder(built: Path, tmp_path: Path) -> None:
    run_db("import", built, database=tmp_path / "database")
    assert read_files(tmp_path / "database") == read_files(built)


def test_changed_bundles_are_refused(built: Path, tmp_path: Path) -> None:
    bundle, database = tmp_path / "x.bundle", tmp_path / "database"
    run_db("export", bundle, database=built)
    run_db("import", write_lines(tmp_path / "x.jsonl", [create_record("A-1")]), database=database)
    before = read_files(database)
    content = bundle.read_bytes()
    position = content.index(b"SQLite format 3")
    for offset in (0, 100, 20_000, 200_000):
        place = position + offset
        bundle.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert "has been changed or damaged" in run_db("import", bundle, code=3, database=database).stderr
    for size in (600, 30_000, len(content) // 2):
        bundle.write_bytes(content[:size])
        run_db("import", bundle, code=3, database=database)
    assert read_files(database) == before


def _pack(path: Path, **members: bytes) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (b"{", "damaged index"),
        (b'{"format": "other-2", "files": []}', "has the format other-2"),
        (b'{"format": "kubekeep-advisories-1", "files": [{"name": "x", "size": 1, "sha256": ""}]}', "is incomplete"),
        (
            b'{"format": "kubekeep-advisories-1", "files": [{"name": "x", "size": 99999999999999, "sha256": ""}]}',
            "bytes",
        ),
        (b'{"format": "kubekeep-advisories-1", "files": []}', "not in the index"),
        (
            b'{"format": "kubekeep-advisories-1", "files": [{"name": "../x.advisories", "size": 1, "sha256": ""}]}',
            "not a file of a database",
        ),
        (
            (
                b'{"format": "kubekeep-advisories-1", '
                b'"files": [{"name": "feeds/../x.advisories", "size": 1, "sha256": ""}]}'
            ),
            "not a file of a database",
        ),
        (
            b'{"format": "kubekeep-advisories-1", "files": [{"name": "npm.advisories", "size": 1, "sha256": "%s"}]}'
            % hashlib.sha256(b"x").hexdigest().encode(),
            "npm.advisories is damaged|cannot be opened|not a file of an advisory database",
        ),
    ],
)
def test_hostile_bundles(tmp_path: Path, index: bytes, message: str) -> None:
    names = ("feeds/../x.advisories", "../x.advisories", "npm.advisories", "y")
    name = next((name for name in names if name.encode() in index), "y")
    members = {} if "incomplete" in message else {name: b"x"}
    bundle = _pack(tmp_path / "x.bundle", **{"bundle.json": index}, **members)
    result = run_db("import", bundle, code=3, database=tmp_path / "database")
    assert re.search(message, result.stderr), result.stderr
    assert not read_files(tmp_path / "database")
    assert not list(tmp_path.glob("*.advisories"))


def test_push_and_pull(built: Path, service: Service, tmp_path: Path) -> None:
    private, public = write_keys(tmp_path, "ours")
    _, other = write_keys(tmp_path, "others")
    reference = f"oci://{service.address}/advisories:latest"
    pushed = kubekeep_db("push", reference, "--key", private, "--plain-http", database=built)
    database = tmp_path / "database"
    pulled = kubekeep_db("import", reference, "--key", public, "--plain-http", database=database)
    assert pulled.stdout == pushed.stdout
    assert "10 of them new; signed with the key" in pulled.stderr
    assert read_files(database) == read_files(built)

    # Only what differs is transferred.
    shutil.copy(database / "npm.advisories", tmp_path / "old")
    (database / "npm.advisories").unlink()
    again = run_db("import", reference, "--key", public, "--plain-http", database=database)
    assert "1 of them new" in again.stderr

    refused = run_db("import", reference, "--key", other, "--plain-http", code=1, database=tmp_path / "other")
    assert "refused: " in refused.stderr
    assert not read_files(tmp_path / "other")


def test_unsigned_and_foreign_artifacts(built: Path, service: Service, tmp_path: Path) -> None:
    _, public = write_keys(tmp_path, "ours")
    reference = f"oci://{service.address}/unsigned:1"
    digest = run_db("push", reference, "--plain-http", database=built).stdout.strip()
    run_db("import", reference, "--key", public, "--plain-http", code=1, database=tmp_path / "database")
    assert not read_files(tmp_path / "database")
    assert "use --key" in run_db("import", reference, "--plain-http", database=tmp_path / "database").stderr

    # A changed blob in the storage of the registry.
    blob = max(service.blob(digest).parents[2].rglob("data"), key=lambda path: path.stat().st_size)
    content = blob.read_bytes()
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    run_db("import", reference, "--plain-http", code=1, database=tmp_path / "changed")
    assert not read_files(tmp_path / "changed")
    blob.write_bytes(content)


def test_usage(tmp_path: Path) -> None:
    missing = run_db("import", tmp_path / "missing", code=2, database=tmp_path)
    assert "does not exist" in missing.stderr
    assert "push to a tag" in run_db("push", "oci://x.example/y", code=2, database=tmp_path).stderr
    assert "run `kubekeep db update`" in run_db("push", "oci://x.example/y:1", code=3, database=tmp_path).stderr
    assert "run `kubekeep db update`" in run_db("export", tmp_path / "x", code=3, database=tmp_path / "none").stderr


def test_imported_records_are_added(tmp_path: Path) -> None:
    database = tmp_path / "database"
    run_db("import", write_lines(tmp_path / "1.jsonl", [create_record("A-1")]), database=database)
    run_db("import", write_lines(tmp_path / "2.jsonl", [create_record("A-2")]), database=database)
    with AdvisoryDatabase(database) as source:
        assert find(source, "npm", "left-pad") == [("left-pad", "A-1"), ("left-pad", "A-2")]


def test_older_database_replaces_nothing_unless_allowed(service: Service, tmp_path: Path) -> None:
    old, new, target = tmp_path / "old", tmp_path / "new", tmp_path / "target"
    for folder, year in ((old, 2025), (new, 2026)):
        records = [create_record("A-1", modified=f"{year}-01-01T00:00:00Z"), create_record(f"B-{year}")]
        records[1]["modified"] = f"{year}-02-01T00:00:00Z"
        run_db("build", write_lines(tmp_path / f"{year}.jsonl", records), "-o", folder, database=folder)
        run_db("export", tmp_path / f"{folder.name}.bundle", database=folder)
        run_db("push", str(service.reference(folder.name)), "--plain-http", database=folder)
    run_db("import", tmp_path / "new.bundle", database=target)
    before = read_files(target)
    for origin in (tmp_path / "old.bundle", old, str(service.reference("old"))):
        refused = run_db("import", origin, "--plain-http", code=3, database=target)
        assert re.search(
            r"npm\.advisories is of 2026-02-01 00:00 in the database and of 2025-02-01 00:00 in", refused.stderr
        )
        assert "--allow-older" in refused.stderr
        assert read_files(target) == before
        run_db("import", tmp_path / "new.bundle", database=target)
    for origin in (tmp_path / "old.bundle", str(service.reference("old"))):
        run_db("import", origin, "--plain-http", "--allow-older", database=target)
        assert [name for _, name in find(AdvisoryDatabase(target), "npm", "left-pad")] == ["A-1", "B-2025"]
        run_db("import", tmp_path / "new.bundle", database=target)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM records",
        "DELETE FROM names WHERE name = (SELECT min(name) FROM names)",
        "UPDATE facts SET value = 99 WHERE name = 'records'",
        "DELETE FROM facts WHERE name = 'changes'; DELETE FROM records",
    ],
)
def test_database_with_changed_rows_is_refused(statement: str, tmp_path: Path) -> None:
    database = tmp_path / "database"
    run_db("build", write_lines(tmp_path / "a.jsonl", [create_record("A-1")]), "-o", database, database=database)
    connection = sqlite3.connect(database / "npm.advisories")
    connection.executescript(statement)
    connection.close()
    message = run_db("status", code=3, database=database).stderr
    assert "npm.advisories is incomplete, or has been changed by another program: delete it and run" in message
    assert "another program" in run_db("export", tmp_path / "x.bundle", code=3, database=database).stderr
    run_db("import", tmp_path / "a.jsonl", database=tmp_path / "other")
    run_db("import", database, code=3, database=tmp_path / "other")

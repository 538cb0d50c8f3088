"""Updates from a server with the layout of OSV's bucket, through the command line."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.sources import AdvisoryDatabase
from tests.registry.test_login import create_certificate
from tests.vulnerabilities.database.bucket import Bucket, run_bucket
from tests.vulnerabilities.database.records import OSV, create_record, kubekeep_db, run_db, write_zip
from tests.vulnerabilities.database.test_build import find


def publish(bucket: Bucket, folder: Path, *records: dict[str, Any], ecosystem: str = "npm") -> None:
    archive = write_zip(folder / "published.zip", records).read_bytes()
    bucket.publish(ecosystem, {record["id"]: record for record in records}, archive)


def test_archive_then_deltas(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    old = [create_record(f"A-{number}", f"name-{number}", modified="2026-01-01T00:00:00Z") for number in range(5)]
    publish(bucket, tmp_path, *old)
    result = kubekeep_db("update", "npm", "--source", bucket.address, database=database)
    assert "npm: 5 records loaded\n" in result.stderr
    assert bucket.take_requests() == [
        "/epss_scores-current.csv.gz 200",
        "/known_exploited_vulnerabilities.json 200",
        "/npm/all.zip 200",
    ]
    with AdvisoryDatabase(database) as source:
        token = source.get_token("npm")
        assert source.list_changes("npm", token) == frozenset()

    # Nothing changed: no archive, and the source is remembered.
    assert "npm: no change in 5 records\n" in kubekeep_db("update", database=database).stderr
    assert bucket.take_requests() == [
        "/epss_scores-current.csv.gz 304",
        "/known_exploited_vulnerabilities.json 304",
        "/npm/modified_id.csv 200",
    ]

    changed = [
        *old[:3],
        create_record("A-3", "renamed", modified="2026-01-02T00:00:00Z"),
        create_record("A-4", "name-4", modified="2026-01-02T00:00:00Z", withdrawn="2026-01-02T00:00:00Z"),
        create_record("A-5", "name-5", modified="2026-01-03T00:00:00Z"),
    ]
    publish(bucket, tmp_path, *changed)
    assert "npm: 3 changed records of 6\n" in kubekeep_db("update", database=database).stderr
    assert bucket.take_requests()[2:] == [
        "/npm/A-3.json 200",
        "/npm/A-4.json 200",
        "/npm/A-5.json 200",
        "/npm/modified_id.csv 200",
    ]
    with AdvisoryDatabase(database) as source:
        assert find(source, "npm", "name-3", "renamed", "name-5") == [("name-5", "A-5"), ("renamed", "A-3")]
        ((_, withdrawn),) = source.find_advisories("npm", ["name-4"])
        assert withdrawn.withdrawn
        assert source.list_changes("npm", token) == frozenset(("name-3", "renamed", "name-4", "name-5"))
        assert source.list_changes("npm", "of another database") is None
        assert source.list_changes("npm", source.get_token("npm")) == frozenset()


def test_many_changes_load_the_archive_and_keep_the_tokens(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    records = [create_record(f"A-{number}", f"name-{number}") for number in range(3)]
    publish(bucket, tmp_path, *records)
    run_db("update", "npm", "--source", bucket.address, database=database)
    with AdvisoryDatabase(database) as source:
        token = source.get_token("npm")
    new = [create_record(f"B-{number}", "new", modified="2026-02-01T00:00:00Z") for number in range(1001)]
    publish(bucket, tmp_path, *records[:2], *new)
    assert "npm: 1,003 records loaded" in run_db("update", database=database).stderr
    with AdvisoryDatabase(database) as source:
        assert source.list_changes("npm", token) == frozenset(("name-2", "new"))


def test_interrupted_download_is_resumed(bucket: Bucket, tmp_path: Path) -> None:
    publish(bucket, tmp_path, *(create_record(f"A-{number}") for number in range(50)))
    bucket.truncated["/npm/all.zip"] = 1000
    run_db("update", "npm", "--source", bucket.address, database=tmp_path / "database")
    assert bucket.take_requests()[-2:] == ["/npm/all.zip 200", "/npm/all.zip 206"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>", "not usable: .*cannot be read"),
        (b"PK\3\4", "the end of the archive is missing"),
        (b"", "has no advisories"),
        (None, "responded with 404: is npm an ecosystem"),
    ],
)
def test_wrong_content_leaves_the_database(bucket: Bucket, tmp_path: Path, content: bytes | None, message: str) -> None:
    database = tmp_path / "database"
    publish(bucket, tmp_path, create_record("A-1"))
    run_db("update", "npm", "--source", bucket.address, database=database)
    before = {path.name: path.read_bytes() for path in database.glob("*.advisories")}
    del bucket.files["/npm/modified_id.csv"]
    bucket.files.pop("/npm/all.zip")
    if content is not None:
        bucket.files["/npm/all.zip"] = content
    publish(bucket, tmp_path, create_record("B-1", "b", "PyPI"), ecosystem="PyPI")
    result = run_db("update", "npm", "PyPI", "--source", bucket.address, code=3, database=database)
    assert "failed: " in result.stderr
    assert re.search(message, result.stderr), result.stderr
    assert "PyPI: 1 record loaded" in result.stderr
    assert {path.name: path.read_bytes() for path in database.glob("npm.advisories")} == before


def test_a_much_smaller_archive_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    publish(bucket, tmp_path, *(create_record(f"A-{number}") for number in range(10)))
    run_db("update", "npm", "--source", bucket.address, database=database)
    publish(bucket, tmp_path, create_record("A-0"))
    del bucket.files["/npm/modified_id.csv"]
    result = run_db("update", code=3, database=database)
    assert "has 1 records and the database 10: the archive seems incomplete" in result.stderr


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("http://169.254.169.254/latest", "a redirect to 169.254.169.254 is not followed"),
        ("ftp://127.0.0.1/x", "not followed"),
        ("/npm/all.zip", "redirects more than 5 times"),
    ],
)
def test_refused_redirects(bucket: Bucket, tmp_path: Path, target: str, message: str) -> None:
    bucket.redirects["/npm/all.zip"] = target
    result = run_db("update", "npm", "--source", bucket.address, code=3, database=tmp_path / "database")
    assert message in result.stderr


def test_followed_redirect_without_credentials(bucket: Bucket, tmp_path: Path) -> None:
    publish(bucket, tmp_path, create_record("A-1"))
    bucket.redirects["/npm/all.zip"] = "/moved/all.zip"
    bucket.files["/moved/all.zip"] = bucket.files["/npm/all.zip"]
    source = bucket.address.replace("://", "://user:secret@")
    database = tmp_path / "database"
    result = run_db("update", "npm", "--source", source, database=database)
    assert "secret" not in result.stderr
    assert all(b"secret" not in path.read_bytes() for path in database.iterdir() if path.is_file())


def test_private_feed_beside_the_public_one(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    publish(bucket, tmp_path, create_record("A-1"), create_record("A-2"))
    run_db("update", "npm", "--source", bucket.address, database=database)
    publish(bucket, tmp_path, create_record("ACME-1"), create_record("A-2", modified="2026-05-05T00:00:00Z"))
    bucket.files["/ecosystems.txt"] = b"npm\n"
    run_db("update", "--feed", "acme", "--source", bucket.address, database=database)
    with AdvisoryDatabase(database) as source:
        assert sorted(find(source, "npm", "left-pad")) == [
            ("left-pad", "A-1"),
            ("left-pad", "A-2"),
            ("left-pad", "ACME-1"),
        ]
        newest = {advisory.id: advisory.modified for _, advisory in source.find_advisories("npm", ["left-pad"])}
        assert newest["A-2"].startswith("2026-05")
    rows = json.loads(run_db("status", "-o", "json", database=database).stdout)["sources"]
    assert [(row["name"], row["feed"], row["records"]) for row in rows] == [
        ("npm", "", 2),
        ("npm", "acme", 2),
        ("KEV", "", 12),
        ("EPSS", "", 1),
    ]
    assert run_db("update", "--feed", "../x", "--source", bucket.address, "npm", code=3, database=database).stderr


def test_status_and_age(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    assert "run `kubekeep db update`" in run_db("status", code=3, database=database).stderr
    publish(bucket, tmp_path, create_record("A-1"))
    run_db("update", "npm", "--source", bucket.address, database=database)
    # The catalogue is of 2025, and was current at the time of the update.
    table = run_db("status", "--max-age", "1d", database=database).stdout.splitlines()
    assert [line.split()[:2] for line in table] == [["SOURCE", "RECORDS"], ["npm", "1"], ["KEV", "12"], ["EPSS", "1"]]
    run_db("import", OSV / "PyPI.jsonl", database=database)
    result = run_db("status", "--max-age", "2w", code=1, database=database)
    assert (
        result.stderr
        == "older than 14 days: PyPI (imported): import newer data of imported with `kubekeep db import`\n"
    )
    result = run_db("status", "--max-age", "90m", code=1, database=database)
    assert result.stderr.startswith("older than 90 minutes: PyPI (imported): import newer data of imported with")
    result = run_db("status", "--max-age", "0m", code=1, database=database)
    assert ": run `kubekeep db update`, and import newer data of imported with `kubekeep db import`" in result.stderr
    assert "'soon' is not an age: use" in run_db("status", "--max-age", "soon", code=2, database=database).stderr


def test_a_killed_update_leaves_the_database(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    publish(bucket, tmp_path, create_record("A-1"))
    kubekeep_db("update", "npm", "--source", bucket.address, database=database)
    publish(bucket, tmp_path, *(create_record(f"B-{number}", details="x" * 2000) for number in range(4000)))
    process = subprocess.Popen(
        [sys.executable, "-m", "kubekeep", "db", "update"],
        env={**os.environ, "KUBEKEEP_DATABASE": str(database)},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while not list(database.glob(".new-*/*.advisories")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait(120)
    with AdvisoryDatabase(database) as source:
        assert find(source, "npm", "left-pad") == [("left-pad", "A-1")]
    assert "4,000 records loaded" in kubekeep_db("update", database=database).stderr
    assert not list(database.glob(".new-*"))


def test_a_file_may_be_replaced_while_it_is_opened(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "database"
    publish(bucket, tmp_path, create_record("A-1", "name"))
    kubekeep_db("update", "npm", "--source", bucket.address, database=database)
    (file,) = database.glob("npm.advisories")
    newer = tmp_path / "newer"
    shutil.copyfile(file, newer)
    with contextlib.closing(schema.open_for_writing(newer, schema.ADVISORIES)) as connection:
        connection.execute("UPDATE facts SET value = value")
    schema.seal_file(newer)
    connect = sqlite3.connect

    def connect_before_an_update(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        if newer.exists():
            newer.replace(file)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_before_an_update)
    with AdvisoryDatabase(database) as source:
        assert find(source, "npm", "name") == [("name", "A-1")]


def test_a_reader_keeps_its_file_during_updates(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    publish(bucket, tmp_path, create_record("A-1", "name"), create_record("A-2", "name"))
    kubekeep_db("update", "npm", "--source", bucket.address, database=database)
    stop = threading.Event()
    results: list[set[tuple[str, ...]]] = []

    def read() -> None:
        while not stop.is_set():
            with AdvisoryDatabase(database) as source:
                results.append({tuple(record for _, record in find(source, "npm", "name")) for _ in range(3)})

    reader = threading.Thread(target=read)
    with AdvisoryDatabase(database) as opened:
        assert find(opened, "npm", "name") == [("name", "A-1"), ("name", "A-2")]
        reader.start()
        try:
            publish(
                bucket,
                tmp_path,
                *(create_record(f"A-{number}", "name", modified="2026-02-02T00:00:00Z") for number in (1, 2, 3)),
            )
            updates = [
                threading.Thread(target=kubekeep_db, args=("update",), kwargs={"database": database}) for _ in range(2)
            ]
            for update in updates:
                update.start()
            for update in updates:
                update.join()
        finally:
            stop.set()
            reader.join()
        assert find(opened, "npm", "name") == [("name", "A-1"), ("name", "A-2")]
    assert all(len(result) == 1 for result in results)
    assert set.union(*results) <= {("A-1", "A-2"), ("A-1", "A-2", "A-3")}
    with AdvisoryDatabase(database) as source:
        assert len(find(source, "npm", "name")) == 3


@pytest.mark.parametrize(
    ("rows", "requests"),
    [
        ("2026-01-01T00:00:00Z,A-1\n2026-01-02T00:00:00Z,A-2\n", ["/npm/all.zip 200"]),
        ("2026-01-02T00:00:00Z,npm/A-2\n2026-01-01T00:00:00Z,npm/A-1\n", ["/npm/A-2.json 200"]),
    ],
)
def test_lists_of_changes(bucket: Bucket, tmp_path: Path, rows: str, requests: list[str]) -> None:
    database = tmp_path / "database"
    publish(bucket, tmp_path, create_record("A-1"))
    run_db("update", "npm", "--source", bucket.address, database=database)
    publish(bucket, tmp_path, create_record("A-1"), create_record("A-2", modified="2026-01-02T00:00:00Z"))
    bucket.files["/npm/modified_id.csv"] = rows.encode()
    bucket.take_requests()
    run_db("update", database=database)
    assert [line for line in bucket.take_requests() if line.startswith("/npm/A") or "zip" in line] == requests
    with AdvisoryDatabase(database) as source:
        assert find(source, "npm", "left-pad") == [("left-pad", "A-1"), ("left-pad", "A-2")]


@pytest.mark.parametrize("rows", ["<html>\n", "2026-01-02T00:00:00Z,../../etc/passwd x\n", "yesterday,A-2\n"])
def test_wrong_lists_of_changes(bucket: Bucket, tmp_path: Path, rows: str) -> None:
    database = tmp_path / "database"
    publish(bucket, tmp_path, create_record("A-1"))
    run_db("update", "npm", "--source", bucket.address, database=database)
    bucket.files["/npm/modified_id.csv"] = rows.encode()
    assert "has an unexpected line" in run_db("update", code=3, database=database).stderr


def test_another_record_than_requested(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    publish(bucket, tmp_path, create_record("A-1"))
    run_db("update", "npm", "--source", bucket.address, database=database)
    publish(bucket, tmp_path, create_record("A-1"), create_record("A-2", modified="2026-01-02T00:00:00Z"))
    bucket.files["/npm/A-2.json"] = json.dumps(create_record("A-1", modified="2027-01-01T00:00:00Z")).encode()
    assert "has the record A-1" in run_db("update", code=3, database=database).stderr
    bucket.files["/npm/A-2.json"] = b"{"
    assert "not read: " in run_db("update", code=3, database=database).stderr


def test_private_authority(bucket: Bucket, tmp_path: Path) -> None:
    """TLS is verified: with the system's authorities first, then with the private one too."""
    publish(bucket, tmp_path, create_record("A-1"))
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = create_certificate(key).public_bytes(serialization.Encoding.PEM)
    authority, pair = tmp_path / "ca.pem", tmp_path / "server.pem"
    authority.write_bytes(certificate)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pair.write_bytes(private + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    with run_bucket(context) as secure:
        secure.files = bucket.files
        untrusted = run_db("update", "npm", "--source", secure.address, code=3, database=tmp_path / "database")
        assert "CERTIFICATE_VERIFY_FAILED" in untrusted.stderr
        run_db("update", "npm", "--source", secure.address, "--ca", authority, database=tmp_path / "database")
    with AdvisoryDatabase(tmp_path / "database") as source:
        assert find(source, "npm", "left-pad") == [("left-pad", "A-1")]


def test_proxy(bucket: Bucket, tmp_path: Path) -> None:
    """A proxy of the environment gets the request with the full URL."""
    publish(bucket, tmp_path, create_record("A-1"))
    archive = bucket.files["/npm/all.zip"]
    bucket.files = {"http://mirror.invalid/npm/all.zip": archive}
    result = subprocess.run(
        [sys.executable, "-m", "kubekeep", "db", "update", "npm", "--source", "http://mirror.invalid"],
        env={
            **os.environ,
            "KUBEKEEP_DATABASE": str(tmp_path / "database"),
            "HTTP_PROXY": bucket.address,
            "NO_PROXY": "",
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert "npm: 1 record loaded" in result.stderr
    assert "http://mirror.invalid/npm/all.zip 200" in bucket.requests

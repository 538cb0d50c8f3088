"""Faults of advisory databases that once ended a scan, or hid advisories: each test is a minimised failure."""

from __future__ import annotations

import datetime as dt
import io
import json
import socket
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from kubekeep.vulnerabilities.database import bundle, inputs
from kubekeep.vulnerabilities.database.advisory_files import AdvisoryFiles
from kubekeep.vulnerabilities.database.age import list_old
from kubekeep.vulnerabilities.database.download import Downloader, DownloadSettings, parse_url
from kubekeep.vulnerabilities.database.errors import AdvisoryInputError, DatabaseError, UpdateError
from kubekeep.vulnerabilities.database.open import open_advisories
from kubekeep.vulnerabilities.database.sources import AdvisoryDatabase
from kubekeep.vulnerabilities.source import SourceState
from tests.integrations.samples import needs_namespaces
from tests.vulnerabilities.database.bucket import Bucket
from tests.vulnerabilities.database.records import create_record, run_db, write_lines, write_zip
from tests.vulnerabilities.database.test_build import find
from tests.vulnerabilities.database.test_grype import GrypeWriter
from tests.vulnerabilities.database.test_update import publish


def test_a_record_from_the_future_does_not_end_updates(bucket: Bucket, tmp_path: Path) -> None:
    """Deltas ask for what is newer than the newest record."""
    database = tmp_path / "database"
    future = create_record("A-1", modified="9999-01-01T00:00:00Z")
    publish(bucket, tmp_path, future, create_record("A-2", modified="2026-01-01T00:00:00Z"))
    run_db("update", "npm", "--source", bucket.address, database=database)
    publish(bucket, tmp_path, future, create_record("A-3", modified="2026-01-02T00:00:00Z"))
    run_db("update", database=database)
    with AdvisoryDatabase(database) as source:
        assert ("left-pad", "A-3") in find(source, "npm", "left-pad")


def test_a_time_in_the_future_is_not_fresh(tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    states = {
        name: SourceState(name, frozenset({name}), now + ahead)
        for name, ahead in {"npm": dt.timedelta(days=400), "Go": dt.timedelta(hours=1)}.items()
    }
    assert [state.ecosystem for state in list_old(states, dt.timedelta(days=3), now)] == ["npm"]
    records = write_lines(tmp_path / "a.jsonl", [create_record("A-1", modified="9999-01-01T00:00:00Z")])
    run_db("import", records, database=tmp_path / "database")
    run_db("status", "--max-age", "3d", code=1, database=tmp_path / "database")


def test_damaged_signals_are_an_error_once(tmp_path: Path) -> None:
    """A failed read does not fail again when the database is closed."""
    run_db("build", write_lines(tmp_path / "a.jsonl", [create_record("A-1")]), "-o", tmp_path / "x", database=tmp_path)
    (tmp_path / "x" / "exploits.signals").write_bytes(b"x" * 200)
    with AdvisoryDatabase(tmp_path / "x") as source, pytest.raises(DatabaseError, match="damaged"):
        source.get_signals(["CVE-2026-1"])


def test_a_file_with_a_hole_is_refused(tmp_path: Path) -> None:
    """A bundle of 2 KB could fill the disk."""
    name, size = "npm.advisories", 1 << 30
    index = json.dumps({"format": "kubekeep-advisories-1", "files": [{"name": name, "size": size, "sha256": "0" * 64}]})
    head = bytearray(tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT))
    head[156:157] = b"S"
    head[386:410] = b"%011o\0%011o\0" % (size, 0)
    head[483:495] = struct.pack(">BxxxQ", 0x80, size)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo(bundle.INDEX)
        member.size = len(index)
        archive.addfile(member, io.BytesIO(index.encode()))
        end = stream.tell()
    path, staging = tmp_path / "x.bundle", tmp_path / "staging"
    path.write_bytes(stream.getvalue()[:end] + head + bytes(1024))
    staging.mkdir()
    with pytest.raises(DatabaseError, match="not in the index"):
        bundle.read_bundle(path, staging)
    assert not list(staging.iterdir())


def test_many_unreadable_records_end_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_MOST_UNREAD", 10)
    path = tmp_path / "x.json"
    path.write_text(f"[{'{},' * 1000}{{}}]")
    with pytest.raises(AdvisoryInputError, match="more than 10 records cannot be read"):
        AdvisoryFiles([path])


def test_links_out_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write_lines(tmp_path / "a.jsonl", [create_record("A-1")])
    write_lines(folder / "b.jsonl", [create_record("A-2")])
    (folder / "a.jsonl").symlink_to("../a.jsonl")
    (folder / "c.jsonl").symlink_to("b.jsonl")
    with AdvisoryFiles([folder]) as files:
        assert [str(problem) for problem in files.problems] == [
            f"{folder}/a.jsonl: a link out of the folder is not followed"
        ]
        assert [name for _, name in find(files, "npm", "left-pad")] == ["A-2"]


def test_entries_of_a_folder_that_cannot_be_read_are_reported(tmp_path: Path) -> None:
    import os  # noqa: PLC0415 - POSIX only

    folder = tmp_path / "folder"
    (folder / "npm").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    write_lines(folder / "npm" / "a.jsonl", [create_record("A-1")])
    (folder / "latest").symlink_to("npm")
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "missing.json").symlink_to("nothing.json")
    (folder / "other").symlink_to("../other")
    os.mkfifo(folder / "pipe.json")
    with AdvisoryFiles([folder]) as files:
        assert [str(problem).removeprefix(f"{folder}/") for problem in files.problems] == [
            "loop.json: neither a file nor a link to one",
            "missing.json: neither a file nor a link to one",
            "other: a link out of the folder is not followed",
            "pipe.json: neither a file nor a link to one",
        ]
        assert [name for _, name in find(files, "npm", "left-pad")] == ["A-1"]


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    import os  # noqa: PLC0415 - POSIX only

    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(AdvisoryInputError, match="neither a file nor a folder"):
        AdvisoryFiles([tmp_path / "pipe.json"])


@pytest.mark.parametrize("column", ["name = x'ff'", "published_date = 5"])
def test_values_of_other_types_in_a_database_of_grype(column: str, tmp_path: Path) -> None:
    writer = GrypeWriter(tmp_path / "g.db")
    package = writer.insert("packages", ecosystem="npm", name="left-pad")
    writer.affect(writer.add_vulnerability("CVE-2026-1", "github"), package, "< 2", kind="semver")
    writer.execute(f"UPDATE vulnerability_handles SET {column}")  # noqa: S608 - constants of this test
    writer.close()
    source = open_advisories(None, [tmp_path / "g.db"])
    with pytest.raises(DatabaseError, match="is damaged"):
        list(source.find_advisories("npm", ["left-pad"]))
    source.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://ann:hunter2@host:x/",
        "http://ann:hun\x00ter2@host/",
        "http://ann:hunter2@/",
        "http://ann:hunt/er2@host/?token=hunter2",
    ],
)
def test_no_password_in_a_message_about_a_url(url: str) -> None:
    with pytest.raises(UpdateError) as error:
        parse_url(url)
    assert not any(part in str(error.value) for part in ("hun", "ter2"))


def test_zip_of_small_size_with_much_content(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", [create_record("A-1", details=" " * (40 << 20))])
    with pytest.raises(AdvisoryInputError, match="more content than an archive of advisories can have"):
        AdvisoryFiles([path])


@needs_namespaces
def test_update_without_a_network_ends_at_the_first_error(tmp_path: Path) -> None:
    command = ["unshare", "--net", sys.executable, "-m", "kubekeep", "db", "update", "--database", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 3
    lines = result.stderr.splitlines()
    assert [line for line in lines if not line.startswith("failed: https://")] == [
        "no file was updated; without a network, `kubekeep db import` reads the files of another machine"
    ]
    assert sum("/all.zip cannot be fetched: " in line for line in lines) == 14, "one line for each ecosystem"


def test_host_without_an_address_is_tried_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("a missing name needs no second attempt"))
    lookups: list[str] = []
    resolve = socket.getaddrinfo

    def count(host: str, *arguments: Any, **options: Any) -> Any:
        lookups.append(host)
        return resolve(host, *arguments, **options)

    monkeypatch.setattr("socket.getaddrinfo", count)
    with Downloader(DownloadSettings()) as downloader:
        for name in ("PyPI", "npm"):
            with pytest.raises(UpdateError, match=rf"http://advisories.invalid/{name} cannot be fetched: "):
                downloader.save(f"http://advisories.invalid/{name}", tmp_path / name)
        with (
            pytest.raises(UpdateError, match=r"modified_id.csv cannot be fetched: "),
            downloader.open_lines("http://advisories.invalid/modified_id.csv"),
        ):
            pass
    assert len(lookups) <= 1

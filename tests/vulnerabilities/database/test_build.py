"""Building: every form of input, replacement of records, and what is reported of broken input."""

from __future__ import annotations

import contextlib
import gzip
import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.advisory_files import AdvisoryFiles
from kubekeep.vulnerabilities.database.build import build_database
from kubekeep.vulnerabilities.database.compression import zstd
from kubekeep.vulnerabilities.database.errors import AdvisoryInputError
from kubekeep.vulnerabilities.database.open import open_advisories
from kubekeep.vulnerabilities.database.sources import AdvisoryDatabase
from kubekeep.vulnerabilities.database.writer import AdvisoryWriter
from tests.vulnerabilities.database.records import EPSS, KEV, OSV, create_record, write_lines, write_zip

RECORDS = [create_record("A-1"), create_record("A-2", "right-pad"), create_record("B-1", "Flask_Login", "PyPI")]


def find(source: Any, ecosystem: str, *names: str) -> list[tuple[str, str]]:
    return [(name, advisory.id) for name, advisory in source.find_advisories(ecosystem, names)]


def _write_array(folder: Path) -> Path:
    path = folder / "all.json"
    path.write_text(json.dumps(RECORDS, indent=2))
    return path


def _write_objects(folder: Path) -> Path:
    path = folder / "records"
    path.write_text("\n".join(json.dumps(record, indent=1) for record in RECORDS))
    return path


def _write_folder(folder: Path) -> Path:
    path = folder / "advisories"
    (path / "deep" / "deeper").mkdir(parents=True)
    for number, record in enumerate(RECORDS):
        (path / ("deep/deeper" if number else ".") / f"{record['id']}.json").write_text(json.dumps(record))
    (path / "README.md").write_text("no advisory")
    (path / ".hidden.json").write_text("{")
    return path


def _write_gzip(folder: Path) -> Path:
    path = folder / "all.jsonl.gz"
    path.write_bytes(gzip.compress(write_lines(folder / "all.jsonl", RECORDS).read_bytes()))
    return path


def _write_zstd(folder: Path) -> Path:
    path = folder / "all.json.zst"
    path.write_bytes(zstd.compress(_write_array(folder).read_bytes()))
    return path


@pytest.mark.parametrize(
    "write",
    [
        _write_array,
        _write_objects,
        _write_folder,
        _write_gzip,
        _write_zstd,
        lambda folder: write_lines(folder / "x.jsonl", RECORDS),
        lambda folder: write_lines(folder / "without_suffix", RECORDS),
        lambda folder: write_zip(folder / "all.zip", RECORDS),
        lambda folder: write_zip(folder / "lines.zip", [], all__jsonl="\n".join(map(json.dumps, RECORDS))),
        lambda folder: write_zip(folder / "array.zip", [], all__json=json.dumps(RECORDS), README__md="text"),
    ],
)
def test_forms_of_input(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    path = write(tmp_path)
    result = build_database([path], tmp_path / "database")
    assert (result.ecosystems, result.records, result.unread) == ({"PyPI": 1, "npm": 2}, 3, 0)
    with AdvisoryDatabase(tmp_path / "database") as database, AdvisoryFiles([path]) as files:
        for source in (database, files):
            assert find(source, "npm", "left-pad", "right-pad", "up-pad") == [("left-pad", "A-1"), ("right-pad", "A-2")]
            assert find(source, "PyPI", "flask-login") == [("flask-login", "B-1")]
            assert find(source, "Go", "left-pad") == []


def test_real_records(tmp_path: Path) -> None:
    result = build_database([OSV, KEV], tmp_path)
    assert result.ecosystems == {
        "AlmaLinux": 142,
        "Bitnami": 84,
        "Go": 85,
        "Packagist": 70,
        "PyPI": 83,
        "RubyGems": 72,
        "crates.io": 64,
        "npm": 52,
    }
    lines = [json.loads(line) for path in sorted(OSV.glob("*.jsonl")) for line in path.read_text().splitlines()]
    with AdvisoryDatabase(tmp_path) as database:
        states = database.get_states()
        assert states["AlmaLinux"].releases == {"AlmaLinux:8", "AlmaLinux:9", "AlmaLinux:10"}
        for record in lines:
            package = record["affected"][0]["package"]
            name = (
                package["name"].lower().replace("_", "-").replace(".", "-")
                if package["ecosystem"] == "PyPI"
                else (package["name"].lower())
            )
            matches = {
                advisory.id: advisory
                for _, advisory in database.find_advisories(package["ecosystem"].partition(":")[0], [name])
            }
            advisory = matches[record["id"]]
            assert advisory.details == (record.get("details") or "")
            assert advisory.withdrawn == (record.get("withdrawn") or "")
            assert advisory.affected[0].package.name == package["name"]
        assert database.get_signals(["CVE-2021-44228", "CVE-1"])["CVE-2021-44228"].known_exploited == "2021-12-10"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_newest_record_counts(tmp_path: Path, order: tuple[int, int]) -> None:
    versions = [
        create_record("A-1", "old-name", modified="2026-01-01T00:00:00Z"),
        create_record("A-1", "new-name", modified="2026-01-01T00:00:00.5+00:00"),
    ]
    path = write_lines(tmp_path / "x.jsonl", [versions[index] for index in order])
    build_database([path], tmp_path / "database")
    with AdvisoryDatabase(tmp_path / "database") as database:
        assert find(database, "npm", "old-name", "new-name") == [("new-name", "A-1")]
        assert database.get_states()["npm"].records == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_newest_record_counts_in_all_ecosystems(tmp_path: Path, order: tuple[int, int]) -> None:
    moved = create_record("A-1", "name", "PyPI", modified="2026-02-01T00:00:00Z")
    withdrawn = {"id": "A-2", "modified": "2026-02-01T00:00:00Z", "withdrawn": "2026-02-01T00:00:00Z", "affected": []}
    versions = [[create_record("A-1", "name"), create_record("A-2", "name")], [moved, withdrawn]]
    path = write_lines(tmp_path / "x.jsonl", versions[order[0]] + versions[order[1]])
    build_database([path], tmp_path / "database")
    with AdvisoryDatabase(tmp_path / "database") as database:
        assert find(database, "npm", "name") == []
        assert find(database, "PyPI", "name") == [("name", "A-1")]


def test_addition(tmp_path: Path) -> None:
    build_database([write_lines(tmp_path / "1.jsonl", RECORDS)], tmp_path / "database", feed="acme")
    later = [create_record("A-1", "new-pad", modified="2026-02-01T00:00:00Z"), create_record("A-3", "left-pad")]
    path = write_lines(tmp_path / "2.jsonl", later)
    build_database([path], tmp_path / "database", feed="acme", is_addition=True)
    with AdvisoryDatabase(tmp_path / "database") as database:
        assert find(database, "npm", "left-pad", "new-pad", "right-pad") == [
            ("left-pad", "A-3"),
            ("new-pad", "A-1"),
            ("right-pad", "A-2"),
        ]


def test_ratings_of_flaws_follow_their_records(tmp_path: Path) -> None:
    def list_rated(*names: str) -> list[tuple[str, str]]:
        with AdvisoryDatabase(tmp_path / "database") as database:
            return [(name, record.id) for name, record in database.find_rated(names)]

    def build(name: str, *records: Mapping[str, Any]) -> None:
        path = write_lines(tmp_path / f"{name}.jsonl", records)
        build_database([path], tmp_path / "database", is_addition=True)

    rating: dict[str, Any] = {
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}]
    }
    other = create_record("A-3", "other", ecosystem="PyPI", aliases=["CVE-1"], **rating)
    build("1", create_record("A-1", aliases=["CVE-1", "A-9"], **rating), create_record("A-2", aliases=["CVE-2"]), other)
    assert list_rated("CVE-1", "CVE-2", "A-9") == [("CVE-1", "A-3"), ("A-9", "A-1"), ("CVE-1", "A-1")]

    later: dict[str, Any] = {"modified": "2026-02-01T00:00:00Z"}
    build(
        "2",
        create_record("A-1", aliases=["CVE-4"], **rating, **later),
        create_record("A-3", "other", ecosystem="PyPI", **later),
    )
    assert list_rated("CVE-1", "CVE-4", "A-9", "A-3") == [("CVE-4", "A-1")]


def test_file_without_rated_flaws_is_read_and_completed_by_a_change(tmp_path: Path) -> None:
    rating: dict[str, Any] = {
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}]
    }
    folder = tmp_path / "database"
    path = folder / schema.get_file_name("npm")
    build_database([write_lines(tmp_path / "1.jsonl", [create_record("A-1", aliases=["CVE-1"], **rating)])], folder)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE rated")
        connection.execute(f"PRAGMA user_version = {schema.WITHOUT_RATINGS}")
        connection.commit()
    schema.seal_file(path)
    with AdvisoryDatabase(folder) as database:
        assert find(database, "npm", "left-pad") == [("left-pad", "A-1")]
        assert list(database.find_rated(["CVE-1"])) == []
        token = database.get_token("npm")
    with AdvisoryWriter(path, "npm", is_addition=True) as writer:
        writer.finish()
    with AdvisoryDatabase(folder) as database:
        assert database.get_token("npm") != token
    second = create_record("A-2", aliases=["CVE-2"], **rating)
    build_database([write_lines(tmp_path / "2.jsonl", [second])], folder, is_addition=True)
    with AdvisoryDatabase(folder) as database:
        assert [(name, record.id) for name, record in database.find_rated(["CVE-1", "CVE-2"])] == [
            ("CVE-1", "A-1"),
            ("CVE-2", "A-2"),
        ]


def test_records_that_cannot_match_are_not_indexed(tmp_path: Path) -> None:
    git = create_record("A-1")
    git["affected"][0]["ranges"][0]["type"] = "GIT"
    no_versions = create_record("A-2")
    no_versions["affected"][0]["ranges"] = []
    no_package = {"id": "A-3", "modified": "2026-01-01T00:00:00Z", "aliases": ["CVE-1"]}
    withdrawn = create_record("A-4", withdrawn="2026-01-01T00:00:00Z")
    path = write_lines(tmp_path / "x.jsonl", [git, no_versions, no_package, withdrawn])
    result = build_database([path], tmp_path / "database")
    assert result.ecosystems == {"GIT": 1, "npm": 3}
    with AdvisoryDatabase(tmp_path / "database") as database:
        assert find(database, "npm", "left-pad") == [("left-pad", "A-4")]


def test_null_counts_as_absent(tmp_path: Path) -> None:
    record = create_record("A-1", withdrawn=None, aliases=None, severity=None)
    record["affected"][0]["versions"] = None
    with AdvisoryFiles([write_lines(tmp_path / "x.jsonl", [record])]) as files:
        ((_, advisory),) = files.find_advisories("npm", ["left-pad"])
    assert (advisory.withdrawn, advisory.aliases, advisory.affected[0].versions) == ("", (), ())


def test_unread_records_are_reported_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    good = [json.dumps(record) for record in RECORDS]
    path.write_text("\n".join([good[0], '{"id": 7}', "", '{"id": "A-9", ', good[1], "[" * 100_000, good[2], "{}"]))
    with AdvisoryFiles([path]) as files:
        assert files.unread == 4
        assert [problem.line for problem in files.problems] == [2, 4, 6, 8]
        assert str(files.problems[0]).startswith(f"{path}:2: Expected `str`")
        assert find(files, "npm", "left-pad", "right-pad") == [("left-pad", "A-1"), ("right-pad", "A-2")]
    with open_advisories(None, [path]) as source:
        assert (source.unread, len(source.problems)) == (4, 4)


@pytest.mark.parametrize(("removed", "what"), [("}\n]", "object"), ("\n]", "array")])
def test_broken_array_ends_at_the_problem(tmp_path: Path, removed: str, what: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(RECORDS, indent=1).removesuffix(removed))
    with AdvisoryFiles([path]) as files:
        assert files.unread == 1
        assert files.problems[0].reason == f"the {what} is incomplete"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", b"", "has no advisories"),
        ("x.json", b"<html>", "text between the objects"),
        ("x.json", b'{"id": "A-1"', "the object is incomplete"),
        ("x.zip", b"PK\3\4 and no more", "the end of the archive is missing"),
        ("x.gz", gzip.compress(b"{}" * 1000, mtime=0)[:20], "end-of-stream"),
        ("x.txt", b"hello", "text between the objects"),
    ],
)
def test_refused_sources(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    database = tmp_path / "database"
    with pytest.raises(AdvisoryInputError, match=message):
        build_database([path], database)
    assert [entry.name for entry in database.iterdir()] == [".lock"]


def test_a_source_with_many_unread_records_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", [create_record("A-1"), *({"id": number} for number in range(101))])
    with pytest.raises(AdvisoryInputError, match=r"101 of 102 records cannot be read, such as .*x.jsonl:2"):
        build_database([path], tmp_path / "database")


def test_signals_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "kev.json").write_bytes(KEV.read_bytes())
    (tmp_path / "epss_scores-2026-11-28.csv.gz").write_bytes(gzip.compress(EPSS.encode()))
    write_lines(tmp_path / "x.jsonl", RECORDS)
    with AdvisoryFiles([tmp_path]) as files:
        signal = files.get_signals(["CVE-2021-44228"])["CVE-2021-44228"]
        assert (signal.ransomware, signal.epss, signal.percentile) == (True, 0.94358, 0.99957)
        assert find(files, "npm", "left-pad") == [("left-pad", "A-1")]


@pytest.mark.parametrize(
    "text", ["cve,epss,percentile\nCVE-2021-44228,2,0.5\n", "cve,epss\n", "cve,epss,percentile\nCVE-2021-1234,x,y\n"]
)
def test_wrong_scores(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(AdvisoryInputError, match=r"x.csv cannot be read"):
        build_database([tmp_path], tmp_path / "database")


def test_same_input_gives_same_records(tmp_path: Path) -> None:
    for name in ("1", "2"):
        build_database([OSV], tmp_path / name)
    with AdvisoryDatabase(tmp_path / "1") as first, AdvisoryDatabase(tmp_path / "2") as second:
        for ecosystem, state in first.get_states().items():
            assert state == second.get_states()[ecosystem]

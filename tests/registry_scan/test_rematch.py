"""`kubekeep registry rematch` with the real program, registry and database of advisories."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from tests.registry_scan.fleet import Fleet, kubekeep

CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
LOW = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"


def record(identifier: str, name: str, fixed: str, modified: str, score: str = CRITICAL) -> dict[str, Any]:
    """Return a record about the versions of a package of PyPI before `fixed`."""
    events = [{"introduced": "0"}, {"fixed": fixed}]
    package = {"ecosystem": "PyPI", "name": name}
    return {
        "id": identifier,
        "modified": modified,
        "severity": [{"type": "CVSS_V3", "score": score}],
        "affected": [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}],
    }


def update(folder: Path, *records: dict[str, Any]) -> None:
    """Add records to the database."""
    (folder / "records.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in records))
    kubekeep("db", "import", "records.jsonl", "--database", "database", folder=folder)


def rematch(folder: Path, *options: str, code: int = 0) -> dict[str, Any]:
    arguments = ("registry", "rematch", "state", "--database", "database", "--changes", "-", *options)
    report: dict[str, Any] = json.loads(kubekeep(*arguments, folder=folder, code=code).stdout)
    return report


def list_changes(report: dict[str, Any], kind: str) -> list[tuple[str, str]]:
    """Return (tag, vulnerability) of the changes of a kind."""
    return [
        (name.rpartition("/")[2], entry.get("after", entry)["id"])
        for image in report["images"]
        for name in image["names"]
        for entry in image[kind]
    ]


def test_changes_since_the_last_run(tmp_path: Path, fleet: Fleet) -> None:
    fleet.push_apps("team/app", "1.0", "1.1")
    fleet.push_apps("team/web", "3.0")
    kubekeep("registry", "scan", fleet.address, "--state", "state", folder=tmp_path)
    update(tmp_path, record("CVE-2026-1", "app", "1.1", "2026-11-01T00:00:00Z"))
    first = rematch(tmp_path)
    assert list_changes(first, "new") == [("app:1.0", "CVE-2026-1")]
    assert first["matched"] == first["image_count"] == 3
    assert first["is_first"]
    assert rematch(tmp_path) == {**first, "images": [], "matched": 0, "all_matched": [], "is_first": False}
    update(
        tmp_path,
        record("CVE-2026-1", "app", "1.2", "2026-11-02T00:00:00Z"),
        record("CVE-2026-9", "unrelated", "1", "2026-11-02T00:00:00Z"),
    )
    second = rematch(tmp_path, "--fail-on-new", "--baseline-severity-threshold", "critical", code=1)
    assert list_changes(second, "new") == [("app:1.1", "CVE-2026-1")]
    assert list_changes(second, "changed") == [("app:1.0", "CVE-2026-1")]
    assert second["matched"] == 2
    update(
        tmp_path,
        record("CVE-2026-1", "app", "0.9", "2026-11-03T00:00:00Z"),
        record("CVE-2026-2", "web", "4", "2026-11-03T00:00:00Z", LOW),
    )
    third = rematch(tmp_path, "--fail-on-new", "--baseline-severity-threshold", "critical")
    assert list_changes(third, "resolved") == [("app:1.0", "CVE-2026-1"), ("app:1.1", "CVE-2026-1")]
    assert list_changes(third, "new") == [("web:3.0", "CVE-2026-2")]
    fleet.push_apps("team/web", "3.1")
    kubekeep("registry", "scan", fleet.address, "--state", "state", folder=tmp_path)
    done = kubekeep("registry", "rematch", "state", "--database", "database", folder=tmp_path)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("new "))
    assert "CVE-2026-2  pkg:pypi/web@3.1  low, fixed in 4  in 1 image: " in line
    assert line.endswith("web:3.1")
    assert "1 of 4 images changed: 1 new, 0 changed, 0 resolved; 1 package matched" in done.stdout


def test_first_match_has_nothing_new_and_names_each_package_once(tmp_path: Path, fleet: Fleet) -> None:
    fleet.push_apps("team/app", *(f"1.{number}" for number in range(8)))
    fleet.push_apps("team/web", "3.0")
    kubekeep("registry", "scan", fleet.address, "--state", "state", folder=tmp_path)
    update(tmp_path, record("CVE-2026-1", "app", "2", "2026-11-01T00:00:00Z"))
    arguments = ("registry", "rematch", "state", "--database", "database", "--fail-on-new")
    done = kubekeep(*arguments, folder=tmp_path)
    assert "gate passed: new vulnerabilities: 0, limit 0; the first match has nothing to compare with" in done.stderr
    *lines, total = done.stdout.splitlines()
    assert all(line.startswith("present ") for line in lines)
    assert len(lines) == 8
    assert total.startswith("first match of 9 images: 8 vulnerabilities in 8 of them; ")


def test_missing_data_is_not_an_empty_result(tmp_path: Path, fleet: Fleet) -> None:
    fleet.push_apps("team/app", "1.0")
    message = kubekeep("registry", "rematch", "state", "--database", "database", folder=tmp_path, code=3).stderr
    assert "has no state of a scan" in message
    kubekeep("registry", "scan", fleet.address, "--state", "state", folder=tmp_path)
    message = kubekeep("registry", "rematch", "state", "--database", "database", folder=tmp_path, code=3).stderr
    assert "there is no advisory database" in message
    npm = record("CVE-2026-1", "other", "1", "2026-11-01T00:00:00Z")
    npm["affected"][0] |= {"package": {"ecosystem": "npm", "name": "other"}}
    npm["affected"][0]["ranges"][0]["type"] = "SEMVER"
    update(tmp_path, npm)
    for _ in range(2):
        message = kubekeep("registry", "rematch", "state", "--database", "database", folder=tmp_path, code=3).stderr
        assert "not assessed: 1 package: the database has no advisories for PyPI" in message
    update(tmp_path, record("CVE-2026-2", "app", "2", "2026-11-01T00:00:00Z"))
    assert list_changes(rematch(tmp_path), "new") == [("app:1.0", "CVE-2026-2")]


def change(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_old_files_are_changed_or_refused(tmp_path: Path, fleet: Fleet) -> None:
    fleet.push_apps("team/app", "1.0")
    kubekeep("registry", "scan", fleet.address, "--state", "state", folder=tmp_path)
    update(tmp_path, record("CVE-2026-1", "app", "2", "2026-11-01T00:00:00Z"))
    change(
        tmp_path / "state" / "images.sqlite",
        "DROP INDEX name_by_root",
        "CREATE TABLE kept AS SELECT * FROM name",
        "DROP TABLE name",
        "CREATE TABLE name (repository TEXT NOT NULL, tag TEXT NOT NULL, root TEXT NOT NULL, platform TEXT NOT NULL,"
        " seen REAL NOT NULL, PRIMARY KEY (repository, tag, platform)) WITHOUT ROWID",
        "INSERT INTO name SELECT repository, tag, root, platform, seen FROM kept",
        "DROP TABLE kept",
        "CREATE INDEX name_by_root ON name (root, platform)",
        "PRAGMA user_version = 1",
    )
    assert list_changes(rematch(tmp_path), "new") == [("app:1.0", "CVE-2026-1")]
    change(
        tmp_path / "state" / "packages.sqlite",
        "DROP INDEX vulnerability_without_rating",
        "ALTER TABLE vulnerability DROP COLUMN has_own_rating",
        "PRAGMA user_version = 2",
    )
    assert rematch(tmp_path)["images"] == []
    change(tmp_path / "state" / "packages.sqlite", "PRAGMA user_version = 1")
    message = kubekeep("registry", "rematch", "state", "--database", "database", folder=tmp_path, code=3).stderr
    assert "packages.sqlite" in message
    assert "without changelogs and functions of Go executables: delete this file" in message
    (tmp_path / "state" / "packages.sqlite").unlink()
    assert list_changes(rematch(tmp_path), "new") == [("app:1.0", "CVE-2026-1")]


def test_images_of_another_version_are_incomplete(tmp_path: Path, fleet: Fleet) -> None:
    fleet.push_apps("team/app", "1.0")
    kubekeep("registry", "scan", fleet.address, "--state", "state", folder=tmp_path)
    update(tmp_path, record("CVE-2026-1", "app", "2", "2026-11-01T00:00:00Z"))
    assert list_changes(rematch(tmp_path), "new") == [("app:1.0", "CVE-2026-1")]
    change(tmp_path / "state" / "images.sqlite", "UPDATE image SET program = x'00'")
    changes = rematch(tmp_path, code=3)
    assert changes["images"] == []
    assert changes["outdated"] == [f"{fleet.address}/team/app:1.0"]
    arguments = ("registry", "rematch", "state", "--database", "database")
    assert "run `kubekeep registry scan` again" in kubekeep(*arguments, folder=tmp_path, code=3).stderr
    report = (*arguments, "--format", "json", "--output", "report.json")
    kubekeep(*report, folder=tmp_path, code=3)
    (unread,) = json.loads((tmp_path / "report.json").read_text())["kubekeep"]["unread"]
    assert "scan again" in unread["message"]
    kubekeep("registry", "scan", fleet.address, "--state", "state", folder=tmp_path)
    assert rematch(tmp_path)["images"] == []


def test_a_new_version_of_the_matching_matches_everything(tmp_path: Path, fleet: Fleet) -> None:
    fleet.push_apps("team/app", "1.0")
    kubekeep("registry", "scan", fleet.address, "--state", "state", folder=tmp_path)
    update(tmp_path, record("CVE-2026-1", "app", "2", "2026-11-01T00:00:00Z"))
    rematch(tmp_path)
    change(
        tmp_path / "state" / "packages.sqlite",
        "UPDATE token SET token = 'older' WHERE ecosystem = ''",
        "UPDATE lookup SET name = 'other'",
    )
    changes = rematch(tmp_path)
    assert (changes["images"], changes["matched"], changes["all_matched"]) == ([], 1, ["PyPI"])
    update(tmp_path, record("CVE-2026-2", "app", "2", "2026-11-02T00:00:00Z"))
    assert list_changes(rematch(tmp_path), "new") == [("app:1.0", "CVE-2026-2")]


def test_limits_and_reports(tmp_path: Path, fleet: Fleet) -> None:
    fleet.push_apps("team/app", "1.0")
    kubekeep("registry", "scan", fleet.address, "--state", "state", folder=tmp_path)
    update(tmp_path, record("CVE-2026-1", "app", "2", "2026-11-01T00:00:00Z", LOW))
    arguments = ("registry", "rematch", "state", "--database", "database")
    done = kubekeep(*arguments, "--max-db-age", "1h", folder=tmp_path, code=3)
    assert "not assessed: 1 package: the advisories for PyPI are of 2026-11-01" in done.stderr
    kubekeep(*arguments, "--max-db-age", "1h", "--strict", folder=tmp_path, code=1)
    assert "gate passed: priority" in kubekeep(*arguments, "--fail-on", "high", folder=tmp_path).stderr
    done = kubekeep(*arguments, "--max-failures", "total=0", folder=tmp_path, code=1)
    assert done.stdout == "0 of 1 images changed: 0 new, 0 changed, 0 resolved; 0 packages matched\n"
    done = kubekeep(*arguments, "--format", "sarif", "--output", "-", folder=tmp_path)
    rules = [rule["id"] for run in json.loads(done.stdout)["runs"] for rule in run["tool"]["driver"]["rules"]]
    assert "CVE-2026-1" in rules
    assert "0 of 1 images changed" in done.stderr
    done = kubekeep(*arguments, "--format", "json", "--output", "-", "--changes", "-", folder=tmp_path, code=2)
    assert "exclude each other" in done.stderr
    (tmp_path / "bad.json").write_text("{}")
    done = kubekeep(*arguments, "--vex", "bad.json", folder=tmp_path, code=3)
    assert "not read: advisories: bad.json" in done.stderr


def test_changes_that_cannot_be_written_are_shown_again(tmp_path: Path, fleet: Fleet) -> None:
    fleet.push_apps("team/app", "1.0")
    kubekeep("registry", "scan", fleet.address, "--state", "state", folder=tmp_path)
    update(tmp_path, record("CVE-2026-1", "app", "2", "2026-11-01T00:00:00Z"))
    arguments = ("registry", "rematch", "state", "--database", "database")
    (tmp_path / "file").write_text("")
    kubekeep(*arguments, "--changes", "file/changes.json", folder=tmp_path, code=3)
    kubekeep(*arguments, "--format", "json", "--output", "file/report.json", folder=tmp_path, code=3)
    assert list_changes(rematch(tmp_path), "new") == [("app:1.0", "CVE-2026-1")]

"""A rematch gives the verdicts of a new scan: images with Go programs, changelogs and several platforms, after each change."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import run_command_line
from tests.go_symbols.conftest import programs
from tests.go_symbols.programs import RECORDS, GoPrograms
from tests.images.layer_files import build_tar
from tests.registry_scan.fleet import BASE, Fleet, environment, python_package, write_layer

__all__ = ["programs"]

CHANGELOG = Path(__file__).parent.parent / "vulnerabilities" / "matching" / "changelogs" / "expat"
OS_RELEASE = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n'
STATUS = (
    "Package: libexpat1\nStatus: install ok installed\nArchitecture: amd64\nSource: expat\nVersion: 2.5.0-1+deb12u1\n\n"
)
PROGRAM = """package main

import (
	"os"

	"golang.org/x/text/language"
)

func main() {{ println(language.{function}("x"), os.Args[0]) }}
"""
HIGH = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
LOW = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"
IN_CHANGELOG, NOT_IN_CHANGELOG = "CVE-2024-45490", "CVE-2026-1234"
Record = dict[str, Any]
State = dict[str, dict[tuple[str, str], Record]]


def run(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = run_command_line(*arguments, folder=folder, variables=environment(folder))
    assert done.returncode == code, (done.returncode, done.stderr, done.stdout)
    return done


def record(identifier: str, ecosystem: str, name: str, fixed: str, day: int, score: str = HIGH) -> Record:
    """Return a record about the versions of a package before `fixed`."""
    events = [{"introduced": "0"}, {"fixed": fixed}]
    return {
        "id": identifier,
        "modified": f"2026-11-{day:02}T00:00:00Z",
        "summary": f"Flaw in {name}",
        "severity": [{"type": "CVSS_V3", "score": score}],
        "affected": [
            {"package": {"ecosystem": ecosystem, "name": name}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
        ],
    }


def push_images(fleet: Fleet, programs: GoPrograms) -> None:
    fleet.push_apps("team/app", "1.0", "1.1", "2.0")
    layers = (BASE, write_layer(python_package("web", "3.0")))
    fleet.push_image("team/web", "3.0", "3", "latest", layers=layers)
    fleet.push_image("other/copy", "1", layers=layers)
    for function in ("ParseAcceptLanguage", "Make"):
        target = programs.build(PROGRAM.format(function=function), "-trimpath", "-ldflags=-s -w")
        layer = build_tar({"usr/bin/app": target.read_bytes()})
        fleet.push_image("team/go", function.lower(), layers=(BASE, layer))
    push_platforms(fleet, amd64="1.5", arm64="1.6")
    files = {"etc/os-release": OS_RELEASE.encode(), "var/lib/dpkg/status": STATUS.encode()}
    changelog = {"usr/share/doc/libexpat1/changelog.Debian.gz": gzip.compress(CHANGELOG.read_bytes(), mtime=0)}
    fleet.push_image("team/xml", "with-changelog", layers=(build_tar({**files, **changelog}),))
    fleet.push_image("team/xml", "without", layers=(build_tar(files),))


def push_platforms(fleet: Fleet, **versions: str) -> None:
    """Push an index with a version of an application for each architecture."""
    platforms = {
        name: fleet.push_image(
            "team/multi", layers=(BASE, write_layer(python_package("app", version))), architecture=name
        )
        for name, version in versions.items()
    }
    fleet.push_index("team/multi", "1", platforms)


def update(folder: Path, *records: Record) -> None:
    """Add records to the database."""
    (folder / "records.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in records))
    run(folder, "db", "import", "records.jsonl", "--database", "database")


def read_report(path: Path) -> Record:
    """Return a report without its target, times and remarks on the registry."""
    report: Record = json.loads(path.read_text())
    for key in ("generationTime", "metadata"):
        report.pop(key, None)
    for key in ("targets", "notes"):
        report["kubekeep"].pop(key, None)
    return report


def list_vulnerabilities(report: Record) -> State:
    """Return the affected packages by digest of the image."""
    images: State = {}
    for resource in report["resources"]:
        document = resource["object"]
        if document.get("kind") == "ContainerImage":
            own = images.setdefault(document["image"]["digest"], {})
            own |= {(one["id"], one["purl"]): one for one in document["vulnerabilities"]}
    return images


class Replay:
    """The vulnerabilities of all images, from the changes that each rematch reports."""

    def __init__(self) -> None:
        self.images: State = {}

    def apply(self, changes: Record) -> None:
        for image in changes["images"]:
            own = self.images.setdefault(image["digest"], {})
            for one in image["new"]:
                assert (one["id"], one["purl"]) not in own
                own[one["id"], one["purl"]] = one
            for change in image["changed"]:
                assert own[change["before"]["id"], change["before"]["purl"]] == change["before"]
                own[change["after"]["id"], change["after"]["purl"]] = change["after"]
            for one in image["resolved"]:
                del own[one["id"], one["purl"]]

    def summarise(self) -> dict[str, dict[tuple[str, str], tuple[str, str, bool]]]:
        return {
            digest: {
                key: (one.get("level", "unknown"), one.get("fixed_version", ""), bool(one.get("suppression")))
                for key, one in own.items()
            }
            for digest, own in self.images.items()
            if own
        }


def summarise(images: State, excepted: frozenset[tuple[str, str]]) -> dict[str, dict[tuple[str, str], Any]]:
    """Return severity, fix and suppression of each vulnerability; excepted: package URLs and ids of exceptions."""
    statuses = ("not_affected", "fixed")
    return {
        digest: {
            key: (
                one["severity"].lower(),
                one["fixedVersion"],
                one.get("vex", {}).get("status") in statuses or key in excepted,
            )
            for key, one in own.items()
        }
        for digest, own in images.items()
        if own
    }


def compare(
    folder: Path,
    address: str,
    replay: Replay,
    *options: str,
    excepted: frozenset[tuple[str, str]] = frozenset(),
    selection: tuple[str, ...] = (),
) -> Record:
    """Assert that a rematch gives the report and the vulnerabilities of a new scan; return the changes."""
    shared = ("--database", "database", "--format", "json", *options)
    registry = ("--requests-per-second", "1000", *selection)
    run(folder, "registry", "scan", address, *shared, "--output", "scan.json", *registry)
    run(folder, "registry", "rematch", "state", *shared, "--output", "rematch.json", "--changes", "changes.json")
    expected = read_report(folder / "scan.json")
    assert read_report(folder / "rematch.json") == expected
    changes: Record = json.loads((folder / "changes.json").read_text())
    replay.apply(changes)
    assert replay.summarise() == summarise(list_vulnerabilities(expected), excepted)
    return changes


def scan_state(folder: Path, address: str, *selection: str) -> None:
    arguments = ("--state", "state", "--no-vulnerabilities", "--requests-per-second", "1000", *selection)
    run(folder, "registry", "scan", address, *arguments)


@pytest.fixture
def go_record() -> Record:
    """The record of the Go vulnerability database about ParseAcceptLanguage."""
    records = map(json.loads, RECORDS.read_text().splitlines())
    return next(entry for entry in records if "CVE-2022-32149" in entry.get("aliases", ()))


def count(changes: Mapping[str, Any], kind: str) -> int:
    return sum(len(image[kind]) for image in changes["images"])


def test_verdicts_of_a_new_scan(tmp_path: Path, fleet: Fleet, programs: GoPrograms, go_record: Record) -> None:
    push_images(fleet, programs)
    scan_state(tmp_path, fleet.address)
    replay = Replay()
    update(
        tmp_path,
        record("CVE-2026-1000", "PyPI", "app", "1.1", 1),
        record("CVE-2026-1001", "PyPI", "web", "4", 1, LOW),
        record("DEBIAN-CVE-2024-1", "Debian:12", "other", "1", 1),
        record("DEBIAN-CVE-2024-1", "Debian:13", "other", "1", 1),
        record("GO-2000-1", "Go", "example.org/other", "1.0.0", 1),
    )
    assert count(compare(tmp_path, fleet.address, replay), "new") == 2
    debian = [record(f"DEBIAN-{cve}", "Debian:12", "expat", "2.6", 2) for cve in (IN_CHANGELOG, NOT_IN_CHANGELOG)]
    debian = [{**entry, "upstream": [entry["id"].removeprefix("DEBIAN-")]} for entry in debian]
    update(tmp_path, go_record, *debian, record("CVE-2026-1000", "PyPI", "app", "1.6", 2))
    changes = compare(tmp_path, fleet.address, replay)
    new = {(image["names"][0].rpartition("/")[2], one["id"]) for image in changes["images"] for one in image["new"]}
    assert {name for name, identifier in new if identifier == "CVE-2022-32149"} == {"go:parseacceptlanguage"}
    assert count(changes, "changed") == 1
    update(tmp_path, record("CVE-2026-1000", "PyPI", "app", "1.6", 3) | {"withdrawn": "2026-11-03T00:00:00Z"})
    assert count(compare(tmp_path, fleet.address, replay), "resolved") == 3
    assert compare(tmp_path, fleet.address, replay)["matched"] == 0


def test_images_of_all_platforms(tmp_path: Path, fleet: Fleet) -> None:
    push_platforms(fleet, amd64="1.5", arm64="1.6")
    selection = ("--all-platforms",)
    for _ in range(2):
        scan_state(tmp_path, fleet.address, *selection)
    update(tmp_path, record("CVE-2026-1000", "PyPI", "app", "9", 1))
    changes = compare(tmp_path, fleet.address, Replay(), selection=selection)
    names = [name.partition("/")[2] for image in changes["images"] for name in image["names"]]
    assert names == ["team/multi:1 (linux/amd64)", "team/multi:1 (linux/arm64)"]
    push_platforms(fleet, amd64="1.7")
    scan_state(tmp_path, fleet.address, *selection)
    changes = compare(tmp_path, fleet.address, Replay(), selection=selection)
    assert count(changes, "new") == changes["image_count"] == 1


def test_statements_and_exceptions(tmp_path: Path, fleet: Fleet) -> None:
    fleet.push_apps("team/app", "1.0", "1.1")
    fleet.push_apps("team/web", "3.0")
    scan_state(tmp_path, fleet.address)
    records = (("CVE-2026-1000", "app"), ("CVE-2026-1001", "app"), ("CVE-2026-1002", "web"))
    update(tmp_path, *(record(identifier, "PyPI", name, "9", 1) for identifier, name in records))
    replay = Replay()
    assert count(compare(tmp_path, fleet.address, replay), "new") == 5
    write_statement(tmp_path / "vex.json", "CVE-2026-1000", "pkg:pypi/app@1.0", "not_affected")
    statement = ("--vex", "vex.json")
    assert list_suppressed(compare(tmp_path, fleet.address, replay, *statement)) == [
        ("CVE-2026-1000", "pkg:pypi/app@1.0")
    ]
    (tmp_path / "exceptions.json").write_text(json.dumps([create_exception("team/web:3.0", "CVE-2026-1002")]))
    both = (*statement, "--exceptions", "exceptions.json")
    excepted = frozenset({("CVE-2026-1002", "pkg:pypi/web@3.0")})
    changes = compare(tmp_path, fleet.address, replay, *both, excepted=excepted)
    assert list_suppressed(changes) == [("CVE-2026-1002", "pkg:pypi/web@3.0")]
    assert compare(tmp_path, fleet.address, replay, *both, excepted=excepted)["images"] == []
    update(tmp_path, record("CVE-2026-1003", "PyPI", "web", "9", 2))
    assert count(compare(tmp_path, fleet.address, replay, *both, excepted=excepted), "new") == 1
    write_statement(tmp_path / "vex.json", "CVE-2026-1000", "pkg:pypi/app@1.0", "affected")
    done = run(tmp_path, "registry", "rematch", "state", "--database", "database", *both, "--fail-on-new", code=1)
    assert "gate FAILED: new vulnerabilities: 1, limit 0" in done.stderr
    assert "1 of 3 images changed: 0 new, 1 changed, 0 resolved; 0 packages matched" in done.stdout
    done = run(tmp_path, "registry", "rematch", "state", "--database", "database", "--fail-on-new", code=1)
    assert "suppressed by" in done.stdout
    done = run(tmp_path, "registry", "rematch", "state", "--database", "database", "--fail-on-new")
    assert "gate passed" in done.stderr


def write_statement(path: Path, vulnerability: str, product: str, status: str) -> None:
    reason = {"justification": "vulnerable_code_not_in_execute_path"} if status == "not_affected" else {}
    advice = {"action_statement": "upgrade"} if status == "affected" else {}
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://shop.example/vex/1",
        "author": "Shop",
        "timestamp": "2026-11-01T00:00:00Z",
        "version": 1,
        "statements": [
            {
                "vulnerability": {"name": vulnerability},
                "products": [{"@id": product}],
                "status": status,
                **reason,
                **advice,
            }
        ],
    }
    path.write_text(json.dumps(document))


def create_exception(image: str, vulnerability: str) -> Record:
    """Return an exception for a vulnerability of one image, in Kubescape's format."""
    return {
        "name": "accepted",
        "policyType": "postureExceptionPolicy",
        "actions": ["alertOnly"],
        "resources": [{"designatorType": "Attributes", "attributes": {"kind": "ContainerImage", "name": f".*{image}"}}],
        "posturePolicies": [{"controlID": vulnerability}],
    }


def list_suppressed(changes: Record) -> list[tuple[str, str]]:
    """Return the vulnerabilities that are suppressed since the last match."""
    return [
        (change["after"]["id"], change["after"]["purl"])
        for image in changes["images"]
        for change in image["changed"]
        if change["after"].get("suppression") and not change["before"].get("suppression")
    ]

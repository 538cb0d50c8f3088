"""Documents of other tools in the store: sent twice they change nothing, and partial ones close nothing outside of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import pytest
from sqlalchemy import Connection, select

from kubekeep.model.scanned_source import SourceCluster, SourceRepository
from kubekeep.model.submission import SubjectEntry, Submission
from kubekeep.model.text import encode_json
from kubekeep_server.foreign import kubescape_container, kubescape_report, sarif, sbom
from kubekeep_server.process.library_definitions import load_library, store_library
from kubekeep_server.store import image_schema, schema
from kubekeep_server.store.ingest import Receipt, ingest
from kubekeep_server.store.state import load_entry
from tests.server.conftest import Database
from tests.server.foreign.documents import (
    DIGEST,
    UID,
    build_container_scan,
    build_control,
    build_image_vulnerability,
    build_log,
    build_posture_report,
    build_result,
    build_run,
    encode,
)
from tests.server.foreign.test_sbom import build_document, build_vulnerability

START: Final = dt.datetime(2026, 12, 1, 10, tzinfo=dt.UTC)
CLUSTER: Final = SourceCluster(UID, "production")
REPOSITORY: Final = SourceRepository("github.com/shop/web", branch="main")


def submit(database: Database, submission: Submission) -> Receipt:
    return database.run(ingest, encode_json(submission).encode(), submission.finished)


def submit_report(database: Database, hour: int, results: dict[str, list[dict[str, Any]]], **scan: Any) -> Receipt:
    report = build_posture_report(results)
    report["metadata"]["scanMetadata"] |= scan
    moment = START + dt.timedelta(hours=hour)
    return submit(database, kubescape_report.convert([encode(report)], CLUSTER, moment))


def submit_log(database: Database, hour: int, *runs: dict[str, Any]) -> Receipt:
    return submit(database, sarif.convert(build_log(*runs), REPOSITORY, START + dt.timedelta(hours=hour)))


def list_open(database: Database) -> set[tuple[str, str]]:
    """Return name of the subject and definition of each open finding, apart from those of images."""

    def read(connection: Connection) -> set[tuple[str, str]]:
        finding, subject, definition = schema.finding, schema.subject, schema.definition
        query = (
            select(subject.c.name, definition.c.key)
            .join(finding, (finding.c.source == subject.c.source) & (finding.c.subject == subject.c.id))
            .join(definition, definition.c.id == finding.c.definition)
            .where(finding.c.closed.is_(None))
        )
        return {(name, key) for name, key in connection.execute(query)}

    return database.run(read)


def list_image_problems(database: Database) -> set[str]:
    """Return the open vulnerabilities of images."""

    def read(connection: Connection) -> set[str]:
        table, definition = image_schema.image_finding, schema.definition
        query = select(definition.c.key).join(table, table.c.definition == definition.c.id)
        return set(connection.scalars(query.where(table.c.closed.is_(None))))

    return database.run(read)


def list_runs(database: Database) -> set[tuple[str, str]]:
    """Return the containers with the digests of their images."""

    def read(connection: Connection) -> set[tuple[str, str]]:
        runs, image = image_schema.runs, image_schema.image
        query = select(runs.c.container, image.c.digest).join(image, image.c.id == runs.c.image)
        return {(name, digest) for name, digest in connection.execute(query)}

    return database.run(read)


def test_reports_open_and_close_findings(database: Database) -> None:
    failed = {"web": [build_control("C-0057"), build_control("C-0016")], "cart": [build_control("C-0057")]}
    assert submit_report(database, 0, failed).opened == 3
    repeated = submit_report(database, 1, failed)
    assert (repeated.is_known, repeated.opened) == (True, 3)
    fixed = {"web": [build_control("C-0057", "passed"), build_control("C-0016")], "cart": [build_control("C-0057")]}
    assert submit_report(database, 2, fixed).closed == 1
    assert list_open(database) == {("web", "C-0016"), ("cart", "C-0057")}
    removed = {"web": [build_control("C-0057", "passed"), build_control("C-0016")], "search": []}
    assert submit_report(database, 3, removed).closed == 1


def test_partial_reports_close_nothing_outside_of_them(database: Database) -> None:
    failed = {"web": [build_control("C-0057"), build_control("C-0016")], "cart": [build_control("C-0057")]}
    submit_report(database, 0, failed)
    everything = list_open(database)
    web = {"web": [build_control("C-0057")], "search": []}
    assert submit_report(database, 1, web, includeNamespaces=["blog"]).closed == 0
    assert submit_report(database, 2, web, excludedNamespaces=["shop"]).closed == 0
    assert submit_report(database, 3, web, targetNames=["workloadscan"]).closed == 0
    assert submit_report(database, 4, {"web": [build_control("C-0057")]}).closed == 0
    skipped = {"web": [build_control("C-0057", "skipped", "integration")], "cart": [build_control("C-0057")]}
    assert submit_report(database, 5, skipped).closed == 0
    assert list_open(database) == everything


def test_findings_of_kubekeep_and_kubescape_are_the_same(database: Database, reports: Mapping[str, bytes]) -> None:
    own = msgspec.json.decode(reports["submission"], type=Submission)
    # As a server does when it starts.
    library = load_library()
    database.run(store_library, library, own.started)
    definitions = library.definitions
    submit(database, own)
    later = own.finished + dt.timedelta(hours=1)
    receipt = submit(database, kubescape_report.convert([reports["json"]], own.source, later))
    assert (receipt.is_applied, receipt.opened, receipt.closed) == (True, 0, 0)

    def read(connection: Connection) -> dict[str, bytes]:
        return {row.key: row.document.encode() for row in connection.execute(select(schema.definition))}

    # Texts and severities stay those of Kubekeep.
    assert {entry.key for entry in own.definitions} <= definitions.keys()
    assert database.run(read) == definitions


def test_image_scans_close_vulnerabilities_of_their_image_only(database: Database) -> None:
    submit_report(database, 0, {"web": [build_control("C-0057")]})
    assert submit_scan(database, 1, build_image_vulnerability(), build_image_vulnerability("CVE-2024-0002")).opened == 2
    assert submit_scan(database, 1, build_image_vulnerability(), build_image_vulnerability("CVE-2024-0002")).is_known
    other = build_container_scan(
        imageHash=f"ghcr.io/shop/cart@{DIGEST.replace('a', 'b')}", containerName="cart", wlid=""
    )
    submit(database, kubescape_container.convert([encode(other)], CLUSTER, START + dt.timedelta(hours=2)))
    assert list_image_problems(database) == {"CVE-2024-0001", "CVE-2024-0002"}
    failed = build_container_scan(status="Failed")
    submit(database, kubescape_container.convert([encode(failed)], CLUSTER, START + dt.timedelta(hours=3)))
    assert list_image_problems(database) == {"CVE-2024-0001", "CVE-2024-0002"}
    submit_scan(database, 4, build_image_vulnerability())
    assert list_image_problems(database) == {"CVE-2024-0001"}
    assert list_open(database) == {("web", "C-0057")}


def submit_scan(
    database: Database, hour: int, *vulnerabilities: dict[str, Any], workload: SubjectEntry | None = None
) -> Receipt:
    document = encode(build_container_scan(*vulnerabilities))
    moment = START + dt.timedelta(hours=hour)
    return submit(database, kubescape_container.convert([document], CLUSTER, moment, workload))


def test_workload_keeps_its_image_after_the_next_report(database: Database) -> None:
    results = {"web": [build_control("C-0057")]}
    submit_report(database, 0, results)
    assert list_runs(database) == set()
    key = kubescape_container.read_origin([encode(build_container_scan())]).workload
    known = database.run(load_entry, CLUSTER, key)
    assert known is not None
    submit_scan(database, 1, build_image_vulnerability(), workload=known)
    assert list_runs(database) == {("web", DIGEST)}
    submit_report(database, 2, {"web": [build_control("C-0057"), build_control("C-0016")]})
    assert list_runs(database) == {("web", DIGEST)}
    assert list_image_problems(database) == {"CVE-2024-0001"}


def test_logs_close_listed_rules_on_their_files_only(database: Database) -> None:
    both = (build_result("R1", "a.py"), build_result("R2", "a.py"), build_result("R1", "b.py"))
    assert submit_log(database, 0, build_run(*both)).opened == 3
    assert submit_log(database, 1, build_run(*both)).is_known
    everything = list_open(database)
    artifact = {"location": {"uri": "a.py"}}
    other = build_run(rules=("R1", "R2"), artifacts=[artifact])
    other["tool"]["driver"]["name"] = "Other"
    for hour, run in enumerate(
        (
            build_run(build_result("R1", "c.py")),
            build_run(rules=("R3",), artifacts=[artifact]),
            build_run(artifacts=[artifact], invocations=[{"executionSuccessful": False}]),
            other,
        )
    ):
        assert submit_log(database, 2 + hour, run).closed == 0
    assert everything <= list_open(database)
    assert submit_log(database, 9, build_run(build_result("R2", "a.py"))).closed == 1
    assert list_open(database) >= {("a.py", "sarif/linter/R2"), ("b.py", "sarif/linter/R1")}


def test_logs_leave_other_results_of_a_repository(database: Database, reports: Mapping[str, bytes]) -> None:
    own = msgspec.json.decode(reports["submission"], type=Submission)
    submit(database, own)
    before = list_open(database)
    later = own.finished + dt.timedelta(hours=1)
    log = sarif.convert(build_log(build_run(build_result("R1", "a.py"))), own.source, later)
    assert submit(database, log).closed == 0
    again = msgspec.structs.replace(own, id="again", finished=later + dt.timedelta(hours=1))
    receipt = submit(database, again)
    assert (receipt.opened, receipt.closed) == (0, 0)
    assert list_open(database) == before | {("a.py", "sarif/linter/R1")}


def test_sbom_stores_packages_and_closes_its_own_vulnerabilities(database: Database) -> None:
    def submit_sbom(hour: int, *vulnerabilities: dict[str, Any]) -> Receipt:
        document = encode(build_document(*vulnerabilities))
        return submit(database, sbom.convert(document, None, START + dt.timedelta(hours=hour)))

    assert submit_sbom(0, build_vulnerability(), build_vulnerability("CVE-2024-0002", "ref-2")).opened == 2
    assert submit_sbom(1, build_vulnerability(), build_vulnerability("CVE-2024-0002", "ref-2")).is_known
    submit_sbom(2)
    assert list_image_problems(database) == {"CVE-2024-0001", "CVE-2024-0002"}
    submit_sbom(3, build_vulnerability())
    assert list_image_problems(database) == {"CVE-2024-0001"}

    def read(connection: Connection) -> set[str]:
        package, contained = image_schema.package, image_schema.image_package
        query = select(package.c.purl).join(contained, contained.c.package == package.c.id)
        return set(connection.scalars(query))

    assert database.run(read) == {"pkg:deb/debian/openssl@3.0.1", "pkg:pypi/requests@2.0"}


def test_entry_of_another_source_is_not_loaded(database: Database) -> None:
    key = kubescape_container.read_origin([encode(build_container_scan())]).workload
    assert database.run(load_entry, CLUSTER, key) is None
    submit_report(database, 0, {"web": [build_control("C-0057")]})
    assert database.run(load_entry, SourceCluster("other"), key) is None
    assert database.run(load_entry, CLUSTER, key) is not None


@pytest.mark.parametrize(
    "text",
    [
        "\0",
        "%00",
        "x" * 9000,
        "\u202e\x1b[31m",
        "<script>alert(1)</script>",
        "'; DROP TABLE finding; --",
        "\U0001f600" * 999,
    ],
)
def test_hostile_texts_are_stored(database: Database, text: str) -> None:
    report = build_posture_report({text: [build_control("C-0057"), build_control(text)]})
    submit(database, kubescape_report.convert([encode(report)], CLUSTER, START))
    scan = build_container_scan(build_image_vulnerability(text, packageName=text), containerName=text, imageTag=text)
    submit(database, kubescape_container.convert([encode(scan)], CLUSTER, START))
    submit_log(database, 0, build_run(build_result(text, text, message={"text": text}), rules=(text,)))
    document = encode(build_document(build_vulnerability(text)))
    submit(database, sbom.convert(document, CLUSTER, START))
    assert len(list_open(database)) == 3


def test_scan_of_kubevuln_leaves_packages_of_an_sbom(database: Database) -> None:
    document = encode(build_document(build_vulnerability("CVE-2024-0009")))
    submit(database, sbom.convert(document, CLUSTER, START))
    submit_scan(database, 1, build_image_vulnerability())

    def read(connection: Connection) -> int:
        return len(connection.execute(select(image_schema.image_package)).all())

    assert database.run(read) == 2

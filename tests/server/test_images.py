"""Images in the store: one state for all sources, the workloads that run them, packages, and the history of repositories."""

from __future__ import annotations

import asyncio
import collections
import datetime as dt
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from kubekeep._native import ImageProblems
from kubekeep.model.exception import ExceptionSource
from kubekeep.model.finding_document import EvidenceDocument, PriorityDocument, Suppression
from kubekeep.model.image import ImageSubject
from kubekeep.model.package import AffectedPackage, ImagePackages, Package
from kubekeep.model.scanned_source import ScannedSource, SourceCluster, SourceRegistry
from kubekeep.model.severity import Severity
from kubekeep.model.submission import (
    ContainerEntry,
    DefinitionEntry,
    EvaluatedScope,
    ImageEntry,
    SubjectEntry,
    Submission,
    SubmittedFinding,
    SuppressedEvidence,
    compute_digest,
)
from kubekeep.model.text import encode_json
from kubekeep.uplink.delta import compute_delta
from kubekeep_server.store import image_schema, schema
from kubekeep_server.store.ingest import ingest
from tests.server.conftest import Database
from tests.server.test_ingest import NSA, START, build, build_subject, submit
from tests.server.test_ingest_model import empty

SHOP: Final = SourceCluster("shop")
BLOG: Final = SourceCluster("blog")
REGISTRY: Final = SourceRegistry("ghcr.io")
SCORES: Final = {"CVE-1": 9.5, "CVE-2": 5.0, "CVE-3": 3.0}
WEB: Final = "sha256:" + "a" * 64
REBUILT: Final = "sha256:" + "b" * 64


def build_vulnerability(
    name: str, digest: str, *, package: str = "openssl", is_accepted: bool = False
) -> SubmittedFinding:
    affected = AffectedPackage(f"pkg:deb/debian/{package}@3.0.1", package, "3.0.1", "3.0.13")
    evidence = (EvidenceDocument(package=affected),)
    fingerprint = f"{compute_digest(name + digest) % 2**64:016x}"
    if not is_accepted:
        return SubmittedFinding(name, fingerprint, evidence)
    suppression = SuppressedEvidence(Suppression(name="accepted", source=ExceptionSource.FILE.value), evidence)
    return SubmittedFinding(name, fingerprint, suppressed=(suppression,))


def build_image(digest: str, *findings: SubmittedFinding | str, unassessed: Iterable[str] = ()) -> SubjectEntry:
    entries = [build_vulnerability(finding, digest) if isinstance(finding, str) else finding for finding in findings]
    return SubjectEntry(
        f"{compute_digest(digest) % 2**64:016x}",
        ImageSubject("ghcr.io/shop/web:1", digest, "linux/amd64"),
        findings=tuple(sorted(entries, key=lambda finding: finding.fingerprint)),
        listed_kinds=("vulnerability",),
        unassessed=tuple(unassessed),
    )


def build_workload(number: int, *containers: ContainerEntry, exposure: str = "") -> SubjectEntry:
    return build_subject(number, containers=containers, exposure=exposure)


def build_content(*versions: str, name: str = "openssl") -> ImagePackages:
    packages = [Package(type="deb", namespace="debian", name=name, version=version) for version in versions]
    return ImagePackages(packages=tuple(packages))


def build_scan(
    day: int,
    *entries: SubjectEntry,
    source: ScannedSource = SHOP,
    images: Iterable[ImageEntry] = (),
    scores: dict[str, float] = SCORES,
    scope: EvaluatedScope | tuple[str, ...] = NSA,
    epss: dict[str, float] | None = None,
) -> Submission:
    submission = build(day, *entries, source=source, scope=scope)
    names = {finding.definition for entry in entries for finding in entry.findings} & SCORES.keys()
    definitions = tuple(
        DefinitionEntry(
            name, "vulnerability", name, name, "high", 7.5,
            priority=PriorityDocument(Severity.from_score(scores[name]).name.lower(), scores[name]), epss=(epss or {}).get(name),
        )
        for name in sorted(names)
    )  # fmt: skip
    return msgspec.structs.replace(
        submission, images=tuple(images), definitions=(*submission.definitions, *definitions)
    )


def run(image: str, *, name: str = "web", reference: str = "ghcr.io/shop/web:1", ends: bool = False) -> ContainerEntry:
    return ContainerEntry(name, reference, image, ends=ends)


def list_problems(database: Database) -> dict[str, list[tuple[int, int | None]]]:
    """Return the intervals of image findings by image and definition, `a CVE-1`: opened and closed, in days."""

    def read(connection: Connection) -> dict[str, list[tuple[int, int | None]]]:
        finding, image, definition = image_schema.image_finding, image_schema.image, schema.definition
        query = (
            select(image.c.digest, definition.c.key, finding.c.opened, finding.c.closed)
            .join(image, image.c.id == finding.c.image)
            .join(definition, definition.c.id == finding.c.definition)
            .order_by(finding.c.opened)
        )
        intervals: dict[str, list[tuple[int, int | None]]] = {}
        for digest, key, opened, closed in connection.execute(query):
            times = (get_day(opened), None if closed is None else get_day(closed))
            intervals.setdefault(f"{digest[7]} {key}", []).append(times)
        return intervals

    return database.run(read)


def list_history(database: Database) -> list[tuple[str, str, int, int | None]]:
    """Return the intervals of repositories: repository, definition, opened, closed."""

    def read(connection: Connection) -> list[tuple[str, str, int, int | None]]:
        table, repository, definition = image_schema.repository_finding, image_schema.repository, schema.definition
        query = (
            select(repository.c.name, definition.c.key, table.c.opened, table.c.closed)
            .join(repository, repository.c.id == table.c.repository)
            .join(definition, definition.c.id == table.c.definition)
        )
        return sorted(
            ((name, key, get_day(opened), None if closed is None else get_day(closed)))
            for name, key, opened, closed in connection.execute(query)
        )

    return database.run(read)


def list_runs(database: Database) -> list[tuple[str, int, str, str, int]]:
    """Return source, workload, container, first digit of the digest and exposure."""

    def read(connection: Connection) -> list[Any]:
        runs, image, source = image_schema.runs, image_schema.image, schema.source
        query = (
            select(source.c.key, runs.c.subject, runs.c.container, func.substr(image.c.digest, 8, 1), runs.c.exposure)
            .join(image, image.c.id == runs.c.image)
            .join(source, source.c.id == runs.c.source)
        )
        return sorted(tuple(row) for row in connection.execute(query))

    return database.run(read)


def get_day(moment: int) -> int:
    return (moment - int(START.timestamp() * 1_000_000)) // 86_400_000_000


def check_images(database: Database) -> dict[str, int]:
    """Return how many sources have each image; totals must equal the open problems."""

    def read(connection: Connection) -> dict[str, int]:
        image, finding, definition = image_schema.image, image_schema.image_finding, schema.definition
        counts: dict[int, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        definitions: dict[int, set[int]] = collections.defaultdict(set)
        query = select(finding.c.image, definition).join(definition, definition.c.id == finding.c.definition).distinct()
        for row in connection.execute(query.where(finding.c.closed.is_(None), ~finding.c.is_suppressed)):
            definitions[row.image].add(row.id)
            counts[row.image][f"urgency_{row.urgency}"] += 1
        uses = select(image_schema.source_image.c.image, func.count()).group_by(image_schema.source_image.c.image)
        sources: dict[int, int] = dict(connection.execute(uses).all())
        images = connection.execute(select(image)).mappings().all()
        for totals in images:
            classes = {
                name: value for name, value in totals.items() if name.startswith(("urgency_", "level_")) and value
            }
            assert classes == counts[totals["id"]]
            assert totals["sources"] == sources.get(totals["id"], 0)
        packed = connection.execute(select(image_schema.image_problems)).all()
        numbers = {
            row.image: {sums[0] for sums in ImageProblems([(row.content, 0, 0, 0)]).sum_definitions()} for row in packed
        }
        assert {image: keys for image, keys in numbers.items() if keys} == definitions
        return {totals["digest"][7]: totals["sources"] for totals in images}

    return database.run(read)


def test_problems_of_an_image_are_stored_once_for_all_sources(database: Database) -> None:
    for source in (SHOP, BLOG):
        workload = build_workload(1, run(WEB))
        receipt = submit(database, build_scan(0, workload, build_image(WEB, "CVE-1", "CVE-2"), source=source))
        assert receipt.opened == (2 if source is SHOP else 0)
    assert list_problems(database) == {"a CVE-1": [(0, None)], "a CVE-2": [(0, None)]}
    assert check_images(database) == {"a": 2}


def test_a_source_hides_no_problem_that_another_one_reports(database: Database) -> None:
    workload = build_workload(1, run(WEB))
    submit(database, build_scan(0, workload, build_image(WEB, "CVE-1", "CVE-2")))
    submit(database, build_scan(1, workload, build_image(WEB), source=BLOG))
    assert list_problems(database) == {"a CVE-1": [(0, None)], "a CVE-2": [(0, None)]}
    submit(database, build_scan(2, workload, build_image(WEB, "CVE-2")))
    assert list_problems(database) == {"a CVE-1": [(0, 2)], "a CVE-2": [(0, None)]}
    submit(database, build_scan(3, workload, build_image(WEB, "CVE-3"), source=BLOG))
    submit(database, build_scan(4, build_workload(1, run(REBUILT)), build_image(REBUILT)))
    assert list_problems(database) == {"a CVE-1": [(0, 2)], "a CVE-2": [(0, 4)], "a CVE-3": [(3, None)]}
    assert check_images(database) == {"a": 1, "b": 1}


def test_problem_is_suppressed_if_all_sources_accept_it(database: Database) -> None:
    def is_suppressed() -> bool:
        return database.run(
            lambda connection: bool(connection.execute(select(image_schema.image_finding.c.is_suppressed)).scalar_one())
        )

    accepted = build_image(WEB, build_vulnerability("CVE-1", WEB, is_accepted=True))
    workload = build_workload(1, run(WEB))
    submit(database, build_scan(0, workload, accepted))
    assert is_suppressed()
    submit(database, build_scan(1, workload, build_image(WEB, "CVE-1"), source=BLOG))
    assert not is_suppressed()
    assert check_images(database) == {"a": 2}
    submit(database, build_scan(2, workload, accepted, source=BLOG))
    assert is_suppressed()
    assert check_images(database) == {"a": 2}


def test_package_that_was_not_assessed_keeps_its_problem(database: Database) -> None:
    workload = build_workload(1, run(WEB))
    submit(database, build_scan(0, workload, build_image(WEB, "CVE-1")))
    unassessed = build_image(WEB, unassessed=["pkg:deb/debian/openssl@3.0.1"])
    submit(database, build_scan(1, workload, unassessed))
    submit(database, build_scan(2, workload, unassessed))
    assert list_problems(database) == {"a CVE-1": [(0, None)]}
    since = database.run(
        lambda connection: connection.execute(select(image_schema.image_finding.c.unknown_since)).scalar_one()
    )
    assert get_day(since) == 1
    submit(database, build_scan(3, workload, build_image(WEB)))
    assert list_problems(database) == {"a CVE-1": [(0, 3)]}


def test_new_build_keeps_the_history_of_its_repository(database: Database) -> None:
    def name(digest: str) -> list[ImageEntry]:
        return [ImageEntry(digest, ("ghcr.io/shop/web:1",), "linux/amd64", build_content("3.0.1"))]

    submit(database, build_scan(0, build_workload(1, run(WEB)), build_image(WEB, "CVE-1", "CVE-2"), images=name(WEB)))
    rebuilt = build_image(REBUILT, "CVE-1", "CVE-3")
    submit(database, build_scan(1, build_workload(1, run(REBUILT)), rebuilt, images=name(REBUILT)))
    assert list_history(database) == [
        ("ghcr.io/shop/web", "CVE-1", 0, None),
        ("ghcr.io/shop/web", "CVE-2", 0, 1),
        ("ghcr.io/shop/web", "CVE-3", 1, None),
    ]
    assert check_images(database) == {"a": 0, "b": 1}


def test_scan_without_images_keeps_the_images_of_workloads(database: Database) -> None:
    workload = build_workload(1, run(WEB), run(WEB, name="init", ends=True), exposure="reachable from the internet")
    submit(database, build_scan(0, workload, build_image(WEB, "CVE-1")))
    assert list_runs(database) == [("cluster/shop", 1, "init", "a", 0), ("cluster/shop", 1, "web", "a", 4)]
    plain = build_workload(1, run(""), run("", name="init", ends=True))
    submit(database, build_scan(1, plain))
    assert list_runs(database) == [("cluster/shop", 1, "init", "a", 0), ("cluster/shop", 1, "web", "a", 0)]
    assert check_images(database) == {"a": 1}
    submit(database, build_scan(2, build_workload(1, run("", reference="ghcr.io/shop/web:2"))))
    assert list_runs(database) == []
    assert check_images(database) == {"a": 0}
    assert list_problems(database) == {"a CVE-1": [(0, None)]}


def test_image_leaves_the_source_with_its_workload(database: Database) -> None:
    first = build_scan(0, build_workload(1, run(WEB)), build_workload(2, run(WEB)), build_image(WEB, "CVE-1"))
    submit(database, first)
    second = build_scan(1, build_workload(2, run(WEB)), build_image(WEB, "CVE-1"))
    submit(database, compute_delta(first, second))
    assert [row[1] for row in list_runs(database)] == [2]
    submit(database, build_scan(2))
    assert list_runs(database) == []
    assert check_images(database) == {"a": 0}
    submit(database, build_scan(3, build_workload(2, run(WEB)), build_image(WEB)))
    assert list_problems(database) == {"a CVE-1": [(0, 3)]}
    assert check_images(database) == {"a": 1}


def test_image_leaves_a_registry_when_a_scan_of_everything_does_not_list_it(database: Database) -> None:
    submit(database, build_scan(0, build_image(WEB, "CVE-1"), build_image(REBUILT), source=REGISTRY))
    partial = EvaluatedScope(is_partial=True)
    submit(database, build_scan(1, build_image(REBUILT), source=REGISTRY, scope=partial))
    submit(database, build_scan(2, build_subject(1), source=REGISTRY))
    assert check_images(database) == {"a": 1, "b": 1}
    submit(database, build_scan(3, build_image(REBUILT), source=REGISTRY))
    assert check_images(database) == {"a": 0, "b": 1}
    submit(database, build_scan(4, build_image(REBUILT), build_image(WEB, "CVE-1"), source=REGISTRY))
    assert check_images(database) == {"a": 1, "b": 1}
    assert list_problems(database) == {"a CVE-1": [(0, None)]}


def test_new_rating_moves_the_totals_of_images(database: Database) -> None:
    workload = build_workload(1, run(WEB))
    for day, scores, epss in ((0, SCORES, {}), (1, {**SCORES, "CVE-2": 9.0}, {}), (2, SCORES, {"CVE-1": 0.9})):
        image = build_image(WEB, "CVE-1", "CVE-2")
        submit(database, build_scan(day, workload, image, scores=scores, epss=epss))
        assert check_images(database) == {"a": 1}


def test_packages_are_those_that_any_source_lists(database: Database) -> None:
    def list_versions() -> list[str]:
        package, listed = image_schema.package, image_schema.image_package
        query = select(package.c.version).join(listed, listed.c.package == package.c.id)
        return sorted(database.run(lambda connection: list(connection.execute(query).scalars())))

    def scan(day: int, source: ScannedSource, *versions: str) -> None:
        entry = ImageEntry(WEB, ("ghcr.io/shop/web:1",), "linux/amd64", build_content(*versions))
        workload = build_workload(1, run(WEB))
        submit(database, build_scan(day, workload, build_image(WEB), images=[entry], source=source))

    scan(0, SHOP, "3.0.1", "3.0.2")
    assert list_versions() == ["3.0.1", "3.0.2"]
    scan(1, BLOG, "3.0.3")
    assert list_versions() == ["3.0.1", "3.0.2", "3.0.3"]
    scan(2, SHOP, "3.0.3")
    assert list_versions() == ["3.0.3"]


@pytest.mark.parametrize(
    "purl", ["pkg:", "openssl", "pkg:deb/" + "x" * 20_000, "pkg:npm/%ff", "\ud800".encode("utf-8", "replace").decode()]
)
def test_package_url_that_cannot_be_read_is_a_name(database: Database, purl: str) -> None:
    evidence = EvidenceDocument(package=AffectedPackage(purl, "openssl", "1"))
    finding = SubmittedFinding("CVE-1", "0" * 16, (evidence,))
    submit(database, build_scan(0, build_workload(1, run(WEB)), build_image(WEB, finding)))
    assert list_problems(database) == {"a CVE-1": [(0, None)]}


def test_image_without_digest_is_a_subject_of_its_source(database: Database) -> None:
    entry = SubjectEntry("1" * 16, ImageSubject("web:1"), findings=(build_vulnerability("CVE-1", "x"),))
    submit(database, build_scan(0, entry))
    assert list_problems(database) == {}
    assert (
        database.run(lambda connection: connection.execute(select(func.count()).select_from(schema.finding)).scalar())
        == 1
    )


@st.composite
def fleets(draw: st.DrawFn) -> list[Submission]:
    """Return submissions of two clusters on consecutive days, each with some of two images."""
    scans = []
    for day in range(draw(st.integers(1, 8))):
        entries = []
        for number, digest in enumerate((WEB, REBUILT)):
            if not draw(st.booleans()):
                continue
            names = draw(st.sets(st.sampled_from(sorted(SCORES))))
            purls = ("pkg:deb/debian/openssl@3.0.1",) if draw(st.booleans()) else ()
            entries += [build_workload(number, run(digest)), build_image(digest, *sorted(names), unassessed=purls)]
        scans.append(build_scan(day, *entries, source=draw(st.sampled_from((SHOP, BLOG)))))
    return scans


class Fleet:
    """The open problems of images: those of the last report of each cluster that has the image."""

    def __init__(self) -> None:
        self.open: dict[str, set[str]] = {}
        self._reports: dict[tuple[str, str], set[str]] = {}

    def apply(self, submission: Submission) -> None:
        source = submission.source.key
        entries = {
            entry.subject.digest: entry for entry in submission.subjects if isinstance(entry.subject, ImageSubject)
        }
        for digest in (WEB, REBUILT):
            known = self._reports.pop((source, digest), set())
            if digest not in entries:
                if any(other == digest for _, other in self._reports):
                    self._merge(digest)
                continue
            names = {finding.definition for finding in entries[digest].findings}
            self._reports[source, digest] = names | known if entries[digest].unassessed else names
            self._merge(digest)

    def _merge(self, digest: str) -> None:
        self.open[digest] = set().union(*(names for (_, other), names in self._reports.items() if other == digest))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fleets())
def test_store_has_the_problems_of_the_model(database: Database, scans: list[Submission]) -> None:
    database.run(empty)
    fleet = Fleet()
    for submission in scans:
        submit(database, submission)
        fleet.apply(submission)
        open_problems = {key for key, intervals in list_problems(database).items() if intervals[-1][1] is None}
        assert open_problems == {f"{digest[7]} {name}" for digest, names in fleet.open.items() for name in names}
        check_images(database)


def test_sources_that_submit_the_same_images_at_once(database: Database) -> None:
    documents = []
    for number in range(8):
        digests = [f"sha256:{(number + step) % 8:064x}" for step in range(4)]
        workloads = [build_workload(key, run(digest)) for key, digest in enumerate(digests)]
        images = [build_image(digest, *(SCORES if number % 2 else ("CVE-1",))) for digest in digests]
        entries = [
            ImageEntry(digest, (f"ghcr.io/shop/web:{digest[-1]}", "ghcr.io/shop/all:1"), "", build_content("1", "2"))
            for digest in digests
        ]
        scan = build_scan(number, *workloads, *images, images=entries, source=SourceCluster(f"cluster-{number}"))
        documents.append(encode_json(scan).encode())

    async def submit_all() -> list[Any]:
        now = dt.datetime.now(dt.UTC)
        return await asyncio.gather(*(database.start(ingest, document, now) for document in documents))

    database.run_async(submit_all)
    check_images(database)
    sources = database.run(lambda connection: connection.execute(select(image_schema.image.c.sources)).scalars().all())
    assert sources == [4] * 8
    assert sum(map(len, list_problems(database).values())) == 24

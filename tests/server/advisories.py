"""Advisory databases of tests, images with packages that they name, and matches of a whole store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from kubekeep.model.exception import ExceptionSource
from kubekeep.model.finding_document import EvidenceDocument, Suppression
from kubekeep.model.image import ImageSubject
from kubekeep.model.package import AffectedPackage, Distribution, ImagePackages, Package
from kubekeep.model.scanned_source import ScannedSource
from kubekeep.model.submission import (
    DefinitionEntry,
    ImageEntry,
    SubjectEntry,
    Submission,
    SubmittedFinding,
    SuppressedEvidence,
    compute_digest,
)
from kubekeep.vulnerabilities.database.build import build_database
from kubekeep_server.advisories.database import ServerAdvisories
from kubekeep_server.advisories.matcher import ImageMatcher
from kubekeep_server.store import image_schema, schema
from kubekeep_server.store.advisory_state import load_known, record_change
from kubekeep_server.store.matching import MatchCounts, store_batch
from kubekeep_server.store.pending_matches import load_pending
from tests.server.conftest import Database
from tests.server.test_images import SHOP, WEB, build_scan, build_workload, run
from tests.server.test_ingest import START
from tests.vulnerabilities.database.records import write_lines

BATCH: Final = 50
DEBIAN: Final = Distribution("debian", "12")
PAD: Final = Package(type="npm", name="left-pad", version="1.0.0")
PYTHON: Final = Package(type="pypi", name="flask", version="2.0")
PURL: Final = "pkg:npm/left-pad@1.0.0"
CRITICAL: Final = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


class AdvisoryFolder:
    """The folder of an advisory database. Each change of a record is newer than those before."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "advisories"
        self._input = folder / "records.jsonl"
        self._changes = 0

    def publish(
        self, name: str, package: str = "left-pad", ecosystem: str = "npm", *, fixed: str = "2.0.0", **fields: Any
    ) -> None:
        """Add or replace the record about all versions of a package below the fixed one."""
        self.write([self.build(name, package, ecosystem, fixed=fixed, **fields)])

    def build(self, name: str, package: str, ecosystem: str, *, fixed: str, **fields: Any) -> dict[str, Any]:
        self._changes += 1
        events = [{"introduced": "0"}, {"fixed": fixed}]
        affected = {
            "package": {"ecosystem": ecosystem, "name": package},
            "ranges": [{"type": "ECOSYSTEM", "events": events}],
        }
        return {
            "id": name,
            "summary": f"Flaw in {package}",
            "modified": f"2026-01-01T{self._changes // 60:02}:{self._changes % 60:02}:00Z",
            "severity": [{"type": "CVSS_V3", "score": CRITICAL}],
            "affected": [affected],
            **fields,
        }

    def write(self, records: Iterable[dict[str, Any]]) -> None:
        build_database([write_lines(self._input, records)], self.path, is_addition=True)

    def withdraw(self, name: str, package: str = "left-pad", ecosystem: str = "npm") -> None:
        self.publish(name, package, ecosystem, withdrawn="2026-01-01T00:00:00Z")


def match(database: Database, folder: AdvisoryFolder, day: float) -> MatchCounts:
    """Follow the database in a folder and match all images that it may affect."""
    now = START + dt.timedelta(days=day)
    images = opened = closed = 0
    with ServerAdvisories(folder.path) as advisories:
        known = database.run(load_known)
        after = advisories.follow(known)
        if after is not known:
            assert database.run(record_change, known.version, after, advisories.list_changes(known), now)
        matcher = ImageMatcher(advisories.source, after.version)
        while pending := database.run(load_pending, BATCH):
            counts = database.run(store_batch, matcher.match(pending, now.date()), now)
            images, opened, closed = images + counts.images, opened + counts.opened, closed + counts.closed
    return MatchCounts(images, opened, closed)


def build_problem(
    name: str, digest: str, *, purl: str = PURL, fixed: str = "2.0.0", is_accepted: bool = False
) -> SubmittedFinding:
    evidence = (EvidenceDocument(package=AffectedPackage(purl, "left-pad", "1.0.0", fixed)),)
    fingerprint = f"{compute_digest(name + digest + purl) % 2**64:016x}"
    if not is_accepted:
        return SubmittedFinding(name, fingerprint, evidence)
    suppression = SuppressedEvidence(Suppression(name="accepted", source=ExceptionSource.FILE.value), evidence)
    return SubmittedFinding(name, fingerprint, suppressed=(suppression,))


def build_report(digest: str, *findings: SubmittedFinding | str, unassessed: Iterable[str] = ()) -> SubjectEntry:
    entries = [build_problem(finding, digest) if isinstance(finding, str) else finding for finding in findings]
    return SubjectEntry(
        f"{compute_digest(digest) % 2**64:016x}",
        ImageSubject("ghcr.io/shop/web:1", digest, "linux/amd64"),
        findings=tuple(sorted(entries, key=lambda finding: finding.fingerprint)),
        listed_kinds=("vulnerability",),
        unassessed=tuple(unassessed),
    )


def build_packages(digest: str, *packages: Package, distribution: Distribution = DEBIAN) -> ImageEntry:
    content = ImagePackages(distribution=distribution, packages=packages)
    return ImageEntry(digest, ("ghcr.io/shop/web:1",), "linux/amd64", content)


def build_image_scan(
    day: int,
    *findings: SubmittedFinding | str,
    source: ScannedSource = SHOP,
    digest: str = WEB,
    packages: Iterable[Package] = (PAD,),
    unassessed: Iterable[str] = (),
) -> Submission:
    """Return a scan of a workload with an image."""
    report = build_report(digest, *findings, unassessed=unassessed)
    images = [build_packages(digest, *packages)]
    scan = build_scan(day, build_workload(1, run(digest)), report, source=source, images=images)
    known = {entry.key for entry in scan.definitions}
    definitions = tuple(
        DefinitionEntry(name, "vulnerability", name, name, "high", 7.5)
        for name in sorted({finding.definition for finding in report.findings} - known)
    )
    return msgspec.structs.replace(scan, definitions=(*scan.definitions, *definitions))


def list_states(database: Database) -> dict[str, tuple[str, bool, bool]]:
    """Return fixed version, suppression, and if it is unknown now, of open problems by definition."""
    finding, definition = image_schema.image_finding, schema.definition

    def read(connection: Connection) -> dict[str, tuple[str, bool, bool]]:
        query = select(finding, definition.c.key).join(definition, definition.c.id == finding.c.definition)
        rows = connection.execute(query.where(finding.c.closed.is_(None)))
        return {row.key: (row.fixed_version, bool(row.is_suppressed), row.unknown_since is not None) for row in rows}

    return database.run(read)

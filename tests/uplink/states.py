"""States of sources for tests of their submission."""

from __future__ import annotations

import datetime as dt

from kubekeep.model.finding_document import EvidenceDocument
from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import ScannedSource, SourceCluster
from kubekeep.model.submission import (
    VERSION,
    SubjectEntry,
    Submission,
    SubmittedFinding,
    Versions,
    compute_digest,
    compute_manifest,
)
from kubekeep.model.text import encode_json

NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)


def build_submission(number: int, source: ScannedSource | None = None, subjects: int = 3) -> Submission:
    """Return the whole state of a source `number` minutes after the first one; each has other findings."""
    entries = tuple(
        SubjectEntry(
            f"{index:016x}",
            ResourceSubject("apps/v1", "Deployment", f"web-{index}", "shop"),
            findings=(
                SubmittedFinding(
                    "C-0001", f"{index:016x}", (EvidenceDocument(path="spec", message=f"state {number} {index}"),)
                ),
            ),
        )
        for index in range(subjects)
    )
    started = NOW + dt.timedelta(minutes=number)
    return Submission(
        schema=VERSION,
        id=f"{number:032x}",
        source=source or SourceCluster("uid"),
        started=started,
        finished=started,
        versions=Versions("1"),
        subjects=entries,
        manifest=compute_manifest(compute_digest(encode_json(entry)) for entry in entries),
    )

"""Views of submissions that tests compare."""

from __future__ import annotations

import datetime as dt
from typing import Final

from kubekeep.model.submission import Submission, compute_digest, compute_manifest
from kubekeep.model.text import encode_json

NOW: Final = dt.datetime(2026, 12, 1, 10, tzinfo=dt.UTC)


def list_findings(submission: Submission) -> set[tuple[str, str, str]]:
    """Return key of the subject, definition and fingerprint of each finding."""
    return {
        (entry.key, finding.definition, finding.fingerprint)
        for entry in submission.subjects
        for finding in entry.findings
    }


def list_open_names(submission: Submission) -> set[tuple[str, str]]:
    """Return the name of the subject and the definition of each open finding."""
    return {
        (getattr(entry.subject, "name", "") or getattr(entry.subject, "reference", ""), finding.definition)
        for entry in submission.subjects
        for finding in entry.findings
        if finding.is_open
    }


def check_consistency(submission: Submission) -> None:
    """Check manifest, order, and that all definitions of scope and findings are there."""
    entries = submission.subjects
    assert submission.manifest == compute_manifest(compute_digest(encode_json(entry)) for entry in entries)
    assert [entry.key for entry in entries] == sorted({entry.key for entry in entries})
    keys = [definition.key for definition in submission.definitions]
    assert keys == sorted({*keys})
    assert {*submission.scope.definitions} <= {*keys}
    assert {name for _, name, _ in list_findings(submission)} <= {*keys}

"""Assembly of submissions from the results of other tools: keys, fingerprints, manifest and identity. No I/O."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from kubekeep.model.finding_document import AnySubject, EvidenceDocument, PriorityDocument, Suppression
from kubekeep.model.fingerprint import Identity, create_short_fingerprint
from kubekeep.model.scanned_source import ScannedSource
from kubekeep.model.severity import Severity
from kubekeep.model.submission import (
    VERSION,
    ContainerEntry,
    DefinitionEntry,
    EvaluatedScope,
    GapEntry,
    ImageEntry,
    NotEvaluatedEntry,
    SubjectEntry,
    Submission,
    SubmittedFinding,
    SuppressedEvidence,
    Versions,
    compute_digest,
    compute_manifest,
)
from kubekeep.model.text import encode_json
from kubekeep_server.foreign.decoding import MAX_TEXT, shorten

_LOWEST_VERSION: Final = "0"
"""The version of Kubekeep in submissions of other tools: the definitions of any real version replace theirs."""
_SCORES: Final = {
    Severity.UNKNOWN: 0.0,
    Severity.LOW: 1.0,
    Severity.MEDIUM: 4.0,
    Severity.HIGH: 7.0,
    Severity.CRITICAL: 9.0,
}
"""The score of a severity that a tool states without one: the lowest of its band."""
_HIGHEST: Final = 10.0
_FIRST_YEAR: Final = 2000
"""The first year of a time that a tool has set: Go writes the year 1 for an unset one."""


class FindingDraft:
    """The evidence of a finding, each piece once."""

    def __init__(self) -> None:
        self._open: dict[EvidenceDocument, None] = {}
        self._suppressed: dict[Suppression, dict[EvidenceDocument, None]] = {}

    def add(self, evidence: Iterable[EvidenceDocument], suppression: Suppression | None = None) -> None:
        """Add evidence, which an exception may cover."""
        group = self._open if suppression is None else self._suppressed.setdefault(suppression, {})
        group.update(dict.fromkeys(evidence))

    def build(self, definition: str, fingerprint: str) -> SubmittedFinding:
        """Return the finding."""
        suppressed = (SuppressedEvidence(name, tuple(group)) for name, group in self._suppressed.items())
        return SubmittedFinding(definition, fingerprint, tuple(self._open), suppressed=tuple(suppressed))


class SubjectDraft:
    """A subject with its findings.

    identity: from which its key follows. evaluated: keys of the definitions that the tool has evaluated on it.
    """

    def __init__(
        self, subject: AnySubject, identity: Identity, origin: str = "", *, is_generated: bool = False
    ) -> None:
        self._subject = subject
        self._identity = identity
        self._origin = origin
        self._is_generated = is_generated
        self._findings: dict[str, FindingDraft] = {}
        self._reasons: dict[str, str] = {}
        self.evaluated: set[str] = set()
        self.containers: tuple[ContainerEntry, ...] = ()
        self.listed_kinds: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The key of the subject in submissions."""
        return create_short_fingerprint("", self._identity, self._origin)

    def fail(self, definition: str) -> FindingDraft:
        """Return the finding of a definition."""
        return self._findings.setdefault(definition, FindingDraft())

    def skip(self, definition: str, reason: str) -> None:
        """Note that a definition was not evaluated."""
        self._reasons.setdefault(definition, shorten(reason, MAX_TEXT))

    def build(self, scope: Iterable[str], default_reason: str) -> SubjectEntry:
        """Return the entry. Definitions in the scope that the tool has not evaluated on the subject are not evaluated."""
        skipped: dict[str, list[str]] = {}
        for key in sorted({*scope, *self._reasons} - self.evaluated):
            skipped.setdefault(self._reasons.get(key) or default_reason, []).append(key)
        findings = [
            draft.build(key, create_short_fingerprint(key, self._identity, self._origin))
            for key, draft in self._findings.items()
        ]
        return SubjectEntry(
            key=self.key,
            subject=self._subject,
            origin=self._origin,
            is_generated=self._is_generated,
            findings=tuple(sorted(findings, key=lambda finding: finding.fingerprint)),
            not_evaluated=tuple(NotEvaluatedEntry(tuple(skipped[reason]), reason) for reason in sorted(skipped)),
            listed_kinds=self.listed_kinds,
            containers=self.containers,
        )


class SubjectDrafts:
    """The subjects of a document by key."""

    def __init__(self) -> None:
        self._drafts: dict[str, SubjectDraft] = {}

    def add(self, draft: SubjectDraft) -> SubjectDraft:
        """Return the draft of a subject: the first one with its key."""
        return self._drafts.setdefault(draft.key, draft)

    @property
    def evaluated(self) -> frozenset[str]:
        """Keys of the definitions that were evaluated on a subject."""
        return frozenset().union(*(draft.evaluated for draft in self._drafts.values()))

    def build(self, scope: Iterable[str], default_reason: str) -> list[SubjectEntry]:
        """Return the entries."""
        return [draft.build(scope, default_reason) for draft in self._drafts.values()]


class ReceivedReport(msgspec.Struct, frozen=True):
    """The documents of a report, and the time at which the last of them was received.

    created: as the documents have it; None without one.
    """

    documents: Sequence[bytes]
    received: dt.datetime
    created: dt.datetime | None = None

    def create_id(self, source: ScannedSource) -> str:
        """Return 32 hexadecimal digits that follow from the source and the documents, in any order."""
        digest = hashlib.sha256(encode_json([source.key, source.branch_name]).encode())
        for part in sorted({hashlib.sha256(document).digest() for document in self.documents}):
            digest.update(part)
        return digest.hexdigest()[:32]

    @property
    def started(self) -> dt.datetime:
        """The time at which the scan began; that of receipt if it is unknown, later or a default value."""
        if self.created is None or self.created.tzinfo is None or self.created.year < _FIRST_YEAR:
            return self.received
        return min(self.created, self.received)


def build_submission(
    source: ScannedSource,
    report: ReceivedReport,
    entries: Iterable[SubjectEntry],
    definitions: Iterable[DefinitionEntry],
    *,
    scope: EvaluatedScope,
    gaps: Iterable[GapEntry] = (),
    images: Iterable[ImageEntry] = (),
) -> Submission:
    """Return the submission of a report. definitions: at least those that findings and scope refer to."""
    subjects = tuple(sorted(entries, key=lambda entry: entry.key))
    return Submission(
        schema=VERSION,
        id=report.create_id(source),
        source=source,
        started=report.started,
        finished=report.received,
        versions=Versions(_LOWEST_VERSION),
        scope=scope,
        gaps=tuple(dict.fromkeys(gaps)),
        definitions=tuple(sorted(definitions, key=lambda definition: definition.key)),
        images=tuple(sorted(images, key=lambda image: image.digest)),
        subjects=subjects,
        manifest=compute_manifest(compute_digest(encode_json(entry)) for entry in subjects),
    )


def create_definition(
    key: str,
    name: str,
    severity: Severity,
    *,
    kind: str,
    title: str = "",
    score: float | None = None,
    remediation: str = "",
    references: Iterable[str] = (),
) -> DefinitionEntry:
    """Return a definition of another tool. name: its identifier for people. score: from 0 to 10, if the tool states one."""
    number = _SCORES[severity] if score is None else min(max(score, 0.0), _HIGHEST)
    level = severity.name.lower()
    return DefinitionEntry(
        key=key,
        kind=kind,
        id=shorten(name),
        title=shorten(title or name, MAX_TEXT),
        severity=level,
        score=number,
        remediation=shorten(remediation, MAX_TEXT),
        references=tuple(dict.fromkeys(link for link in references if is_link(link))),
        priority=PriorityDocument(level, number) if severity else None,
    )


def is_link(text: str) -> bool:
    """Return True for an address that a browser may open."""
    return text.startswith(("https://", "http://")) and text.isprintable() and len(text) < MAX_TEXT

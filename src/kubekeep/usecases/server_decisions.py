"""Decisions of a server on the results of a scan: findings that one covers are excepted, as they are on the server.

Never decides which decisions are in force, and never connects.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Protocol, cast

import msgspec

from kubekeep.exceptions.cover import cover_finding, cover_verdict, record_excepted
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.decision import DecisionEntry, LoadedDecisions
from kubekeep.model.definition import Definition
from kubekeep.model.exception import AppliedException, ExceptedFinding, ExceptionSource, ExceptionStatus, ExceptionUse
from kubekeep.model.finding import Finding
from kubekeep.model.finding_document import AnySubject, name_subject
from kubekeep.model.image import Image, trim_tag
from kubekeep.model.scanned_source import ScannedSource
from kubekeep.model.verdict import Evidence, Status, Verdict
from kubekeep.reports.shared.subject_names import SubjectNames


class DecisionSource(Protocol):
    """A server that has decisions."""

    def load(self, source: ScannedSource) -> LoadedDecisions:
        """Return the decisions on a source. Raises KubekeepError if they are not known."""


def apply_decisions(
    results: Iterable[SubjectResult],
    definitions: Iterable[Definition],
    decisions: Iterable[DecisionEntry],
    names: SubjectNames,
    now: dt.datetime,
) -> tuple[list[SubjectResult], tuple[ExceptionUse, ...]]:
    """Return the results with the findings that decisions cover excepted, and the use of each decision.

    Exceptions of the scan count first. A decision whose time has ended since it was read covers nothing.
    """
    tracked = [_TrackedDecision(decision, now) for decision in decisions]
    applier = _DecisionApplier(tracked, definitions, names)
    return [applier.apply_to(result) for result in results], tuple(decision.report_use() for decision in tracked)


class _TrackedDecision:
    """A decision with the findings that it covers so far."""

    def __init__(self, entry: DecisionEntry, now: dt.datetime) -> None:
        expires = dt.datetime.fromisoformat(entry.expires)
        self.scope = entry.scope
        self.is_active = entry.kind.covers and expires > now
        self.exception = AppliedException(
            name=f"decision {entry.id} ({entry.kind})",
            source=ExceptionSource.DECISION,
            reason=entry.reason,
            expires=expires,
        )
        self.findings: list[ExceptedFinding] = []

    def report_use(self) -> ExceptionUse:
        """Return the use of the decision in this scan."""
        status = ExceptionStatus.MATCHED if self.findings else ExceptionStatus.UNUSED
        return ExceptionUse(
            exception=self.exception,
            status=status if self.is_active else ExceptionStatus.EXPIRED,
            controls=self.scope.definitions,
            findings=tuple(self.findings),
        )


class _DecisionApplier:
    """All decisions of a source, matched against its results."""

    def __init__(
        self, decisions: Iterable[_TrackedDecision], definitions: Iterable[Definition], names: SubjectNames
    ) -> None:
        self._names = names
        self._definitions = {definition.slug: definition for definition in definitions}
        self._by_key: dict[str, list[_TrackedDecision]] = {}
        for decision in decisions:
            for key in decision.scope.definitions if decision.is_active else ():
                self._by_key.setdefault(key, []).append(decision)

    def apply_to(self, result: SubjectResult) -> SubjectResult:
        """Return a result with the findings that decisions cover excepted."""
        changed = {}
        for slug, verdict in result.verdicts.items():
            definition = self._definitions.get(slug)
            if verdict.status is not Status.FAILED or definition is None or definition.key not in self._by_key:
                continue
            covered = self._cover(Finding(definition, result.subject, verdict.evidence), verdict)
            if covered is not verdict:
                changed[slug] = covered
        return msgspec.structs.replace(result, verdicts={**result.verdicts, **changed}) if changed else result

    def _cover(self, finding: Finding, verdict: Verdict) -> Verdict:
        key, subject = finding.definition.key, finding.subject
        candidates = self._by_key[key]
        if not isinstance(subject, Image):
            name = name_subject(cast("AnySubject", subject.describe()))
            fingerprint = self._names.create_fingerprint(key, subject)
            candidates = [
                one
                for one in candidates
                if one.scope.selects_finding(name.namespace, name.kind, name.name, fingerprint)
            ]

        def find_exception(evidence: Evidence) -> AppliedException | None:
            for one in candidates:
                if not isinstance(subject, Image) or _selects_evidence(one, subject, evidence):
                    one.findings.append(record_excepted(finding))
                    return one.exception
            return None

        return cover_verdict(verdict, cover_finding(finding, find_exception))


def _selects_evidence(decision: _TrackedDecision, image: Image, evidence: Evidence) -> bool:
    # The platform follows the name of an image with several.
    purl = evidence.package.purl if evidence.package is not None else ""
    return decision.scope.selects_problem(image.digest, frozenset({trim_tag(image.name.partition(" ")[0])}), purl)

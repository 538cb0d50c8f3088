"""Results of one cluster, repository or registry as a document for a server (`submission/v1`), with the packages of images.

Contains everything that a server stores: findings with their evidence, the evaluated scope, coverage gaps and the images that
workloads run. Subjects are listed once, and definitions once. Decides nothing about earlier findings: `model.submission` says
which of them a submission closes.
"""

from __future__ import annotations

import operator
import os
import uuid
from collections.abc import Iterable, Iterator
from typing import Final, TextIO, cast

import msgspec

from kubekeep.model.assessment import Assessment, DefinitionSummary, SubjectResult, UnreadInput
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.errors import RequestError
from kubekeep.model.exception import AppliedException
from kubekeep.model.finding_document import (
    AnySubject,
    EvidenceDocument,
    EvidenceLocation,
    build_evidence,
    build_location,
    build_priority,
    build_suppression,
)
from kubekeep.model.fingerprint import Identity, fingerprint
from kubekeep.model.image import Image, PackageList
from kubekeep.model.package import ImagePackages
from kubekeep.model.package_document import read_assessment
from kubekeep.model.resource import Resource
from kubekeep.model.source import Source
from kubekeep.model.subject import Subject
from kubekeep.model.submission import (
    VERSION,
    ClusterSource,
    ContainerEntry,
    DefinitionEntry,
    EvaluatedScope,
    FindingEntry,
    GapEntry,
    HiddenObjects,
    ImageEntry,
    NotEvaluatedEntry,
    RepositorySource,
    SubjectEntry,
    Submission,
    SuppressedEvidence,
    Versions,
    compute_digest,
    compute_manifest,
)
from kubekeep.model.text import encode_json
from kubekeep.model.verdict import Cause, Evidence, Status, Verdict
from kubekeep.model.workload import list_containers
from kubekeep.reports.format import Extra, ReportFormat, ReportOptions
from kubekeep.reports.shared.vulnerabilities import list_uncovered
from kubekeep.reports.shared.wording import reason_text

_DIGITS: Final = 16
"""Length of a fingerprint in a submission."""
_get_fingerprint: Final = operator.attrgetter("fingerprint")


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the submission as one line of JSON. Raises RequestError if the input has no identity."""
    stream.write(f"{encode_json(SubmissionBuilder().build(assessment))}\n")


class SubmissionBuilder:
    """Builder of the submissions of one source. Results that have not changed since the last one are not built again."""

    def __init__(self) -> None:
        self._built: dict[int, _BuiltEntry] = {}
        self._gaps: frozenset[str] = frozenset()
        """Definitions that were evaluated on no subject: entries do not list them."""

    def build(self, assessment: Assessment) -> Submission:
        """Return the whole submission of an assessment. Raises RequestError if its input has no identity."""
        source = assessment.source
        if source is None:
            raise RequestError(
                "the assessment has no source: a submission requires the identity of a cluster or repository"
            )
        gaps = frozenset(summary.definition.key for summary in assessment.summaries if summary.is_gap)
        if gaps != self._gaps:
            self._built, self._gaps = {}, gaps
        builder = _EntryBuilder(assessment)
        self._built = {
            id(result): self._built.get(id(result)) or builder.build(result) for result in assessment.results
        }
        built = _merge_equal(self._built.values())
        subjects = tuple(entry.entry for entry in built)
        return Submission(
            schema=VERSION,
            id=str(uuid.uuid4()),
            source=source,
            started=assessment.started,
            finished=assessment.finished,
            versions=Versions(assessment.version, assessment.kubernetes_version),
            manifest=compute_manifest(entry.digest for entry in built),
            scope=_build_scope(assessment),
            gaps=tuple(_list_gaps(assessment, builder)),
            definitions=tuple(_list_definitions(assessment.summaries, subjects)),
            subjects=subjects,
            images=_list_images(assessment.results),
        )


class _BuiltEntry(msgspec.Struct, frozen=True):
    """An entry with its digest, and the result that it was built from, which must live as long: its id() is the key."""

    result: SubjectResult
    entry: SubjectEntry
    digest: int


class _EntryBuilder:
    """Builder of the entries of subjects."""

    def __init__(self, assessment: Assessment) -> None:
        self._summaries = {summary.definition.slug: summary for summary in assessment.summaries}
        self._has_places = isinstance(assessment.source, RepositorySource)
        self._folder = assessment.repository.root if self._has_places and assessment.repository else ""
        self._base = assessment.target.base

    def build(self, result: SubjectResult) -> _BuiltEntry:
        """Return the entry of a subject with its findings."""
        subject = result.subject
        place, is_generated = self._find_place(subject)
        identity = Identity.stable(subject)
        unassessed = _list_unassessed(subject)
        entry = SubjectEntry(
            key=fingerprint("", identity, place or None)[:_DIGITS],
            subject=cast("AnySubject", subject.describe()),
            place=place,
            is_generated=is_generated,
            findings=tuple(sorted(self._list_findings(result, identity, place), key=_get_fingerprint)),
            not_evaluated=self._list_not_evaluated(result),
            listed_kinds=self._list_kinds(result, has_unassessed=bool(unassessed)),
            unassessed=unassessed,
            containers=_list_containers(subject),
        )
        return _BuiltEntry(result, entry, compute_digest(entry))

    def locate(self, file: str) -> str:
        """Return the path of a shown file in the repository, with slashes; the shown path for other files."""
        path = os.path.normpath(os.path.join(self._base, file)) if self._folder else file  # noqa: PTH118 - opens no file
        if self._folder and path.startswith(self._folder + os.sep):
            return path[len(self._folder) + 1 :].replace(os.sep, "/")
        return file.replace(os.sep, "/")

    def _find_place(self, subject: Subject) -> tuple[str, bool]:
        """Return the file of a subject in a repository, or what generated it, and True if it was generated."""
        sources = (part.source for part in (subject, *subject.related))
        source = next((source for source in sources if source is not None), None)
        if not self._has_places or source is None:
            return "", False
        if source.origin is None:
            return self.locate(source.path), False
        return self._describe_origin(source), True

    def _describe_origin(self, source: Source) -> str:
        origin = source.origin
        if origin is None:
            return ""
        settings = ", ".join(filter(None, (*origin.values, origin.application)))
        folder = self.locate(origin.folder)
        return f"{folder} ({settings})" if settings else folder

    def _list_findings(self, result: SubjectResult, identity: Identity, place: str) -> Iterator[FindingEntry]:
        for slug, verdict in result.verdicts.items():
            summary = self._summaries.get(slug)
            # A partial assessment keeps verdicts of definitions that it no longer lists.
            if summary is None or not verdict.evidence:
                continue
            definition = summary.definition
            yield FindingEntry(
                definition=definition.key,
                fingerprint=fingerprint(definition.key, identity, place or None)[:_DIGITS],
                evidence=self._describe_evidence(verdict.unexcepted.evidence),
                priority=build_priority(result.priorities[slug]) if slug in result.priorities else None,
                suppressed=self._group_suppressed(verdict),
            )

    def _group_suppressed(self, verdict: Verdict) -> tuple[SuppressedEvidence, ...]:
        """Return the evidence that exceptions cover, by exception."""
        groups: dict[AppliedException, list[Evidence]] = {}
        for evidence in verdict.evidence:
            if evidence.exception is not None:
                groups.setdefault(evidence.exception, []).append(evidence)
        return tuple(
            SuppressedEvidence(build_suppression(exception), self._describe_evidence(group))
            for exception, group in groups.items()
        )

    def _describe_evidence(self, evidence: Iterable[Evidence]) -> tuple[EvidenceDocument, ...]:
        """Return the evidence with the paths of files in a repository; files of a recorded cluster tell nothing."""
        documents = [build_evidence(entry) for entry in evidence]
        return tuple(
            [
                document if document.location is None else self._relocate(document, document.location)
                for document in documents
            ]
        )

    def _relocate(self, document: EvidenceDocument, location: EvidenceLocation) -> EvidenceDocument:
        moved = msgspec.structs.replace(location, file=self.locate(location.file)) if self._has_places else None
        return msgspec.structs.replace(document, location=moved)

    def _list_not_evaluated(self, result: SubjectResult) -> tuple[NotEvaluatedEntry, ...]:
        keys: dict[str, list[str]] = {}
        for slug, verdict in result.verdicts.items():
            summary = self._summaries.get(slug)
            if verdict.status is Status.NOT_EVALUATED and summary is not None and not summary.is_gap:
                keys.setdefault(reason_text(verdict.reason), []).append(summary.definition.key)
        return tuple(NotEvaluatedEntry(tuple(sorted(keys[reason])), reason) for reason in sorted(keys))

    def _list_kinds(self, result: SubjectResult, *, has_unassessed: bool) -> tuple[str, ...]:
        """Return the kinds of the problems that a subject lists itself, without those that it may not list completely."""
        if not result.subject.has_problems:
            return ()
        kinds: set[str] = set()
        incomplete: set[str] = set()
        for slug, verdict in result.verdicts.items():
            summary = self._summaries.get(slug)
            if summary is None or summary.definition.is_requirement:
                continue
            kinds.add(summary.definition.kind)
            is_known = verdict.status is not Status.NOT_EVALUATED
            if not is_known and not (has_unassessed and verdict.reason and verdict.reason.cause is Cause.MISSING_DATA):
                incomplete.add(summary.definition.kind)
        return tuple(sorted(kinds - incomplete))


def _list_unassessed(subject: Subject) -> tuple[str, ...]:
    """Return the package URLs of the packages that were not compared with advisories."""
    if not isinstance(subject, PackageList) or not subject.is_compared:
        return ()
    try:
        gaps = read_assessment(subject.object).not_assessed
    except msgspec.ValidationError:
        return ()
    return tuple(sorted({package for gap in gaps for package in gap.packages}))


def _list_containers(subject: Subject) -> tuple[ContainerEntry, ...]:
    if not isinstance(subject, Resource):
        return ()
    return tuple(dict.fromkeys(ContainerEntry(name, image) for name, image in list_containers(subject)))


def _merge_equal(entries: Iterable[_BuiltEntry]) -> list[_BuiltEntry]:
    """Return the entries by key; subjects with one identity in one place are one entry."""
    merged: dict[str, _BuiltEntry] = {}
    for built in entries:
        known = merged.get(built.entry.key)
        if known is not None:
            entry = _merge(known.entry, built.entry)
            built = _BuiltEntry(known.result, entry, compute_digest(entry))  # noqa: PLW2901 - the same subject
        merged[built.entry.key] = built
    return [merged[key] for key in sorted(merged)]


def _merge(known: SubjectEntry, other: SubjectEntry) -> SubjectEntry:
    """Return one entry of two: a definition fails if it fails for one, and is not evaluated if it is not for one."""
    findings = {finding.fingerprint: finding for finding in known.findings}
    for finding in other.findings:
        first = findings.get(finding.fingerprint, finding)
        evidence = tuple(dict.fromkeys((*first.evidence, *finding.evidence)))
        suppressed = tuple(dict.fromkeys((*first.suppressed, *finding.suppressed)))
        findings[finding.fingerprint] = msgspec.structs.replace(first, evidence=evidence, suppressed=suppressed)
    return msgspec.structs.replace(
        known,
        findings=tuple(sorted(findings.values(), key=_get_fingerprint)),
        not_evaluated=tuple(dict.fromkeys((*known.not_evaluated, *other.not_evaluated))),
        listed_kinds=tuple(sorted({*known.listed_kinds} & {*other.listed_kinds})),
        unassessed=tuple(sorted({*known.unassessed, *other.unassessed})),
        containers=tuple(dict.fromkeys((*known.containers, *other.containers))),
    )


def _build_scope(assessment: Assessment) -> EvaluatedScope:
    selection = assessment.resource_selection
    narrowed = (
        selection.include_kinds,
        selection.exclude_kinds,
        selection.labels,
        selection.changed_since,
        selection.workload,
    )
    return EvaluatedScope(
        definitions=tuple(
            sorted(
                summary.definition.key
                for summary in assessment.summaries
                if summary.definition.is_requirement and not summary.is_gap
            )
        ),
        include_namespaces=selection.include_namespaces,
        exclude_namespaces=selection.exclude_namespaces,
        is_partial=any(narrowed),
    )


def _list_gaps(assessment: Assessment, builder: _EntryBuilder) -> Iterator[GapEntry]:
    """Yield what was not read and not evaluated, each once."""
    gaps = assessment.target.cluster.gaps if assessment.target.cluster else ()
    permissions = {gap.permission for gap in gaps}
    yield from map(_describe_cluster_gap, gaps)
    images = set(_list_image_names(assessment.results))
    for unread in assessment.unread:
        if unread.location.file not in permissions:
            hides = None if unread.location.file.partition("!")[0] in images else _hide(unread, assessment, builder)
            yield GapEntry(unread.message, location=build_location(unread.location), hides=hides)
    for unread in list_uncovered(assessment):
        yield GapEntry(unread.message, location=build_location(unread.location))
    for summary in assessment.summaries:
        if summary.is_gap:
            yield GapEntry(reason_text(summary.reason), definition=summary.definition.key)


def _describe_cluster_gap(gap: CoverageGap) -> GapEntry:
    hides = None if gap.is_outside_selection else HiddenObjects(gap.group, gap.kind, gap.namespace, gap.name)
    return GapEntry(gap.text, next_step=gap.permission, hides=hides)


def _hide(unread: UnreadInput, assessment: Assessment, builder: _EntryBuilder) -> HiddenObjects | None:
    """Return the objects that an unread file may have: in a snapshot any object, in a repository those of the file."""
    if isinstance(assessment.source, ClusterSource):
        return None if assessment.target.cluster else HiddenObjects()
    return HiddenObjects(place=builder.locate(unread.location.file))


def _list_definitions(
    summaries: Iterable[DefinitionSummary], subjects: Iterable[SubjectEntry]
) -> Iterator[DefinitionEntry]:
    """Yield the requirements, and the definitions of other problems with findings."""
    used = {finding.definition for entry in subjects for finding in entry.findings}
    for summary in sorted(summaries, key=lambda summary: summary.definition.key):
        if summary.definition.is_requirement or summary.definition.key in used:
            yield _describe_definition(summary)


def _describe_definition(summary: DefinitionSummary) -> DefinitionEntry:
    definition = summary.definition
    return DefinitionEntry(
        key=definition.key,
        kind=definition.kind,
        id=definition.id,
        title=definition.title,
        severity=definition.level.name.lower(),
        score=definition.severity,
        aliases=definition.ids[1:],
        remediation=definition.fix.strip(),
        references=definition.references,
        page=definition.page,
        priority=build_priority(summary.priority),
    )


def _list_image_names(results: Iterable[SubjectResult]) -> Iterator[str]:
    for result in results:
        if isinstance(result.subject, Image):
            yield result.subject.name
        else:
            yield from (container.image for container in _list_containers(result.subject))


def _list_images(results: Iterable[SubjectResult]) -> tuple[ImageEntry, ...]:
    """Return the images with a digest and their packages, each once."""
    images: dict[str, ImageEntry] = {}
    for result in results:
        image = result.subject
        if not isinstance(image, Image) or not image.digest or not image.packages:
            continue
        known = images.get(image.digest)
        if known is None:
            content = msgspec.msgpack.decode(image.packages, type=ImagePackages)
            images[image.digest] = ImageEntry(image.digest, (image.name,), image.platform, content)
        else:
            names = tuple(sorted({*known.references, image.name}))
            images[image.digest] = msgspec.structs.replace(known, references=names)
    return tuple(images[digest] for digest in sorted(images))


FORMAT: Final = ReportFormat(
    name="submission",
    extension=".json",
    owns_extension=False,
    media_type="application/json",
    description="results, scope and packages of one cluster, repository or registry, for a server",
    render=render,
    extras=frozenset({Extra.CONTEXT, Extra.REPOSITORY, Extra.SOURCE}),
)

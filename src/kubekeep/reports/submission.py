"""Results of one cluster, repository or registry as a document for a server (`submission/v1`), with the packages of images.

Contains everything that a server stores: findings with their evidence, the evaluated scope, coverage gaps and the images that
workloads run. Subjects are listed once, and definitions once. Decides nothing about earlier findings: `model.submission` says
which of them a submission closes.
"""

from __future__ import annotations

import functools
import hashlib
import operator
from collections.abc import Iterable, Iterator, Mapping
from itertools import filterfalse
from typing import Final, TextIO, cast

import msgspec

from kubekeep.model.assessment import Assessment, SubjectResult, UnreadInput
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.code_owners import CodeOwners
from kubekeep.model.control import is_collected
from kubekeep.model.definition_entry import describe_definition
from kubekeep.model.errors import RequestError
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.finding_document import (
    AnySubject,
    EvidenceDocument,
    EvidenceLocation,
    build_evidence,
    build_location,
    build_priority,
    build_suppression,
)
from kubekeep.model.fingerprint import Identity, create_short_fingerprint
from kubekeep.model.image import Image, PackageList
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import Location
from kubekeep.model.ownership import find_owner, list_labels
from kubekeep.model.package import ImagePackages
from kubekeep.model.package_document import read_assessment
from kubekeep.model.resource import Resource
from kubekeep.model.scanned_source import ScannedSource, SourceCluster, SourceRepository
from kubekeep.model.subject import Subject
from kubekeep.model.submission import (
    ANY,
    VERSION,
    ContainerEntry,
    DefinitionEntry,
    EvaluatedScope,
    GapEntry,
    HiddenObjects,
    ImageEntry,
    NotEvaluatedEntry,
    SubjectEntry,
    Submission,
    SubmittedFinding,
    SuppressedEvidence,
    Versions,
    compute_digest,
    compute_manifest,
    digest_permissions,
)
from kubekeep.model.text import encode_json
from kubekeep.model.verdict import Cause, Evidence, Status, Verdict
from kubekeep.model.workload import list_used_images
from kubekeep.reports.format import Extra, ReportFormat, ReportOptions
from kubekeep.reports.shared.subject_names import SubjectNames
from kubekeep.reports.shared.vulnerabilities import list_uncovered
from kubekeep.reports.shared.wording import reason_text

_SUBJECTS: Final = ',"subjects":['
_NO_MANIFEST: Final = "0" * 32
_Digests = Mapping[tuple[str, str, str, str, Location | None], str]
"""Digests of images by kind, namespace and name of the workload, name of the container, and location of the reference."""
_get_fingerprint: Final = operator.attrgetter("fingerprint")


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the submission as one line of JSON, one subject after the other. Raises RequestError without a source."""
    builder = _EntryBuilder(assessment)
    head = encode_json(_build_submission(assessment, builder, (), _NO_MANIFEST))
    stream.write(head.removesuffix(f',"manifest":"{_NO_MANIFEST}"}}'))
    digests: list[int] = []
    for key, group in builder.group(assessment.results).items():
        text = encode_json(builder.build(key, group))
        stream.write(f"{',' if digests else _SUBJECTS}{text}")
        digests.append(compute_digest(text))
    stream.write(f'{"]" if digests else ""},"manifest":"{compute_manifest(digests)}"}}\n')


class SubmissionBuilder:
    """Builder of the submissions of one source. Results that have not changed since the last one are not built again."""

    def __init__(self) -> None:
        self._built: dict[str, _BuiltEntry] = {}
        self._context: object = None
        """The parts of entries that no result has."""

    def build(self, assessment: Assessment) -> Submission:
        """Return the whole submission of an assessment. Raises RequestError without a source."""
        builder = _EntryBuilder(assessment)
        # Entries do not list definitions that were evaluated on no subject.
        gaps = frozenset(summary.definition.key for summary in assessment.summaries if summary.is_gap)
        context = (gaps, builder.owners)
        if context != self._context:
            self._built, self._context = {}, context
        groups = builder.group(assessment.results)
        self._built = {key: self._build_entry(builder, key, group) for key, group in groups.items()}
        subjects = tuple([built.entry for built in self._built.values()])
        manifest = compute_manifest(built.digest for built in self._built.values())
        return _build_submission(assessment, builder, subjects, manifest)

    def _build_entry(self, builder: _EntryBuilder, key: str, group: _Group) -> _BuiltEntry:
        known = self._built.get(key)
        if known is not None and known.is_of(group):
            return known
        entry = builder.build(key, group)
        return _BuiltEntry(group, entry, compute_digest(encode_json(entry)))


def _build_submission(
    assessment: Assessment, builder: _EntryBuilder, subjects: tuple[SubjectEntry, ...], manifest: str
) -> Submission:
    if assessment.source is None:
        raise RequestError(
            "the assessment names no cluster, repository or registry: use `kubekeep scan --format submission`"
        )
    permissions = assessment.permissions
    return Submission(
        schema=VERSION,
        id=create_id(assessment, assessment.source),
        source=assessment.source,
        started=assessment.started,
        finished=assessment.finished,
        versions=Versions(assessment.version, assessment.kubernetes_version),
        scope=_build_scope(assessment),
        gaps=tuple(_list_gaps(assessment, builder)),
        definitions=tuple(_list_definitions(assessment)),
        images=_list_images(assessment.results),
        permissions=permissions,
        permissions_digest="" if permissions is None else digest_permissions(permissions),
        subjects=subjects,
        manifest=manifest,
    )


def create_id(assessment: Assessment, source: ScannedSource) -> str:
    """Return the id of a submission: 32 hexadecimal digits that are the same each time this assessment is written, and differ for every other."""
    times = (assessment.started.isoformat(), assessment.finished.isoformat())
    return hashlib.sha256(encode_json([source.key, source.branch_name, *times]).encode()).hexdigest()[:32]


class _Group(msgspec.Struct, frozen=True):
    """The results of one subject; several if one origin has equal objects."""

    identity: Identity
    origin: str
    is_generated: bool
    results: list[SubjectResult]

    def create_fingerprint(self, definition: str) -> str:
        """Return the fingerprint of a finding, by the key of its definition; of the subject without one."""
        return create_short_fingerprint(definition, self.identity, self.origin)


class _BuiltEntry(msgspec.Struct, frozen=True):
    """An entry with its digest, and the results that it was built from."""

    group: _Group
    entry: SubjectEntry
    digest: int

    def is_of(self, group: _Group) -> bool:
        """Return True if the entry was built from the same results."""
        return len(self.group.results) == len(group.results) and all(
            map(operator.is_, self.group.results, group.results)
        )


class _EntryBuilder:
    """Builder of the entries of subjects."""

    def __init__(self, assessment: Assessment) -> None:
        self._digests = _list_digests(assessment.results)
        self._summaries = {summary.definition.slug: summary for summary in assessment.summaries}
        self.names = SubjectNames(assessment.source, assessment.repository, assessment.target.base)
        self.owners = _read_owners(assessment)

    def group(self, results: Iterable[SubjectResult]) -> dict[str, _Group]:
        """Group the results by the key of their subject, in the order of keys."""
        groups: dict[str, _Group] = {}
        for result in results:
            origin, is_generated = self.names.find_origin(result.subject)
            group = _Group(Identity.stable(result.subject), origin, is_generated, [])
            groups.setdefault(group.create_fingerprint(""), group).results.append(result)
        return dict(sorted(groups.items()))

    def build(self, key: str, group: _Group) -> SubjectEntry:
        """Return the entry of a subject with its findings."""
        return functools.reduce(_merge, (self._build_entry(key, group, result) for result in group.results))

    def _build_entry(self, key: str, group: _Group, result: SubjectResult) -> SubjectEntry:
        subject = result.subject
        if isinstance(subject, Resource):
            subject = subject.unpack()
        unassessed = _list_unassessed(subject)
        return SubjectEntry(
            key=key,
            subject=cast("AnySubject", subject.describe()),
            origin=group.origin,
            is_generated=group.is_generated,
            findings=tuple(sorted(self._list_findings(result, group), key=_get_fingerprint)),
            not_evaluated=self._list_not_evaluated(result),
            listed_kinds=self._list_kinds(result, has_unassessed=bool(unassessed)),
            unassessed=unassessed,
            containers=_list_containers(subject, self._digests),
            exposure=result.context.exposure,
            power=result.context.power,
            rights=result.context.rights,
            owner=self.owners.find(subject, self.names),
            labels=list_labels(subject.object) if isinstance(subject, Resource) else {},
        )

    def _list_findings(self, result: SubjectResult, group: _Group) -> Iterator[SubmittedFinding]:
        for slug, verdict in result.verdicts.items():
            summary = self._summaries.get(slug)
            # A partial assessment keeps verdicts of definitions that it no longer lists.
            if summary is None or not verdict.evidence:
                continue
            definition = summary.definition
            yield SubmittedFinding(
                definition=definition.key,
                fingerprint=group.create_fingerprint(definition.key),
                evidence=self._describe_evidence(filterfalse(_is_suppressed, verdict.evidence)),
                priority=build_priority(result.priorities[slug]) if slug in result.priorities else None,
                suppressed=self._group_suppressed(verdict),
            )

    def _group_suppressed(self, verdict: Verdict) -> tuple[SuppressedEvidence, ...]:
        """Return the evidence that exceptions cover, by exception."""
        groups: dict[AppliedException, list[Evidence]] = {}
        for evidence in verdict.evidence:
            if evidence.exception is not None and _is_suppressed(evidence):
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
        has_files = self.names.has_origins
        moved = msgspec.structs.replace(location, file=self.names.locate(location.file)) if has_files else None
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


class _Owners(msgspec.Struct, frozen=True):
    """The owners that subjects do not name themselves. namespaces: by name. files: by CODEOWNERS. gap: the reason that those are unknown."""

    namespaces: Mapping[str, str]
    files: CodeOwners | None = None
    gap: str = ""

    def find(self, subject: Subject, names: SubjectNames) -> str:
        """Return the owner of a subject: its own, that of its namespace, or that of its file in a repository; empty without one."""
        if not isinstance(subject, Resource):
            return ""
        owner = find_owner(subject.object) or self.namespaces.get(subject.namespace, "")
        return owner if owner or self.files is None else self.files.find(names.find_file(subject))

    def list_gaps(self) -> Iterator[GapEntry]:
        """Yield the reason that owners of files are unknown."""
        if self.gap:
            yield GapEntry(self.gap, next_step="shorten the patterns of CODEOWNERS")


def _read_owners(assessment: Assessment) -> _Owners:
    subjects = (result.subject for result in assessment.results)
    namespaces = {
        subject.name: owner
        for subject in subjects
        if isinstance(subject, Resource) and subject.kind == "Namespace" and subject.api_version == "v1"
        if (owner := find_owner(subject.object))
    }
    if not isinstance(assessment.source, SourceRepository) or assessment.repository is None:
        return _Owners(namespaces)
    try:
        return _Owners(namespaces, _parse_code_owners(assessment.repository.code_owners))
    except ValueError as error:
        return _Owners(namespaces, gap=f"CODEOWNERS has no effect, its patterns are too large: {error}")


@functools.lru_cache(1)
def _parse_code_owners(text: str) -> CodeOwners | None:
    """Return the owners of files; None without any. The same ones for the same text."""
    return CodeOwners(text) if text else None


def _is_suppressed(evidence: Evidence) -> bool:
    """Return True if an exception covers evidence. A server applies its decisions itself, until they end."""
    return evidence.exception is not None and evidence.exception.source is not ExceptionSource.DECISION


def _list_unassessed(subject: Subject) -> tuple[str, ...]:
    """Return the package URLs of the packages that were not compared with advisories."""
    if not isinstance(subject, PackageList) or not subject.is_compared:
        return ()
    try:
        gaps = read_assessment(subject.object).not_assessed
    except msgspec.ValidationError:
        return ()
    return tuple(sorted({package for gap in gaps for package in gap.packages}))


def _list_digests(results: Iterable[SubjectResult]) -> _Digests:
    """Return the digests of the images that containers run."""
    return {
        (container.kind, container.namespace, container.name, container.container, container.location): image.digest
        for result in results
        if isinstance(image := result.subject, Image) and image.digest
        for container in result.containers
    }


def _list_containers(subject: Subject, digests: _Digests) -> tuple[ContainerEntry, ...]:
    if not isinstance(subject, Resource):
        return ()
    entries = []
    for image in list_used_images(subject):
        # Overlays have workloads with one name, and other images.
        location = subject.locate(image.path) if digests else None
        digest = digests.get((subject.kind, subject.namespace, subject.name, image.container, location), "")
        entries.append(ContainerEntry(image.container, image.reference, digest, ends=not image.runs_on))
    return tuple(dict.fromkeys(entries))


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
        exposure=known.exposure or other.exposure,
        power=known.power or other.power,
        rights=known.rights or other.rights,
        owner=known.owner or other.owner,
        labels=known.labels or other.labels,
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
    if isinstance(assessment.source, SourceCluster):
        yield from _list_uncollected(assessment)
    others = [unread for unread in assessment.unread if unread.location.file not in permissions]
    # Names of images are read from all workloads, and are needed only to tell images from files.
    images = set(_list_image_names(assessment.results)) if others else set[str]()
    for unread in others:
        hides = None if unread.location.file.partition("!")[0] in images else _hide(unread, assessment, builder)
        yield GapEntry(unread.message, location=build_location(unread.location), hides=hides)
    for unread in list_uncovered(assessment):
        yield GapEntry(unread.message, location=build_location(unread.location))
    yield from builder.owners.list_gaps()
    for summary in assessment.summaries:
        if summary.is_gap:
            yield GapEntry(reason_text(summary.reason), definition=summary.definition.key)


def _list_uncollected(assessment: Assessment) -> Iterator[GapEntry]:
    """Yield a gap for each kind of data about nodes and clouds that the scan does not have, as it was not collected."""
    present = {name for result in assessment.results for name in result.subject.kind_names}
    targets = {target for summary in assessment.summaries for target in summary.definition.targets}
    for target in sorted(filter(is_collected, targets - present)):
        group, _, kind = target.rpartition("/")
        yield GapEntry(f"no {kind} was collected", hides=HiddenObjects(group or ANY, kind))


def _describe_cluster_gap(gap: CoverageGap) -> GapEntry:
    hides = None if gap.is_outside_selection else HiddenObjects(gap.group, gap.kind, gap.namespace, gap.name)
    return GapEntry(gap.text, next_step=gap.permission, hides=hides)


def _hide(unread: UnreadInput, assessment: Assessment, builder: _EntryBuilder) -> HiddenObjects | None:
    """Return the objects that an unread file may have: in a snapshot any object, in a repository those of the file."""
    if isinstance(assessment.source, SourceCluster):
        return None if assessment.target.cluster else HiddenObjects()
    return HiddenObjects(origin=builder.names.locate(unread.location.file))


def _list_definitions(assessment: Assessment) -> Iterator[DefinitionEntry]:
    """Yield the requirements, and the definitions of other problems with findings."""
    failed = {slug for result in assessment.results for slug, verdict in result.verdicts.items() if verdict.evidence}
    for summary in sorted(assessment.summaries, key=lambda summary: summary.definition.key):
        if summary.definition.is_requirement or summary.definition.slug in failed:
            yield describe_definition(summary.definition, summary.priority)


def _list_image_names(results: Iterable[SubjectResult]) -> Iterator[str]:
    for result in results:
        if isinstance(result.subject, Image):
            yield result.subject.name
        else:
            yield from (container.image for container in _list_containers(result.subject, {}))


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
            known = ImageEntry(image.digest, (), image.platform, content)
        names = as_list(as_mapping(image.object.get("image")).get("names")) or [image.name]
        references = tuple(sorted({*known.references, *map(str, names)}))
        images[image.digest] = msgspec.structs.replace(known, references=references)
    return tuple(images[digest] for digest in sorted(images))


FORMAT: Final = ReportFormat(
    name="submission",
    extension=".json",
    owns_extension=False,
    media_type="application/json",
    description="results, scope and packages of one cluster, repository or registry, for a server",
    render=render,
    extras=frozenset({Extra.REPOSITORY, Extra.SOURCE}),
)

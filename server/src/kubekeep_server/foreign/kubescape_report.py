"""Reports of Kubescape as submissions: files in JSON v2, and the parts that Kubescape posts to `/k8s/v2/postureReport`.

A control of Kubescape has the key of Kubekeep's control with the same identifier, because it is the same control for users:
a source that changes from one tool to the other keeps the history of its findings. Texts and severities of Kubekeep replace
those of Kubescape. Other identifiers, of controls that users wrote, have a prefix.

A report says something only about the controls that were evaluated on a resource: those that passed or failed. Skipped,
irrelevant and incompletely covered ones, and those that a resource does not list, are not evaluated.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.definition import FindingKind
from kubekeep.model.finding_document import EvidenceLocation
from kubekeep.model.repository_address import normalise_address
from kubekeep.model.resource_types import BUILTIN_TYPES
from kubekeep.model.scanned_source import ScannedSource, SourceCluster, SourceRepository
from kubekeep.model.severity import Severity
from kubekeep.model.submission import ANY, DefinitionEntry, EvaluatedScope, GapEntry, HiddenObjects, Submission
from kubekeep.reports.kubescape_v2.read import ControlResult, ReportedResult, StatusInfo
from kubekeep_server.foreign.assembly import (
    ReceivedReport,
    SubjectDraft,
    SubjectDrafts,
    build_submission,
    create_definition,
    is_link,
)
from kubekeep_server.foreign.decoding import MAX_TEXT, ForeignDocumentError, shorten
from kubekeep_server.foreign.kubescape_evidence import EXCEPTED, FAILED, PASSED, add_evidence
from kubekeep_server.foreign.kubescape_resources import PostureResource, SubjectReader, find_cluster_uid
from kubekeep_server.foreign.parts import PageMarks, decode_parts

_DESCRIPTION: Final = "a report of Kubescape"
_SHARED_ID: Final = re.compile(r"C-[0-9]{4}")
"""Identifiers of controls that Kubescape and Kubekeep share."""
_PREFIX: Final = "kubescape/"
_WORKLOAD_SCAN: Final = "workloadscan"
"""The framework of a scan of one workload."""
_INCOMPLETE: Final = "incompleteCoverage"
"""Sub-status of a control for which not all resources could be listed."""
_UNLISTED: Final = "Kubescape did not evaluate it on this resource"
_IRRELEVANT: Final = "it applies to no resource"


class ControlTotal(msgspec.Struct):
    """The summary of a control."""

    name: str = ""
    status: StatusInfo = msgspec.field(name="statusInfo", default_factory=StatusInfo)
    factor: float = msgspec.field(name="scoreFactor", default=0.0)
    documentation: str = ""


class Summary(msgspec.Struct):
    """The totals of a report."""

    controls: dict[str, ControlTotal] | None = None


class Repository(msgspec.Struct):
    """The repository of scanned files."""

    branch: str = ""
    remote: str = msgspec.field(name="remoteURL", default="")
    root: str = msgspec.field(name="localRootPath", default="")
    commit: Commit | None = msgspec.field(name="lastCommit", default=None)


class Commit(msgspec.Struct):
    """A commit."""

    hash: str = ""


class Target(msgspec.Struct):
    """The scanned cluster, repository, folder or file."""

    cluster: dict[str, Any] | None = msgspec.field(name="clusterContextMetadata", default=None)
    repository: Repository | None = msgspec.field(name="gitRepoContextMetadata", default=None)
    folder: dict[str, Any] | None = msgspec.field(name="directoryContextMetadata", default=None)
    file: dict[str, Any] | None = msgspec.field(name="fileContextMetadata", default=None)
    chart: dict[str, Any] | None = msgspec.field(name="helmContextMetadata", default=None)


class ScanOptions(msgspec.Struct):
    """Options of the scan."""

    names: list[str] | None = msgspec.field(name="targetNames", default=None)
    excluded: list[str] | None = msgspec.field(name="excludedNamespaces", default=None)
    included: list[str] | None = msgspec.field(name="includeNamespaces", default=None)


class ReportMetadata(msgspec.Struct):
    """Metadata of a report."""

    target: Target = msgspec.field(name="targetMetadata", default_factory=Target)
    scan: ScanOptions = msgspec.field(name="scanMetadata", default_factory=ScanOptions)
    encryption: Any = msgspec.field(name="encryptionMetadata", default=None)


class UnlistedResources(msgspec.Struct):
    """A resource type that could not be listed: `apps/v1/deployments`."""

    type: str = msgspec.field(name="gvr", default="")
    error: str = ""


class UnevaluatedControl(msgspec.Struct):
    """A control that could not be evaluated."""

    id: str = msgspec.field(name="controlID", default="")
    reason: str = ""


class ScanCoverage(msgspec.Struct):
    """Coverage gaps of a scan."""

    failed: list[UnlistedResources] | None = msgspec.field(name="failedGVRPulls", default=None)
    partial: list[UnlistedResources] | None = msgspec.field(name="partialGVRPulls", default=None)
    controls: list[UnevaluatedControl] | None = msgspec.field(name="notEvaluatedControls", default=None)


class UnreadPart(msgspec.Struct):
    """A file or a part of a cluster that was not read."""

    file: str = ""
    message: str = ""


class KubekeepFacts(msgspec.Struct):
    """Facts that only reports of Kubekeep have."""

    choice: str = ""
    pseudonyms: str = ""
    unread: list[UnreadPart] | None = None


class PostureResult(ReportedResult):
    """The results of all controls for a resource, which some versions put here instead of into `resources`."""

    resource: PostureResource | None = msgspec.field(name="rawResource", default=None)


class PostureReport(msgspec.Struct):
    """A report, or a part of one."""

    report: str = msgspec.field(name="reportGUID", default="")
    marks: PageMarks | None = msgspec.field(name="paginationInfo", default=None)
    created: dt.datetime | None = msgspec.field(name="generationTime", default=None)
    cluster: str = msgspec.field(name="clusterName", default="")
    summary: Summary = msgspec.field(name="summaryDetails", default_factory=Summary)
    resources: list[PostureResource] | None = None
    results: list[PostureResult] | None = None
    metadata: ReportMetadata = msgspec.field(default_factory=ReportMetadata)
    coverage: ScanCoverage | None = msgspec.field(name="scanCoverage", default=None)
    kubekeep: KubekeepFacts | None = None


def convert(documents: Sequence[bytes], source: ScannedSource | None, received: dt.datetime) -> Submission:
    """Return the submission of a report: of a file, or of all parts of one that was posted.

    source: of the sender. Without one, it is the cluster or repository that the report names; results of files that it does
    not contain are then left as they are, because the report does not have the scanned paths. Raises ForeignDocumentError.
    """
    parts = decode_parts(documents, PostureReport, _DESCRIPTION)
    if not any(part.results is not None or part.summary.controls is not None for part in parts):
        raise ForeignDocumentError(f"not {_DESCRIPTION}: it has neither results nor summaryDetails.controls")
    return _Conversion(parts, source).convert(ReceivedReport(documents, received, parts[0].created))


class _Conversion:
    """Conversion of the parts of one report."""

    def __init__(self, parts: Sequence[PostureReport], source: ScannedSource | None) -> None:
        self._parts = parts
        self._metadata = _find_metadata(parts)
        embedded = (result.resource for part in parts for result in part.results or () if result.resource is not None)
        self._resources = [*embedded, *(resource for part in parts for resource in part.resources or ())]
        self._totals = {key: total for part in parts for key, total in (part.summary.controls or {}).items()}
        self._names: dict[str, str] = {}
        """Names of controls by key."""
        self._nameless = 0
        """Results of subjects without an object, of which the ID does not tell the identity."""
        self._subjects = 0
        self._is_own = any(part.kubekeep is not None for part in parts)
        self._is_named = source is not None
        self._source = self._identify(source)
        self._coverage = [part.coverage for part in parts if part.coverage is not None]
        self._unevaluated = {
            control.id: control.reason for coverage in self._coverage for control in coverage.controls or ()
        }

    def convert(self, report: ReceivedReport) -> Submission:
        """Return the submission."""
        drafts = self._read_subjects()
        scope = drafts.evaluated - {self._create_key(name) for name in self._unevaluated}
        return build_submission(
            self._source,
            report,
            drafts.build(scope, _UNLISTED),
            self._describe_definitions(scope),
            scope=self._build_scope(scope),
            gaps=self._list_gaps(scope),
        )

    def _identify(self, source: ScannedSource | None) -> ScannedSource:
        """Return the source. Raises ForeignDocumentError if it is unknown, or is not that of the report."""
        if self._metadata.encryption or any(part.kubekeep and part.kubekeep.pseudonyms for part in self._parts):
            raise ForeignDocumentError(
                "the report is encrypted or has pseudonyms: send one with the names of resources"
            )
        target = self._metadata.target
        if isinstance(source, SourceCluster) and (target.repository or target.folder or target.file or target.chart):
            raise ForeignDocumentError(f"the report is about files, and the sender is the cluster {source.uid}")
        uid = find_cluster_uid(self._resources)
        if isinstance(source, SourceCluster) and uid and uid != source.uid:
            raise ForeignDocumentError(f"the report is about the cluster {uid}, and the sender is {source.uid}")
        return source or self._find_source(uid)

    def _find_source(self, uid: str) -> ScannedSource:
        target = self._metadata.target
        if target.repository is not None:
            url = normalise_address(target.repository.remote)
            if not url:
                raise ForeignDocumentError("the report names no network address of its repository: name the repository")
            commit = target.repository.commit.hash if target.repository.commit else ""
            return SourceRepository(shorten(url), branch=shorten(target.repository.branch), commit=shorten(commit))
        if target.folder or target.file or target.chart:
            raise ForeignDocumentError("the report is about files in no repository: name the repository")
        if not uid:
            raise ForeignDocumentError(
                "the report has no Namespace kube-system, which identifies its cluster: name the cluster"
            )
        return SourceCluster(uid, shorten(self._parts[0].cluster))

    def _read_subjects(self) -> SubjectDrafts:
        root = None
        if isinstance(self._source, SourceRepository):
            repository = self._metadata.target.repository
            root = repository.root if repository else ""
        reader = SubjectReader(self._resources, root)
        drafts = SubjectDrafts()
        for part in self._parts:
            for result in part.results or ():
                if reader.is_about_packages(result.id):
                    continue
                draft = reader.read(result.id)
                if draft is None:
                    self._nameless += 1
                else:
                    self._subjects += 1
                    self._read_controls(result.controls or (), drafts.add(draft))
        return drafts

    def _read_controls(self, controls: Iterable[ControlResult], draft: SubjectDraft) -> None:
        for control in controls:
            key = self._create_key(control.number)
            self._names.setdefault(key, control.name)
            status, detail = control.status.status, control.status.sub_status
            if status == FAILED or (status == PASSED and detail == EXCEPTED):
                draft.evaluated.add(key)
                add_evidence(draft.fail(key), control)
            elif status == PASSED and not detail:
                draft.evaluated.add(key)
            else:
                draft.skip(key, control.status.info or detail or status)

    def _create_key(self, name: str) -> str:
        is_shared = self._is_own or _SHARED_ID.fullmatch(name)
        return shorten(name if is_shared else f"{_PREFIX}{name}")

    def _build_scope(self, definitions: Iterable[str]) -> EvaluatedScope:
        scan = self._metadata.scan
        return EvaluatedScope(
            definitions=tuple(sorted(definitions)),
            include_namespaces=_split(scan.included),
            exclude_namespaces=_split(scan.excluded),
            is_partial=self._is_partial(),
        )

    def _is_partial(self) -> bool:
        """Return True if resources that the report does not have may exist in the source."""
        names = {name.lower() for name in self._metadata.scan.names or ()}
        is_selection = any(part.kubekeep is not None and part.kubekeep.choice for part in self._parts)
        is_repository = isinstance(self._source, SourceRepository)
        # The operator scans single resources after each change, and the reports do not say so.
        is_of_one = self._subjects <= 1 and not is_repository
        return _WORKLOAD_SCAN in names or is_selection or is_of_one or (is_repository and not self._is_named)

    def _describe_definitions(self, scope: frozenset[str]) -> Iterator[DefinitionEntry]:
        """Yield the definitions of the scope, and of the controls that were not evaluated."""
        totals = {self._create_key(name): (name, total) for name, total in self._totals.items()}
        for key in sorted({*scope, *self._names, *(self._create_key(name) for name, _ in self._list_skipped(scope))}):
            name, total = totals.get(key) or (key.removeprefix(_PREFIX), ControlTotal(self._names.get(key, "")))
            definition = create_definition(
                key,
                name,
                Severity.from_score(total.factor),
                kind=FindingKind.MISCONFIGURATION,
                title=total.name,
                score=total.factor,
            )
            page = total.documentation if is_link(total.documentation) else ""
            yield msgspec.structs.replace(definition, page=page)

    def _list_skipped(self, scope: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Yield the controls that were evaluated on no resource, with the reason."""
        for name, total in sorted(self._totals.items()):
            is_skipped = total.status.status not in (PASSED, FAILED) or total.status.sub_status
            if self._create_key(name) not in scope and is_skipped:
                yield name, self._unevaluated.get(name) or total.status.info or total.status.sub_status or _IRRELEVANT

    def _list_gaps(self, scope: frozenset[str]) -> Iterator[GapEntry]:
        for coverage in self._coverage:
            for unlisted in (*(coverage.failed or ()), *(coverage.partial or ())):
                message = f"cannot list {unlisted.type}: {unlisted.error}"
                for hidden in _hide(unlisted.type):
                    yield GapEntry(shorten(message, MAX_TEXT), hides=hidden)
        if self._nameless:
            yield GapEntry(f"{self._nameless} results name no resource", hides=HiddenObjects())
        incomplete = sorted(name for name, total in self._totals.items() if total.status.sub_status == _INCOMPLETE)
        if incomplete:
            names = shorten(", ".join(incomplete))
            yield GapEntry(f"not all resources could be listed for {names}", hides=HiddenObjects())
        for part in self._parts:
            yield from map(self._describe_unread, (part.kubekeep.unread or ()) if part.kubekeep else ())
        for name, reason in self._list_skipped(scope):
            yield GapEntry(shorten(reason, MAX_TEXT), definition=self._create_key(name))

    def _describe_unread(self, unread: UnreadPart) -> GapEntry:
        file = shorten(unread.file)
        hides = HiddenObjects(origin=file) if isinstance(self._source, SourceRepository) else HiddenObjects()
        return GapEntry(shorten(unread.message, MAX_TEXT), location=EvidenceLocation(file), hides=hides)


def _find_metadata(parts: Sequence[PostureReport]) -> ReportMetadata:
    """Return the metadata of the first part that has some."""
    empty = ReportMetadata()
    return next((part.metadata for part in parts if part.metadata != empty), empty)


def _split(names: Iterable[str] | None) -> tuple[str, ...]:
    """Return namespaces, which Kubescape also writes separated by commas."""
    return tuple(shorten(part.strip()) for name in names or () for part in name.split(",") if part.strip())


def _hide(resource_type: str) -> Iterator[HiddenObjects]:
    """Yield the objects of a resource type: `apps/v1/deployments`, or `v1/pods` of the core group."""
    *groups, plural = resource_type.strip("/").split("/")
    group = groups[0] if len(groups) > 1 else ""
    kinds = [kind for (of, kind), known in BUILTIN_TYPES.items() if (of, known.plural) == (group, plural)]
    for kind in kinds or (ANY,):
        yield HiddenObjects(shorten(group), kind)

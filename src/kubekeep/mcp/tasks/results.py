"""Tasks of the tools that read a Kubekeep server: bounded lists in the scope of the user. They change nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar, cast

import msgspec

from kubekeep.mcp.answers import UntrustedText
from kubekeep.mcp.results_answers import (
    DecisionsAnswer,
    DecisionText,
    EvidenceEntry,
    FindingAnswer,
    FindingsAnswer,
    FindingText,
    LevelName,
    ListedVulnerabilityEntry,
    PackagesAnswer,
    StoredDecision,
    StoredFinding,
    StoredFindingText,
    VersionEntry,
    VersionText,
    VulnerabilitiesAnswer,
    VulnerabilityText,
    WorkloadEntry,
    WorkloadsAnswer,
    WorkloadText,
)
from kubekeep.mcp.tasks.task_input import TaskError
from kubekeep.mcp.text import clean
from kubekeep.model.errors import KubekeepError
from kubekeep.model.finding_document import EvidenceDocument, name_subject
from kubekeep.model.finding_key import FindingKey
from kubekeep.model.server_details import DecisionResult, PackageVersion
from kubekeep.model.server_results import (
    FindingResult,
    ListedSubject,
    PackageResult,
    VulnerabilityResult,
    WorkloadResult,
)
from kubekeep.uplink.selection import ServerOptions
from kubekeep.usecases.server_results import (
    FindingSelection,
    ServerResults,
    describe_exposure,
    get_key,
    is_exposed,
    open_results,
)
from kubekeep.usecases.submission import find_server

_MAX_ENTRIES: Final = 1_000
"""Entries of an answer."""
_MAX_PACKAGES: Final = 20
_MAX_VERSIONS: Final = 100
_MAX_LISTED: Final = 10
_TEXT, _NAME = 500, 200
"""Maximum characters of texts."""
_LEVELS: Final = ("low", "medium", "high", "critical")
T = TypeVar("T")


class FindingQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of findings. sources: names or keys."""

    sources: tuple[str, ...]
    selection: FindingSelection


class WorkloadQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Containers with a package or a vulnerability. package: a part of the name. below: a version, or empty for all."""

    package: str = ""
    below: str = ""
    vulnerability: str = ""
    exposed: bool | None = None


class _PackageUse(msgspec.Struct, frozen=True):
    """A package that a container has. is_compared: False if it is not known whether the version is below the requested one."""

    name: str = ""
    version: str = ""
    is_compared: bool = True


_NO_PACKAGE: Final = _PackageUse()


def run_list_findings(server: ServerOptions, query: FindingQuery) -> FindingsAnswer:
    """Return findings, the most urgent first."""
    with _open(server) as results:
        numbers = tuple(source.id for source in results.find_sources(query.sources))
        selection = msgspec.structs.replace(query.selection, source=numbers)
        listed = results.list_findings(selection, "", _MAX_ENTRIES)
    return FindingsAnswer(
        total_entries=len(listed.findings),
        complete=listed.is_exact and listed.total == len(listed.findings),
        findings=listed.total,
        findings_exact=listed.is_exact,
        entries=[_describe_finding(finding) for finding in listed.findings],
    )


def run_get_finding(server: ServerOptions, text: str) -> FindingAnswer:
    """Return a finding with its evidence."""
    key = FindingKey.parse(text)
    if key is None:
        raise TaskError("`key` is not a finding; use `key` of an entry of `list_findings`")
    with _open(server) as results:
        details = results.get_finding(key)
        url = results.describe_finding(key)
    finding, subject = details.finding, details.subject
    definition, detail, decision = finding.definition, finding.detail, details.decision
    priority = (detail and detail.priority) or definition.priority
    evidence = detail.evidence[:_MAX_ENTRIES] if detail else ()
    kind, namespace, name = name_subject(subject.entry.subject)
    return FindingAnswer(
        total_entries=len(evidence),
        key=str(key),
        url=url,
        priority=_level(finding.priority),
        severity=_level(definition.severity),
        opened=_day(finding.opened),
        unknown_since=_day(finding.unknown_since),
        earlier=[f"{_day(one.opened)} to {_day(one.closed)}" for one in details.earlier[:_MAX_LISTED]],
        untrusted=FindingText(
            control=clean(definition.id, _NAME),
            title=clean(definition.title, _NAME),
            source=clean(f"{subject.source_name} {subject.branch}".rstrip(), _NAME),
            subject=clean(f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}", _NAME),
            reasons=_clean_all(priority.reasons if priority else ()),
            remediation=clean(definition.remediation, _TEXT),
            references=_clean_all(definition.references),
            decision=clean(f"{decision.id} {decision.kind}: {decision.reason}", _TEXT) if decision else "",
        ),
        entries=[EvidenceEntry(untrusted=_describe_evidence(one)) for one in evidence],
    )


def run_list_workloads(server: ServerOptions, query: WorkloadQuery) -> WorkloadsAnswer:
    """Return the containers with a package or a vulnerability."""
    packages: list[UntrustedText] = []
    complete = True
    with _open(server) as results:
        if query.vulnerability:
            workloads = _select_exposure(results.iterate_affected_workloads(query.vulnerability), query.exposed)
            rows, complete = _read(_describe_workload(workload, results) for workload in workloads)
        else:
            versions, complete = _find_versions(results, query.package, query.below)
            packages = _name_packages(versions)
            rows = []
            for package, version in versions:
                if query.below and version.is_below is False:
                    continue
                workloads = _select_exposure(results.iterate_package_workloads(version), query.exposed)
                use = _PackageUse(package.name, version.version, not query.below or version.is_below is not None)
                entries = (_describe_workload(each, results, use) for each in workloads)
                more, is_whole = _read(entries, _MAX_ENTRIES - len(rows))
                rows += more
                complete = complete and is_whole
    rows.sort(key=lambda row: not row.exposed)
    return WorkloadsAnswer(total_entries=len(rows), complete=complete, untrusted_packages=packages, entries=rows)


def run_list_packages(server: ServerOptions, text: str, below: str) -> PackagesAnswer:
    """Return the versions of packages in use."""
    with _open(server) as results:
        versions, complete = _find_versions(results, text, below)
    entries = [
        VersionEntry(
            images=version.images,
            below=version.is_below,
            untrusted=VersionText(
                type=clean(package.type, _NAME), name=clean(package.name, _NAME), version=clean(version.version, _NAME)
            ),
        )
        for package, version in versions
    ]
    return PackagesAnswer(total_entries=len(entries), complete=complete, entries=entries)


def run_list_vulnerabilities(
    server: ServerOptions, sources: tuple[str, ...], filters: dict[str, Any]
) -> VulnerabilitiesAnswer:
    """Return vulnerabilities of images, the most urgent first."""
    with _open(server) as results:
        numbers = tuple(source.id for source in results.find_sources(sources))
        rows = results.iterate_vulnerabilities(source=numbers, **filters)
        entries, complete = _read(map(_describe_vulnerability, rows))
    return VulnerabilitiesAnswer(total_entries=len(entries), complete=complete, entries=entries)


def run_list_decisions(server: ServerOptions, states: tuple[str, ...]) -> DecisionsAnswer:
    """Return decisions, the newest first."""
    with _open(server) as results:
        entries, complete = _read(map(_describe_decision, results.iterate_decisions(states)))
    return DecisionsAnswer(total_entries=len(entries), complete=complete, entries=entries)


@contextlib.contextmanager
def _open(server: ServerOptions) -> Iterator[ServerResults]:
    """Open the results of a server. Raises TaskError for its errors."""
    try:
        with open_results(find_server(server)) as results:
            yield results
    except KubekeepError as error:
        raise TaskError(clean(str(error), _TEXT)) from error


def _read(rows: Iterable[T], limit: int = _MAX_ENTRIES) -> tuple[list[T], bool]:
    """Return the first rows, and True if there are no more."""
    first = list(itertools.islice(rows, limit + 1))
    return first[:limit], len(first) <= limit


def _find_versions(
    results: ServerResults, text: str, below: str
) -> tuple[list[tuple[PackageResult, PackageVersion]], bool]:
    """Return the versions in use of packages with a text in their names, and True if these are all."""
    packages, has_all = _read(results.iterate_packages(text), _MAX_PACKAGES)
    if not packages:
        raise TaskError(f"no image in the scope of the user has a package with {clean(text, _NAME)!r} in its name")
    pairs = [(package, version) for package in packages for version in results.list_package_versions(package, below)]
    return pairs[:_MAX_VERSIONS], has_all and len(pairs) <= _MAX_VERSIONS


def _select_exposure(workloads: Iterable[WorkloadResult], exposed: bool | None) -> Iterator[WorkloadResult]:  # noqa: FBT001
    """Return the workloads that can be reached, which are first, the others, or all."""
    if exposed:
        return itertools.takewhile(lambda workload: is_exposed(workload.exposure), workloads)
    return (workload for workload in workloads if exposed is None or not is_exposed(workload.exposure))


def _name_packages(versions: Iterable[tuple[PackageResult, PackageVersion]]) -> list[UntrustedText]:
    texts = [f"{package.type} {package.name} {version.version}" for package, version in versions]
    return [UntrustedText(text=clean(text, _NAME)) for text in texts]


def _describe_finding(finding: FindingResult) -> StoredFinding:
    return StoredFinding(
        key=str(get_key(finding)),
        priority=_level(finding.priority),
        severity=_level(finding.severity),
        exposure=describe_exposure(finding.exposure),
        opened=_day(finding.opened),
        decision=finding.decision,
        untrusted=StoredFindingText(
            control=clean(finding.definition, _NAME),
            title=clean(finding.title, _NAME),
            source=_name_source(finding),
            namespace=clean(finding.namespace, _NAME),
            kind=clean(finding.kind, _NAME),
            name=clean(finding.name, _NAME),
            owner=clean(finding.owner, _NAME),
            remediation=clean(finding.remediation, _TEXT),
        ),
    )


def _describe_workload(
    workload: WorkloadResult, results: ServerResults, use: _PackageUse = _NO_PACKAGE
) -> WorkloadEntry:
    return WorkloadEntry(
        exposed=is_exposed(workload.exposure),
        exposure=describe_exposure(workload.exposure),
        compared=use.is_compared,
        url=results.describe_workload(workload.source, workload.subject),
        untrusted=WorkloadText(
            source=_name_source(workload),
            namespace=clean(workload.namespace, _NAME),
            kind=clean(workload.kind, _NAME),
            name=clean(workload.name, _NAME),
            container=clean(workload.container, _NAME),
            image=clean(workload.digest, _NAME),
            package=clean(use.name, _NAME),
            version=clean(use.version, _NAME),
        ),
    )


def _describe_vulnerability(row: VulnerabilityResult) -> ListedVulnerabilityEntry:
    return ListedVulnerabilityEntry(
        priority=_level(row.priority),
        severity=_level(row.severity),
        epss=row.epss,
        exploited=row.is_exploited,
        exposed=is_exposed(row.exposure),
        images=row.images,
        untrusted=VulnerabilityText(
            id=clean(row.id, _NAME),
            title=clean(row.title, _NAME),
            packages=_clean_all(row.packages),
            fixed_versions=_clean_all(row.fixed_versions),
        ),
    )


def _describe_decision(decision: DecisionResult) -> StoredDecision:
    scope = msgspec.to_builtins(decision.scope)
    return StoredDecision(
        id=decision.id,
        kind=decision.kind.value,
        state=decision.state.value,
        expires=_day(decision.expires),
        due=_day(decision.due),
        untrusted=DecisionText(
            scope=[clean(f"{name}: {', '.join(values)}", _TEXT) for name, values in scope.items()],
            titles=_clean_all(decision.titles),
            reason=clean(decision.reason, _TEXT),
            author=clean(decision.author, _NAME),
            owner=clean(decision.owner, _NAME),
            approver=clean(decision.approver, _NAME),
        ),
    )


def _describe_evidence(evidence: EvidenceDocument) -> list[str]:
    location, package = evidence.location, evidence.package
    texts = [
        evidence.path,
        f"{location.file}:{location.line}" if location else "",
        evidence.message,
        f"{package.name} {package.version}, fixed in {package.fixed_version or 'no version'}" if package else "",
        f"delete {evidence.path}" if evidence.delete else f"set to {evidence.fix}" if evidence.fix else "",
    ]
    return [clean(text, _TEXT) for text in texts if text]


def _name_source(subject: ListedSubject) -> str:
    return clean(f"{subject.source_name} {subject.branch}".rstrip(), _NAME)


def _clean_all(texts: Iterable[str]) -> list[str]:
    return [clean(text, _NAME) for text in itertools.islice(texts, _MAX_LISTED)]


def _level(text: str) -> LevelName:
    return cast("LevelName", text) if text in _LEVELS else "unknown"


def _day(moment: dt.datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else ""

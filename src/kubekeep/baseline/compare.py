"""Compare what two scans found: new, resolved, unchanged, accepted or incomparable.

A finding is never resolved where nothing was looked at or where an exception covers it, and never new where the first
scan did not look. Pure; never reads a report and never decides a gate.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec

from kubekeep.baseline.looked import FAILED, PASSED, Looked, placed_alike
from kubekeep.model.assessment import Assessment, ControlSummary, ResourceResult
from kubekeep.model.comparison import (
    RESOURCE_SELECTION,
    TARGETS,
    TOOL,
    Comparison,
    Difference,
    FindingChange,
    RecordedFinding,
    ReportLocation,
    ScanRecord,
)
from kubekeep.model.finding import Evidence, Status, Verdict
from kubekeep.model.fingerprint import Granularity, Identity, format_stable_path

_Key: TypeAlias = tuple[Identity, str, str]
_ELSEWHERE = "{base} does not say in which other files the resource stood: make it anew by `kubekeep baseline create`"


class _Match(msgspec.Struct, frozen=True):
    """Findings of one identity in two scans: in both, told as the second has them, and in one of them alone.

    `moved` are in both, but in files that only one of the scans has.
    """

    both: list[RecordedFinding]
    moved: list[RecordedFinding]
    new: list[RecordedFinding]
    gone: list[RecordedFinding]


def scanned(assessment: Assessment, name: str = "this scan") -> ScanRecord:
    """What `assessment` found and looked at."""
    controls = {summary.control.slug: summary for summary in assessment.controls}
    findings: list[RecordedFinding] = []
    accepted: list[RecordedFinding] = []
    gaps: dict[Identity, set[str]] = {}
    resources: dict[Identity, set[str]] = {}
    for result, identity, copy in numbered(assessment.results):
        file = result.resource.source.path if result.resource.source else ""
        resources.setdefault(identity, set()).add(file)
        for slug, verdict in result.verdicts.items():
            summary = controls[slug]
            if verdict.status is Status.NOT_EVALUATED:
                gaps.setdefault(identity, set()).add(summary.control.id)
            elif verdict.status is Status.FAILED or verdict.is_excepted:
                head = RecordedFinding(
                    control=summary.control.id,
                    identity=identity,
                    file=file,
                    copy=copy,
                    title=summary.control.title,
                    level=summary.control.level,
                )
                if verdict.status is Status.FAILED:
                    findings += _findings(head, result, verdict.standing)
                if (excepted := verdict.excepted).evidence:
                    accepted += _findings(head, result, excepted)
    return ScanRecord(
        name=name,
        findings=tuple(findings),
        accepted=tuple(accepted),
        controls={summary.control.id: _unevaluated(summary) for summary in assessment.controls},
        gaps=gaps,
        resources=resources,
        unread=frozenset(item.location.file for item in assessment.unread),
        settings=_settings(assessment),
        pseudonyms=assessment.pseudonyms,
    )


def numbered(results: Iterable[ResourceResult]) -> Iterator[tuple[ResourceResult, Identity, int]]:
    """Each result with the identity of its resource and the number of that identity within its file, from 0."""
    seen: Counter[tuple[Identity, str]] = Counter()
    for result in results:
        identity = Identity.of(result.resource)
        key = identity, result.resource.source.path if result.resource.source else ""
        yield result, identity, seen[key]
        seen[key] += 1


def _findings(head: RecordedFinding, result: ResourceResult, verdict: Verdict) -> Iterator[RecordedFinding]:
    """One for each place; a failure without any is one of the whole resource."""
    name = result.resource.id
    for evidence in verdict.evidence or (Evidence("", exists=False),):
        location = evidence.location or result.resource.locate(())
        place = ReportLocation(evidence.path, _entry(evidence), name, location)
        path = format_stable_path(result.resource, evidence.path)
        exception = evidence.exception.name if evidence.exception else ""
        yield msgspec.structs.replace(head, path=path, place=place, exception=exception)


def _entry(evidence: Evidence) -> str:
    if evidence.fix is not None:
        return "fixPath"
    return "deletePath" if evidence.delete else "reviewPath"


def _unevaluated(summary: ControlSummary) -> str:
    """Why a control was evaluated on nothing; empty where it was, or where the verdicts on resources tell."""
    if not summary.is_gap or summary.counts.not_evaluated:
        return ""
    return (summary.reason.text if summary.reason else "") or "no reason is known"


def _settings(assessment: Assessment) -> dict[str, str]:
    return {
        TOOL: f"kubekeep {assessment.version}",
        "frameworks": ", ".join(sorted(item.framework.name for item in assessment.frameworks)),
        "Kubernetes version": assessment.kubernetes_version,
        TARGETS: ", ".join(assessment.target.paths),
        RESOURCE_SELECTION: str(assessment.choice),
        "parameters": said_params(assessment.set_params),
    }


def said_params(params: Mapping[str, Sequence[str]]) -> str:
    """Parameters of controls as settings hold them."""
    return "; ".join(f"{name}={','.join(values)}" for name, values in sorted(params.items()) if values)


def compare(base: ScanRecord, head: ScanRecord, granularity: Granularity = Granularity.EVIDENCE) -> Comparison:
    """What became of each finding from `base` to `head`.

    Findings are the same by identity of the resource, control and place. Where several resources have one identity,
    those in the same file belong together, however many of them that file has, then those whose files have gone and
    come, in the order of the files.
    """
    found = _by_control(placed_alike(base, head), head, granularity)
    if granularity is Granularity.RESOURCE:
        found = _by_resource(found)
    found = sorted(found, key=_order)
    parts = {change: tuple(item for item in found if item.change is change) for change in FindingChange}
    return Comparison(
        base=base.name,
        head=head.name,
        granularity=granularity,
        new=parts[FindingChange.NEW],
        resolved=parts[FindingChange.RESOLVED],
        unchanged=parts[FindingChange.UNCHANGED],
        incomparable=parts[FindingChange.INCOMPARABLE],
        accepted=parts[FindingChange.ACCEPTED],
        warnings=tuple(_warnings(base, head)),
    )


def _order(item: Difference) -> tuple[int, str, str, Identity, str, int]:
    finding = item.finding
    return -finding.level, finding.control, finding.file, finding.identity, finding.path, finding.copy


def _warnings(base: ScanRecord, head: ScanRecord) -> Iterator[str]:
    for what, said in base.settings.items():
        other = head.settings.get(what)
        if other is not None and other != said:
            yield f"{what}: {said or 'none'} in {base.name}, {other or 'none'} in {head.name}"


def _by_control(base: ScanRecord, head: ScanRecord, granularity: Granularity) -> list[Difference]:
    """The differences by place, or by control and resource."""
    before, after = _grouped(base.findings, granularity), _grouped(head.findings, granularity)
    excepted = _grouped(head.accepted, granularity)
    sides = Looked(base, head), Looked(head, base)
    found: list[Difference] = []
    for key in {**before, **after}:
        match = _paired(before.get(key, []), after.get(key, []), sides)
        excused = _paired(match.gone, excepted.get(key, []), sides)
        found += (Difference(FindingChange.UNCHANGED, item, FAILED, FAILED) for item in match.both)
        found += (_moved(item, base) for item in match.moved)
        found += (_accepted(item) for item in (*excused.both, *excused.moved))
        found += (_difference(FindingChange.NEW, item, sides[0], FAILED) for item in match.new)
        found += (_difference(FindingChange.RESOLVED, item, sides[1], FAILED) for item in excused.gone)
    return found


def _moved(finding: RecordedFinding, base: ScanRecord) -> Difference:
    """A finding in another file than before: known, unless it may have been a good twin of the known one."""
    if base.resources is not None:
        return Difference(FindingChange.UNCHANGED, finding, FAILED, FAILED)
    return Difference(FindingChange.INCOMPARABLE, finding, FAILED, FAILED, _ELSEWHERE.format(base=base.name))


def _accepted(finding: RecordedFinding) -> Difference:
    reason = f"accepted by {finding.exception}" if finding.exception else "accepted"
    return Difference(FindingChange.ACCEPTED, finding, FAILED, PASSED, reason)


def _grouped(findings: Iterable[RecordedFinding], granularity: Granularity) -> dict[_Key, list[RecordedFinding]]:
    groups: dict[_Key, list[RecordedFinding]] = defaultdict(list)
    seen = set()
    for item in findings:
        path = item.path if granularity is Granularity.EVIDENCE else ""
        key = item.identity, item.control, path
        if granularity is not Granularity.EVIDENCE:
            if (key, item.file, item.copy) in seen:
                continue
            seen.add((key, item.file, item.copy))
            item = msgspec.structs.replace(item, path="")  # noqa: PLW2901 - the same finding, told coarser
        groups[key].append(item)
    return groups


def _paired(old: Sequence[RecordedFinding], new: Sequence[RecordedFinding], sides: tuple[Looked, Looked]) -> _Match:
    """Which of `new` is which of `old`, all of one identity, control and place."""
    left: dict[str, list[RecordedFinding]] = defaultdict(list)
    for item in old:
        left[item.file].append(item)
    both: list[RecordedFinding] = []
    rest: list[RecordedFinding] = []
    for item in new:
        if left[item.file]:
            left[item.file].pop(0)
            both.append(item)
        else:
            rest.append(item)
    gone = [item for items in left.values() for item in items]
    # A file that is still there, or was there before, is no new name of another one.
    moved = [item for item in gone if sides[1].lacks(item)]
    come = [item for item in rest if sides[0].lacks(item)]
    moved.sort(key=lambda item: (item.file, item.copy))
    come.sort(key=lambda item: (item.file, item.copy))
    many = min(len(moved), len(come))
    taken = {id(item) for item in (*moved[:many], *come[:many])}
    return _Match(
        both=both,
        moved=come[:many],
        new=[item for item in rest if id(item) not in taken],
        gone=[item for item in gone if id(item) not in taken],
    )


def _difference(change: FindingChange, finding: RecordedFinding, other: Looked, status: str) -> Difference:
    """The difference that `finding` is when the `other` side does not have it."""
    said, reason = other.status(finding)
    base, head = (said, status) if change is FindingChange.NEW else (status, said)
    return Difference(FindingChange.INCOMPARABLE if reason else change, finding, base, head, reason)


def _by_resource(found: Iterable[Difference]) -> list[Difference]:
    """The differences of controls, rolled up: one for all resources of one identity, at the worst severity."""
    groups: dict[Identity, list[Difference]] = defaultdict(list)
    for item in found:
        groups[item.finding.identity].append(item)
    return [_rolled(items) for items in groups.values()]


def _rolled(items: Sequence[Difference]) -> Difference:
    before, after = (any(getattr(item, side) == FAILED for item in items) for side in ("base", "head"))
    worst = max(items, key=lambda item: item.finding.level)
    finding = msgspec.structs.replace(
        worst.finding, control="", title="", place=ReportLocation(resource=worst.finding.place.resource)
    )
    holes = [item for item in items if item.change is FindingChange.INCOMPARABLE]
    base, head = FAILED if before else worst.base, FAILED if after else worst.head
    if before and after:
        return Difference(FindingChange.UNCHANGED, finding, base, head)
    if holes:
        return Difference(FindingChange.INCOMPARABLE, finding, base, head, holes[0].reason)
    excused = [item for item in items if item.change is FindingChange.ACCEPTED]
    if excused and not after:
        return Difference(FindingChange.ACCEPTED, finding, base, head, excused[0].reason)
    return Difference(FindingChange.NEW if after else FindingChange.RESOLVED, finding, base, head)


def marked(assessment: Assessment, comparison: Comparison) -> Assessment:
    """`assessment`, the head of `comparison`, with what became of each of its findings."""
    coarse = comparison.granularity is not Granularity.EVIDENCE
    changes: dict[tuple[Identity, str, int, str, str], list[FindingChange]] = defaultdict(list)
    for item in (*comparison.new, *comparison.unchanged, *comparison.incomparable):
        if item.head == FAILED:
            finding = item.finding
            changes[finding.identity, finding.file, finding.copy, finding.control, finding.path].append(item.change)
    ids = {summary.control.slug: summary.control.id for summary in assessment.controls}

    def change(result: ResourceResult, identity: Identity, copy: int, slug: str, path: str) -> FindingChange | None:
        file = result.resource.source.path if result.resource.source else ""
        if coarse:
            return next(iter(changes.get((identity, file, copy, ids[slug], ""), ())), None)
        left = changes.get((identity, file, copy, ids[slug], format_stable_path(result.resource, path)))
        return left.pop(0) if left else None

    results = []
    for result, identity, copy in numbered(assessment.results):
        verdicts = {
            slug: _changed(verdict, functools.partial(change, result, identity, copy, slug))
            for slug, verdict in result.verdicts.items()
        }
        results.append(msgspec.structs.replace(result, verdicts=verdicts))
    return msgspec.structs.replace(assessment, results=tuple(results), baseline=comparison)


def _changed(verdict: Verdict, change: Callable[[str], FindingChange | None]) -> Verdict:
    """`verdict` with what became of its places; what is waived is no finding."""
    if verdict.status is not Status.FAILED:
        return verdict
    evidence = tuple(
        item if item.exception else msgspec.structs.replace(item, change=change(item.path)) for item in verdict.evidence
    )
    return msgspec.structs.replace(verdict, evidence=evidence)

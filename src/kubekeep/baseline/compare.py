"""Compare the findings of two scans: new, resolved, unchanged, excepted or incomparable. No I/O.

A finding is never resolved if the second scan did not cover its location or an exception covers it, and never new if the
first scan did not cover its location. Files and targets are compared by name.
"""

from __future__ import annotations

import functools
import itertools
import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

import msgspec

from kubekeep.baseline.assessment_findings import number_results
from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.comparison import (
    RESOURCE_SELECTION,
    TARGETS,
    Comparison,
    Difference,
    FindingChange,
    RecordedFinding,
    ReportLocation,
    ScanRecord,
)
from kubekeep.model.fingerprint import Granularity, Identity, format_stable_path
from kubekeep.model.verdict import Status, Verdict

_Key: TypeAlias = tuple[Identity, str, str]
_ELSEWHERE: Final = (
    "{base} does not contain the other files of the resource: create it again with `kubekeep baseline create`"
)
FAILED, PASSED, SKIPPED, ABSENT = "failed", "passed", "skipped", "absent"
"""Status of a control on a resource in a scan, in Kubescape's words."""
_VARIABLE_SELECTIONS: Final = ("changed since", "workload")
_SHOWN: Final = 3
"""Maximum number of targets in a reason."""


class _PairedFindings(msgspec.Struct, frozen=True):
    """Findings of one identity, paired: in both scans (as in the second), or only in one of them.

    moved: in both, but in files that only one of the scans has.
    """

    both: list[RecordedFinding]
    moved: list[RecordedFinding]
    new: list[RecordedFinding]
    gone: list[RecordedFinding]


def compare(base: ScanRecord, head: ScanRecord, granularity: Granularity = Granularity.EVIDENCE) -> Comparison:
    """Compare the findings of two scans.

    Findings are equal by identity of the resource, control and path. Of several resources with one identity, those in
    the same file are paired first, then those whose file is in only one of the scans, ordered by file.
    """
    differences = _compare_by_control(align_files(base, head), head, granularity)
    if granularity is Granularity.RESOURCE:
        differences = _compare_by_resource(differences)
    differences = sorted(differences, key=_sort_key)
    parts = {
        change: tuple(difference for difference in differences if difference.change is change)
        for change in FindingChange
    }
    return Comparison(
        base=base.name,
        head=head.name,
        granularity=granularity,
        new=parts[FindingChange.NEW],
        resolved=parts[FindingChange.RESOLVED],
        unchanged=parts[FindingChange.UNCHANGED],
        incomparable=parts[FindingChange.INCOMPARABLE],
        excepted=parts[FindingChange.EXCEPTED],
        warnings=tuple(_find_setting_changes(base, head)),
    )


def _sort_key(difference: Difference) -> tuple[int, str, str, Identity, str, int]:
    finding = difference.finding
    return -finding.level, finding.control, finding.file, finding.identity, finding.path, finding.copy


def _find_setting_changes(base: ScanRecord, head: ScanRecord) -> Iterator[str]:
    for name, value in base.settings.items():
        other = head.settings.get(name)
        if other is not None and other != value:
            yield f"{name}: {value or 'none'} in {base.name}, {other or 'none'} in {head.name}"


def _compare_by_control(base: ScanRecord, head: ScanRecord, granularity: Granularity) -> list[Difference]:
    """Return the differences by path, or by control and resource."""
    before, after = _group(base.findings, granularity), _group(head.findings, granularity)
    excepted = _group(head.excepted, granularity)
    sides = ScanCoverage(base, head), ScanCoverage(head, base)
    differences: list[Difference] = []
    for key in {**before, **after}:
        match = _pair(before.get(key, []), after.get(key, []), sides)
        excused = _pair(match.gone, excepted.get(key, []), sides)
        differences += (Difference(FindingChange.UNCHANGED, finding, FAILED, FAILED) for finding in match.both)
        differences += (_make_moved(finding, base) for finding in match.moved)
        differences += (_make_excepted(finding) for finding in (*excused.both, *excused.moved))
        differences += (_make_difference(FindingChange.NEW, finding, sides[0], FAILED) for finding in match.new)
        differences += (_make_difference(FindingChange.RESOLVED, finding, sides[1], FAILED) for finding in excused.gone)
    return differences


def _make_moved(finding: RecordedFinding, base: ScanRecord) -> Difference:
    """Return the difference of a finding in another file: unchanged, unless the baseline omits other files."""
    if base.resources is not None:
        return Difference(FindingChange.UNCHANGED, finding, FAILED, FAILED)
    return Difference(FindingChange.INCOMPARABLE, finding, FAILED, FAILED, _ELSEWHERE.format(base=base.name))


def _make_excepted(finding: RecordedFinding) -> Difference:
    reason = f"excepted by exception {finding.exception}" if finding.exception else "excepted"
    return Difference(FindingChange.EXCEPTED, finding, FAILED, PASSED, reason)


def _group(findings: Iterable[RecordedFinding], granularity: Granularity) -> dict[_Key, list[RecordedFinding]]:
    groups: dict[_Key, list[RecordedFinding]] = defaultdict(list)
    seen = set()
    for finding in findings:
        path = finding.path if granularity is Granularity.EVIDENCE else ""
        key = finding.identity, finding.control, path
        if granularity is not Granularity.EVIDENCE:
            if (key, finding.file, finding.copy) in seen:
                continue
            seen.add((key, finding.file, finding.copy))
            finding = msgspec.structs.replace(finding, path="")  # noqa: PLW2901 - the same finding at a coarser granularity
        groups[key].append(finding)
    return groups


def _pair(
    old: Sequence[RecordedFinding], new: Sequence[RecordedFinding], sides: tuple[ScanCoverage, ScanCoverage]
) -> _PairedFindings:
    """Pair findings of one identity, control and path."""
    left: dict[str, list[RecordedFinding]] = defaultdict(list)
    for finding in old:
        left[finding.file].append(finding)
    both: list[RecordedFinding] = []
    rest: list[RecordedFinding] = []
    for finding in new:
        if left[finding.file]:
            left[finding.file].pop(0)
            both.append(finding)
        else:
            rest.append(finding)
    gone = [finding for findings in left.values() for finding in findings]
    # A file that both scans have was not rename.
    moved = [finding for finding in gone if sides[1].is_absent(finding)]
    appeared = [finding for finding in rest if sides[0].is_absent(finding)]
    moved.sort(key=lambda finding: (finding.file, finding.copy))
    appeared.sort(key=lambda finding: (finding.file, finding.copy))
    count = min(len(moved), len(appeared))
    paired = {id(finding) for finding in (*moved[:count], *appeared[:count])}
    return _PairedFindings(
        both=both,
        moved=appeared[:count],
        new=[finding for finding in rest if id(finding) not in paired],
        gone=[finding for finding in gone if id(finding) not in paired],
    )


def _make_difference(change: FindingChange, finding: RecordedFinding, other: ScanCoverage, status: str) -> Difference:
    """Return the difference of a finding that the other scan does not have."""
    other_status, reason = other.get_status(finding)
    base, head = (other_status, status) if change is FindingChange.NEW else (status, other_status)
    return Difference(FindingChange.INCOMPARABLE if reason else change, finding, base, head, reason)


def _compare_by_resource(differences: Iterable[Difference]) -> list[Difference]:
    """Return one difference for all resources of one identity, at the highest severity."""
    groups: dict[Identity, list[Difference]] = defaultdict(list)
    for difference in differences:
        groups[difference.finding.identity].append(difference)
    return [_merge(group) for group in groups.values()]


def _merge(differences: Sequence[Difference]) -> Difference:
    before, after = (
        any(getattr(difference, side) == FAILED for difference in differences) for side in ("base", "head")
    )
    worst = max(differences, key=lambda difference: difference.finding.level)
    finding = msgspec.structs.replace(
        worst.finding,
        control="",
        title="",
        report_location=ReportLocation(resource=worst.finding.report_location.resource),
    )
    incomparable = [difference for difference in differences if difference.change is FindingChange.INCOMPARABLE]
    base, head = FAILED if before else worst.base, FAILED if after else worst.head
    if before and after:
        return Difference(FindingChange.UNCHANGED, finding, base, head)
    if incomparable:
        return Difference(FindingChange.INCOMPARABLE, finding, base, head, incomparable[0].reason)
    excepted = [difference for difference in differences if difference.change is FindingChange.EXCEPTED]
    if excepted and not after:
        return Difference(FindingChange.EXCEPTED, finding, base, head, excepted[0].reason)
    return Difference(FindingChange.NEW if after else FindingChange.RESOLVED, finding, base, head)


def mark_changes(assessment: Assessment, comparison: Comparison) -> Assessment:
    """Return the assessment, the head of the comparison, with the change of each of its findings."""
    coarse = comparison.granularity is not Granularity.EVIDENCE
    changes: dict[tuple[Identity, str, int, str, str], list[FindingChange]] = defaultdict(list)
    for difference in (*comparison.new, *comparison.unchanged, *comparison.incomparable):
        if difference.head == FAILED:
            finding = difference.finding
            changes[finding.identity, finding.file, finding.copy, finding.control, finding.path].append(
                difference.change
            )
    ids = {summary.definition.slug: summary.definition.id for summary in assessment.summaries}

    def change(result: SubjectResult, identity: Identity, copy: int, slug: str, path: str) -> FindingChange | None:
        file = result.subject.source.path if result.subject.source else ""
        if coarse:
            return next(iter(changes.get((identity, file, copy, ids[slug], ""), ())), None)
        left = changes.get((identity, file, copy, ids[slug], format_stable_path(result.subject, path)))
        return left.pop(0) if left else None

    results = []
    for result, identity, copy in number_results(assessment.results):
        verdicts = {
            slug: _mark_verdict(verdict, functools.partial(change, result, identity, copy, slug))
            for slug, verdict in result.verdicts.items()
        }
        results.append(msgspec.structs.replace(result, verdicts=verdicts))
    return msgspec.structs.replace(assessment, results=tuple(results), baseline=comparison)


def _mark_verdict(verdict: Verdict, change: Callable[[str], FindingChange | None]) -> Verdict:
    """Return the verdict with the change of each piece of evidence; excepted evidence is no finding."""
    if verdict.status is not Status.FAILED:
        return verdict
    evidence = tuple(
        piece if piece.exception else msgspec.structs.replace(piece, change=change(piece.path))
        for piece in verdict.evidence
    )
    return msgspec.structs.replace(verdict, evidence=evidence)


class ScanCoverage:
    """Coverage of one scan: the status of findings that only the other scan has."""

    def __init__(self, scan: ScanRecord, other: ScanRecord) -> None:
        self.scan = scan
        selection = scan.settings.get(RESOURCE_SELECTION, "")
        # Changed files and the needs of a workload differ from scan to scan.
        is_same = selection == other.settings.get(RESOURCE_SELECTION) and not any(
            word in selection for word in _VARIABLE_SELECTIONS
        )
        self._selection = "" if is_same else selection
        self._targets = dict.fromkeys(_find_partial_targets(scan, other)).keys()
        self._unread = {posixpath.normpath(file) for file in scan.unread}
        self._unread_parents = {folder for file in self._unread for folder in _list_parents(file)}
        self._files = scan.files
        self._omits_resources = scan.only_failing or scan.resources is None
        self._evaluated_files, self._other_files = _list_files(scan), _list_files(other)
        self._failed: dict[tuple[Identity, str], set[str]] = defaultdict(set)
        for finding in scan.findings:
            self._failed[finding.identity, finding.control].add(finding.file)

    def covers(self, finding: RecordedFinding) -> bool:
        """Return True if the resource of the finding was evaluated, in its file."""
        return finding.file in self._evaluated_files.get(finding.identity, ())

    def is_absent(self, finding: RecordedFinding) -> bool:
        """Return True if the file of the finding was covered and does not contain the resource."""
        return not (self.covers(finding) or self._explain_unread(finding.file))

    def _explain_unread(self, file: str) -> str:
        """Return the reason if a file or the folder of a kustomization was not completely read, else "".

        Resources of a cluster, and results of several resources, have no file: any unread file may contain them.
        """
        if self._unread and not file:
            return f"{self.scan.name} could not read everything"
        path = posixpath.normpath(file)
        if path in self._unread_parents or not self._unread.isdisjoint(_list_parents(path)):
            return f"{self.scan.name} could not read {file}"
        if self._targets and self._targets.isdisjoint(_list_parents(path)):
            shown = f"{len(self._targets)} targets" if len(self._targets) > _SHOWN else ", ".join(self._targets)
            return f"{self.scan.name} evaluated only {shown}"
        return ""

    def get_status(self, finding: RecordedFinding) -> tuple[str, str]:
        """Return the status of a finding that this scan does not have, and the reason if it was not covered."""
        skipped = self._get_skipped(finding)
        if skipped:
            return skipped
        files = self._failed.get((finding.identity, finding.control), set())
        if self.covers(finding):
            return (FAILED if finding.file in files else PASSED), ""
        missed = self._explain_unread(finding.file)
        if not missed:
            # The resource may be in a file that the other scan does not have.
            known = self._other_files.get(finding.identity, frozenset())
            if files - known:
                return FAILED, ""
            if self._evaluated_files.get(finding.identity, frozenset()) - known:
                return PASSED, ""
        return ABSENT, missed or self._explain_unseen(finding)

    def _get_skipped(self, finding: RecordedFinding) -> tuple[str, str] | None:
        """Return the status and reason if the control was not selected or not evaluated, else None."""
        name, number = self.scan.name, finding.control
        reason = self.scan.controls.get(number)
        if reason is None:
            return ABSENT, f"{number} is not among the controls of {name}"
        if reason:
            return SKIPPED, f"{name} could not evaluate {number}: {reason}"
        if number in self.scan.gaps.get(finding.identity, ()):
            return SKIPPED, f"{name} could not evaluate {number} on this resource"
        return None

    def _explain_unseen(self, finding: RecordedFinding) -> str:
        """Return the reason if the scan may have missed a resource of a file it read; "" if it is not there."""
        name = self.scan.name
        if self.scan.unread and finding.file not in self._files and not self._omits_resources:
            return f"{name} could not read everything"
        return f"{name} evaluated only {self._selection}" if self._selection else ""


def align_files(base: ScanRecord, head: ScanRecord) -> ScanRecord:
    """Return base with the file names of head for files of its target, if both scans have a single target.

    The same files have different names in two checkouts, or for a folder named absolutely and as `.`.
    """
    (old, *more), (new, *others) = _list_targets(base), _list_targets(head)
    if more or others or not (old and new) or old == new or _is_below(old, new) or _is_below(new, old):
        return base

    def rename(file: str) -> str:
        if not file or not _is_below(file, old):
            return file
        within = posixpath.normpath(file)
        within = within if old == "." else within[len(old) :].lstrip("/")
        return posixpath.normpath(posixpath.join(new, within))

    resources = base.resources
    if resources is not None:
        resources = {identity: frozenset(map(rename, files)) for identity, files in resources.items()}
    return msgspec.structs.replace(
        base,
        findings=tuple(msgspec.structs.replace(finding, file=rename(finding.file)) for finding in base.findings),
        resources=resources,
        unread=frozenset(map(rename, base.unread)),
    )


def _list_files(scan: ScanRecord) -> Mapping[Identity, AbstractSet[str]]:
    """Return the files of each resource, as far as known."""
    if scan.resources is not None:
        return scan.resources
    files: dict[Identity, set[str]] = defaultdict(set)
    for finding in scan.findings:
        files[finding.identity].add(finding.file)
    return files


def _find_partial_targets(scan: ScanRecord, other: ScanRecord) -> tuple[str, ...]:
    """Return the targets if they may be another part of the other scan's files; () if they are the same.

    Also () if no target contains one of the other scan, as with two checkouts.
    """
    targets, other_targets = _list_targets(scan), _list_targets(other)
    if targets == other_targets or not (targets[0] and other_targets[0]):
        return ()
    pairs = itertools.product(targets, other_targets)
    return targets if any(_is_below(one, two) or _is_below(two, one) for one, two in pairs) else ()


def _list_targets(scan: ScanRecord) -> tuple[str, ...]:
    """Return the normalised targets; one empty target if unknown."""
    return tuple(posixpath.normpath(target) if target else "" for target in scan.settings.get(TARGETS, "").split(", "))


def _list_parents(path: str) -> Iterator[str]:
    """Yield the normalised path and its parent folders."""
    is_relative = not path.startswith(("/", ".."))
    while path not in {"", ".", "/"}:
        yield path
        path = posixpath.dirname(path)
    if is_relative:
        yield "."


def _is_below(path: str, folder: str) -> bool:
    """Return True if path is folder or inside it, by name."""
    path, folder = posixpath.normpath(path), posixpath.normpath(folder)
    if folder == ".":
        return not path.startswith(("/", ".."))
    return f"{path}/".startswith(f"{folder}/")

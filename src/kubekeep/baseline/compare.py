"""Compare what two scans found: new, resolved, unchanged, accepted or incomparable.

A finding is never resolved where nothing was looked at or where an exception covers it, and never new where the first
scan did not look. Pure; never reads a report and never decides a gate.
"""

from __future__ import annotations

import functools
import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

import msgspec

from kubekeep.baseline.assessment_findings import numbered
from kubekeep.model.assessment import Assessment, ResourceResult
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
from kubekeep.model.finding import Status, Verdict
from kubekeep.model.fingerprint import Granularity, Identity, format_stable_path

_Key: TypeAlias = tuple[Identity, str, str]
_ELSEWHERE: Final = (
    "{base} does not say in which other files the resource stood: make it anew by `kubekeep baseline create`"
)
FAILED, PASSED, SKIPPED, ABSENT = "failed", "passed", "skipped", "absent"
"""What a scan says of a control on a resource, in Kubescape's words."""
_PASSING: Final = ("changed since", "workload")
_SHOWN: Final = 3
"""Targets that a reason names."""


class _Match(msgspec.Struct, frozen=True):
    """Findings of one identity in two scans: in both, told as the second has them, and in one of them alone.

    `moved` are in both, but in files that only one of the scans has.
    """

    both: list[RecordedFinding]
    moved: list[RecordedFinding]
    new: list[RecordedFinding]
    gone: list[RecordedFinding]


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


class Looked:
    """What one scan looked at, ready to be asked."""

    def __init__(self, of: ScanRecord, other: ScanRecord) -> None:
        self.of = of
        choice = of.settings.get(RESOURCE_SELECTION, "")
        # What has changed, or what a workload needs, is not the same from scan to scan.
        alike = choice == other.settings.get(RESOURCE_SELECTION) and not any(word in choice for word in _PASSING)
        self._choice = "" if alike else choice
        self._targets = dict.fromkeys(_part(of, other)).keys()
        self._unread = {posixpath.normpath(file) for file in of.unread}
        self._holding = {folder for file in self._unread for folder in _way(file)}
        self._files = of.files
        self._silent = of.only_failing or of.resources is None
        self._judged, self._others = _judged(of), _judged(other)
        self._failed: dict[tuple[Identity, str], set[str]] = defaultdict(set)
        for item in of.findings:
            self._failed[item.identity, item.control].add(item.file)

    def has(self, finding: RecordedFinding) -> bool:
        """Whether the very resource of `finding`, in its file, was judged."""
        return finding.file in self._judged.get(finding.identity, ())

    def lacks(self, finding: RecordedFinding) -> bool:
        """Whether the file of `finding` was looked at, and the resource is not there."""
        return not (self.has(finding) or self._missed(finding.file))

    def _missed(self, file: str) -> str:
        """Why a file, or the folder of a kustomization, was not looked at as a whole; empty if it was.

        What is in a cluster or joined of several objects has no file: whatever was not read may have held it.
        """
        if self._unread and not file:
            return f"{self.of.name} could not read everything"
        path = posixpath.normpath(file)
        if path in self._holding or not self._unread.isdisjoint(_way(path)):
            return f"{self.of.name} could not read {file}"
        if self._targets and self._targets.isdisjoint(_way(path)):
            shown = f"{len(self._targets)} targets" if len(self._targets) > _SHOWN else ", ".join(self._targets)
            return f"{self.of.name} looked only at {shown}"
        return ""

    def status(self, finding: RecordedFinding) -> tuple[str, str]:
        """What this scan says of a finding that it does not have, and why it did not look if it did not."""
        skipped = self._skipped(finding)
        if skipped:
            return skipped
        files = self._failed.get((finding.identity, finding.control), set())
        if self.has(finding):
            return (FAILED if finding.file in files else PASSED), ""
        missed = self._missed(finding.file)
        if not missed:
            # It may stand in a file that the other scan does not know.
            known = self._others.get(finding.identity, frozenset())
            if files - known:
                return FAILED, ""
            if self._judged.get(finding.identity, frozenset()) - known:
                return PASSED, ""
        return ABSENT, missed or self._unseen(finding)

    def _skipped(self, finding: RecordedFinding) -> tuple[str, str] | None:
        """That the control was not asked for or not evaluated, if so."""
        name, number = self.of.name, finding.control
        told = self.of.controls.get(number)
        if told is None:
            return ABSENT, f"{number} is not among the controls of {name}"
        if told:
            return SKIPPED, f"{name} could not evaluate {number}: {told}"
        if number in self.of.gaps.get(finding.identity, ()):
            return SKIPPED, f"{name} could not evaluate {number} on this resource"
        return None

    def _unseen(self, finding: RecordedFinding) -> str:
        """Why this scan may not have seen the resource though it read the file; empty if it is not there."""
        name = self.of.name
        if self.of.unread and finding.file not in self._files and not self._silent:
            return f"{name} could not read everything"
        return f"{name} looked only at {self._choice}" if self._choice else ""


def placed_alike(base: ScanRecord, head: ScanRecord) -> ScanRecord:
    """`base` with its files named as `head` names those of its own target, where each scan has one.

    Two checkouts, or a folder by its name and by `.`, have the same files by different names then.
    """
    (old, *more), (new, *others) = _targets(base), _targets(head)
    if more or others or not (old and new) or old == new or _is_below(old, new) or _is_below(new, old):
        return base

    def renamed(file: str) -> str:
        if not file or not _is_below(file, old):
            return file
        within = posixpath.normpath(file)
        within = within if old == "." else within[len(old) :].lstrip("/")
        return posixpath.normpath(posixpath.join(new, within))

    resources = base.resources
    if resources is not None:
        resources = {identity: frozenset(map(renamed, files)) for identity, files in resources.items()}
    return msgspec.structs.replace(
        base,
        findings=tuple(msgspec.structs.replace(item, file=renamed(item.file)) for item in base.findings),
        resources=resources,
        unread=frozenset(map(renamed, base.unread)),
    )


def _judged(scan: ScanRecord) -> Mapping[Identity, AbstractSet[str]]:
    """The files of each resource, as far as is known."""
    if scan.resources is not None:
        return scan.resources
    found: dict[Identity, set[str]] = defaultdict(set)
    for item in scan.findings:
        found[item.identity].add(item.file)
    return found


def _part(of: ScanRecord, other: ScanRecord) -> tuple[str, ...]:
    """The targets of a scan if they may be another part of what the other looked at; empty if they are the same.

    Empty, too, where no target is within one of the other scan, as with two checkouts: there nothing can be inferred.
    """
    own, others = _targets(of), _targets(other)
    if own == others or not (own[0] and others[0]):
        return ()
    return own if any(_is_below(one, two) or _is_below(two, one) for one in own for two in others) else ()


def _targets(scan: ScanRecord) -> tuple[str, ...]:
    """One at least, which is empty where none is known."""
    return tuple(posixpath.normpath(target) if target else "" for target in scan.settings.get(TARGETS, "").split(", "))


def _way(path: str) -> Iterator[str]:
    """A path without needless steps, and the folders that it is in."""
    is_relative = not path.startswith(("/", ".."))
    while path not in {"", ".", "/"}:
        yield path
        path = posixpath.dirname(path)
    if is_relative:
        yield "."


def _is_below(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or in it, by their names alone."""
    path, folder = posixpath.normpath(path), posixpath.normpath(folder)
    if folder == ".":
        return not path.startswith(("/", ".."))
    return f"{path}/".startswith(f"{folder}/")

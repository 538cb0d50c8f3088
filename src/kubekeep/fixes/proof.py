"""Proof of changes by comparison of the assessments before and after them. Never scans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from kubekeep.fixes.proposed_changes import ControlFinding, ProposedChange, format_key
from kubekeep.model.assessment import Assessment, SubjectResult, UnreadInput
from kubekeep.model.location import Path, parse_path
from kubekeep.model.resource import Resource
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Cause, Status, Verdict

_NOT_RESOLVED: Final = "the change does not resolve the finding"

NameFile = Callable[[str], str]


class Proof:
    """Proposed changes, by number, checked against the assessment of the changed files.

    rejected: changes to drop, with the reason: no finding of the change is resolved, or a control fails that did not
    fail before.
    """

    def __init__(
        self, before: Assessment, after: Assessment, changes: Mapping[int, ProposedChange], name_file: NameFile
    ) -> None:
        self.after = after
        self._name_file = name_file
        self._changes = changes
        self._keys = {number: format_key(change.resource, name_file) for number, change in changes.items()}
        self._before = _index_by_key(before.results, name_file)
        self._after = _index_by_key(after.results, name_file)
        self._attempted = Counter(
            (self._format_key(finding.resource), finding.control.slug) for finding in _list_findings(changes.values())
        )
        self.rejected: dict[int, str] = {}
        self._check_unread((*before.unread, *before.unknown_fields), (*after.unread, *after.unknown_fields))
        self._check_new_failures({summary.definition.slug: summary.definition.id for summary in before.controls})
        for number, change in changes.items():
            if not any(self.resolves(finding) for finding in change.findings):
                reasons = {self.explain(finding) for finding in change.findings} - {""}
                self.rejected.setdefault(number, min(reasons, default=_NOT_RESOLVED))

    def resolves(self, finding: ControlFinding) -> bool:
        """Return True if a finding is resolved."""
        key, slug = self._format_key(finding.resource), finding.control.slug
        if key not in self._after:
            # Without a source: a subject removed from its binding. Else the file became unreadable.
            return finding.resource.source is None
        after = self._after[key].verdicts.get(slug)
        if after is None or after.status is Status.PASSED:
            return True
        if after.status is Status.NOT_EVALUATED:
            return False
        before, after = self._before[key].verdicts.get(slug, after).unexcepted, after.unexcepted
        if any(evidence.path == finding.evidence.path for evidence in after.evidence):
            # After a removal, the next item takes the index of the removed one.
            limit = len(before.evidence) - self._attempted[key, slug]
            return finding.evidence.delete and len(after.evidence) <= limit
        return True

    def explain(self, finding: ControlFinding) -> str:
        """Return why the change of a finding cannot be verified; empty if the control is evaluated after the change."""
        result = self._after.get(self._format_key(finding.resource))
        verdict = result.verdicts.get(finding.control.slug) if result else None
        if verdict is None or verdict.reason is None:
            return ""
        return f"the fix cannot be verified: {verdict.reason.text}"

    @property
    def numbers(self) -> list[int]:
        """The numbers of the compared changes."""
        return list(self._changes)

    def find_original(self, resource: Resource) -> Resource | None:
        """Return the resource before the changes that corresponds to one after them, or None."""
        result = self._before.get(self._format_key(resource))
        subject = result.subject if result else None
        return subject if isinstance(subject, Resource) else None

    def _format_key(self, resource: Subject) -> str:
        return format_key(resource, self._name_file)

    def _check_unread(self, before: Iterable[UnreadInput], after: Iterable[UnreadInput]) -> None:
        previous_errors = {(self._name_file(file.location.file), file.message) for file in before}
        for file in after:
            name = self._name_file(file.location.file)
            if (name, file.message) not in previous_errors:
                self._reject(name, f"the changed file could not be read: {file.message}")

    def _reject(self, name: str, reason: str) -> None:
        """Reject the changes in a file, or all changes if the file has none."""
        sources = {number: change.resource.source for number, change in self._changes.items()}
        numbers = [number for number, source in sources.items() if source and self._name_file(source.path) == name]
        for number in numbers or self._changes:
            self.rejected.setdefault(number, reason)

    def _check_new_failures(self, numbers: Mapping[str, str]) -> None:
        for key, result in self._after.items():
            before = self._before.get(key)
            for slug, verdict in result.verdicts.items():
                if _has_passed(verdict):
                    continue
                previous = before.verdicts.get(slug) if before else None
                if previous is None or _has_passed(previous) or _is_no_longer_evaluated(previous, verdict):
                    self._reject_causes(key, result.subject, verdict, numbers.get(slug, slug))

    def _reject_causes(self, key: str, resource: Subject, verdict: Verdict, number: str) -> None:
        """Reject the causes of a new failure: the nearest changes in the object, else all in the object, else all."""
        keys = {key, *(self._format_key(related) for related in resource.related)}
        paths = [parse_path(related.path) for related in verdict.evidence]
        ranked: dict[int, list[int]] = {}
        for index, change in self._changes.items():
            if self._keys[index] in keys:
                ranked.setdefault(max((_rank_nearness(change.path, path) for path in paths), default=0), []).append(
                    index
                )
        for index in ranked[max(ranked)] if ranked else self._changes:
            self.rejected.setdefault(index, f"{number} would fail after the change")


def _rank_nearness(path: Path, other: Path) -> int:
    """Rank two paths of one object: 2 if one contains the other, 1 for the same parent, 0 otherwise."""
    length = min(len(path), len(other))
    if length and path[:length] == other[:length]:
        return 2
    return int(path[:-1] == other[: len(path) - 1])


def _has_passed(verdict: Verdict) -> bool:
    """Return True for a pass, also for one that an unknown field beside it makes uncertain: it was there before."""
    uncertain = verdict.reason is not None and verdict.reason.cause is Cause.UNKNOWN_FIELD
    return verdict.status is Status.PASSED or uncertain


def _is_no_longer_evaluated(before: Verdict, after: Verdict) -> bool:
    return before.status is Status.FAILED and after.status is Status.NOT_EVALUATED


def _index_by_key(results: Iterable[SubjectResult], name_file: NameFile) -> dict[str, SubjectResult]:
    """Return the results by the key of their resource; see `format_key`."""
    by_key: dict[str, SubjectResult] = {}
    for result in results:
        by_key.setdefault(format_key(result.subject, name_file), result)
    return by_key


def _list_findings(changes: Iterable[ProposedChange]) -> list[ControlFinding]:
    """Return the findings of changes, each once."""
    return list({id(finding.evidence): finding for change in changes for finding in change.findings}.values())

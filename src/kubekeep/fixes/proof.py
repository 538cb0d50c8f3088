"""Proof of changes: the assessments before and after them compared. Never scans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from kubekeep.fixes.wanted_changes import ControlFinding, WantedChange, format_key
from kubekeep.model.assessment import Assessment, ResourceResult, UnreadInput
from kubekeep.model.finding import Status, Verdict
from kubekeep.model.location import Path, parse_path
from kubekeep.model.resource import Resource

_NOT_RESOLVED: Final = "the change does not mend it"

NameFile = Callable[[str], str]


class Proof:
    """Wanted changes, by number, compared with the assessment of the changed files.

    rejected: changes to drop, with the reason: no finding of the change is resolved, or a control fails that did not
    fail before.
    """

    def __init__(
        self, before: Assessment, after: Assessment, changes: Mapping[int, WantedChange], name: NameFile
    ) -> None:
        self.after = after
        self._name = name
        self._changes = changes
        self._keys = {number: format_key(change.resource, name) for number, change in changes.items()}
        self._before = _index_by_key(before.results, name)
        self._after = _index_by_key(after.results, name)
        self._attempted = Counter(
            (self._key(finding.resource), finding.control.slug) for finding in _list_findings(changes.values())
        )
        self.rejected: dict[int, str] = {}
        self._check_unread(before.unread, after.unread)
        self._check_new_failures({summary.control.slug: summary.control.id for summary in before.controls})
        for number, change in changes.items():
            if not any(self.resolves(finding) for finding in change.findings):
                self.rejected.setdefault(number, _NOT_RESOLVED)

    def resolves(self, finding: ControlFinding) -> bool:
        """Return True if a finding is resolved."""
        key, slug = self._key(finding.resource), finding.control.slug
        if key not in self._after:
            # A subject that was removed from its binding, or an object of a file that became unreadable.
            return finding.resource.source is None
        after = self._after[key].verdicts.get(slug)
        if after is None or after.status is Status.PASSED:
            return True
        if after.status is Status.NOT_EVALUATED:
            return False
        before, after = self._before[key].verdicts.get(slug, after).unexcepted, after.unexcepted
        if any(evidence.path == finding.evidence.path for evidence in after.evidence):
            # An item takes the index of a removed one before it.
            most = len(before.evidence) - self._attempted[key, slug]
            return finding.evidence.delete and len(after.evidence) <= most
        return True

    @property
    def numbers(self) -> list[int]:
        """The numbers of the compared changes."""
        return list(self._changes)

    def original(self, resource: Resource) -> Resource | None:
        """Return the object before the changes for one found after them."""
        result = self._before.get(self._key(resource))
        return result.resource if result else None

    def _key(self, resource: Resource) -> str:
        return format_key(resource, self._name)

    def _check_unread(self, before: Iterable[UnreadInput], after: Iterable[UnreadInput]) -> None:
        known = {(self._name(file.location.file), file.message) for file in before}
        for file in after:
            name = self._name(file.location.file)
            if (name, file.message) not in known:
                self._reject(name, f"the changed file could not be read: {file.message}")

    def _reject(self, name: str, reason: str) -> None:
        """Reject the changes in a file, or all if there are none in it."""
        sources = {number: change.resource.source for number, change in self._changes.items()}
        inside = [number for number, source in sources.items() if source and self._name(source.path) == name]
        for number in inside or self._changes:
            self.rejected.setdefault(number, reason)

    def _check_new_failures(self, numbers: Mapping[str, str]) -> None:
        for key, result in self._after.items():
            before = self._before.get(key)
            for slug, verdict in result.verdicts.items():
                if verdict.status is Status.PASSED:
                    continue
                known = before.verdicts.get(slug) if before else None
                if known is None or known.status is Status.PASSED or _is_no_longer_evaluated(known, verdict):
                    self._reject_causes(key, result.resource, verdict, numbers.get(slug, slug))

    def _reject_causes(self, key: str, resource: Resource, verdict: Verdict, number: str) -> None:
        """Reject the causes of a new failure: the nearest changes in the object, else all in the object, else all."""
        keys = {key, *(self._key(related) for related in resource.related)}
        paths = [parse_path(related.path) for related in verdict.evidence]
        ranked: dict[int, list[int]] = {}
        for index, change in self._changes.items():
            if self._keys[index] in keys:
                ranked.setdefault(max((_rank_nearness(change.path, path) for path in paths), default=0), []).append(
                    index
                )
        for index in ranked[max(ranked)] if ranked else self._changes:
            self.rejected.setdefault(index, f"{number} would fail then")


def _rank_nearness(path: Path, other: Path) -> int:
    """Rank two paths of one object: 2 if one contains the other, 1 for the same parent, 0 otherwise."""
    length = min(len(path), len(other))
    if length and path[:length] == other[:length]:
        return 2
    return int(path[:-1] == other[: len(path) - 1])


def _is_no_longer_evaluated(before: Verdict, after: Verdict) -> bool:
    return before.status is Status.FAILED and after.status is Status.NOT_EVALUATED


def _index_by_key(results: Iterable[ResourceResult], name: NameFile) -> dict[str, ResourceResult]:
    """Return the results by the location of their object."""
    by_key: dict[str, ResourceResult] = {}
    for result in results:
        by_key.setdefault(format_key(result.resource, name), result)
    return by_key


def _list_findings(changes: Iterable[WantedChange]) -> list[ControlFinding]:
    """Return the findings of changes, each once."""
    return list({id(finding.evidence): finding for change in changes for finding in change.findings}.values())

"""Whether changes do what they are for: two assessments compared, before and after. Values only; never scans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from kubekeep.fixes.wanted_changes import Finding, Wish, key_of
from kubekeep.model.assessment import Assessment, ResourceResult, Unread
from kubekeep.model.finding import Status, Verdict
from kubekeep.model.location import Path, parse_path
from kubekeep.model.resource import Resource

_NOT_MENDED: Final = "the change does not mend it"

Name = Callable[[str], str]


class Proof:
    """The changes of some wishes, by their numbers, judged by the assessment of the changed files.

    `refuted` are those that have to go, and why: no finding that asks for one is mended, or a control that did not
    fail now does.
    """

    def __init__(self, before: Assessment, after: Assessment, wishes: Mapping[int, Wish], name: Name) -> None:
        self.after = after
        self._name = name
        self._wishes = wishes
        self._keys = {number: key_of(wish.resource, name) for number, wish in wishes.items()}
        self._before = _by_key(before.results, name)
        self._after = _by_key(after.results, name)
        self._attempted = Counter(
            (self._key(finding.resource), finding.control.slug) for finding in _distinct(wishes.values())
        )
        self.refuted: dict[int, str] = {}
        self._judge_unread(before.unread, after.unread)
        self._judge_broken({summary.control.slug: summary.control.id for summary in before.controls})
        for number, wish in wishes.items():
            if not any(self.mends(finding) for finding in wish.findings):
                self.refuted.setdefault(number, _NOT_MENDED)

    def mends(self, finding: Finding) -> bool:
        """Whether a finding is gone."""
        key, slug = self._key(finding.resource), finding.control.slug
        if key not in self._after:
            # A subject that was removed from its binding, or an object whose file cannot be read any more.
            return finding.resource.source is None
        after = self._after[key].verdicts.get(slug)
        if after is None or after.status is Status.PASSED:
            return True
        if after.status is Status.NOT_EVALUATED:
            return False
        before, after = self._before[key].verdicts.get(slug, after).standing, after.standing
        if any(item.path == finding.evidence.path for item in after.evidence):
            # The next item of a list takes the number of one that was removed.
            most = len(before.evidence) - self._attempted[key, slug]
            return finding.evidence.delete and len(after.evidence) <= most
        return True

    @property
    def numbers(self) -> list[int]:
        """The numbers of the wishes that were judged."""
        return list(self._wishes)

    def original(self, resource: Resource) -> Resource | None:
        """The object before the changes of one that was found after them."""
        found = self._before.get(self._key(resource))
        return found.resource if found else None

    def _key(self, resource: Resource) -> str:
        return key_of(resource, self._name)

    def _judge_unread(self, before: Iterable[Unread], after: Iterable[Unread]) -> None:
        known = {(self._name(item.location.file), item.message) for item in before}
        for item in after:
            name = self._name(item.location.file)
            if (name, item.message) not in known:
                self._refute(name, f"the changed file could not be read: {item.message}")

    def _refute(self, name: str, reason: str) -> None:
        """Give up the changes in a file, or all if none is in it."""
        sources = {number: wish.resource.source for number, wish in self._wishes.items()}
        inside = [number for number, source in sources.items() if source and self._name(source.path) == name]
        for number in inside or self._wishes:
            self.refuted.setdefault(number, reason)

    def _judge_broken(self, numbers: Mapping[str, str]) -> None:
        for key, result in self._after.items():
            before = self._before.get(key)
            for slug, verdict in result.verdicts.items():
                if verdict.status is Status.PASSED:
                    continue
                known = before.verdicts.get(slug) if before else None
                if known is None or known.status is Status.PASSED or _is_lost(known, verdict):
                    self._blame(key, result.resource, verdict, numbers.get(slug, slug))

    def _blame(self, key: str, resource: Resource, verdict: Verdict, number: str) -> None:
        """Give up what made a control fail: the nearest changes in the object, else those in it, else all."""
        keys = {key, *(self._key(item) for item in resource.related)}
        paths = [parse_path(item.path) for item in verdict.evidence]
        ranked: dict[int, list[int]] = {}
        for index, wish in self._wishes.items():
            if self._keys[index] in keys:
                ranked.setdefault(max((_nearness(wish.path, path) for path in paths), default=0), []).append(index)
        for index in ranked[max(ranked)] if ranked else self._wishes:
            self.refuted.setdefault(index, f"{number} would fail then")


def _nearness(path: Path, other: Path) -> int:
    """How near two paths of one object are: one lies in the other, they have the same parent, or neither."""
    length = min(len(path), len(other))
    if length and path[:length] == other[:length]:
        return 2
    return int(path[:-1] == other[: len(path) - 1])


def _is_lost(before: Verdict, after: Verdict) -> bool:
    return before.status is Status.FAILED and after.status is Status.NOT_EVALUATED


def _by_key(results: Iterable[ResourceResult], name: Name) -> dict[str, ResourceResult]:
    """The results by the place of their object."""
    found: dict[str, ResourceResult] = {}
    for result in results:
        found.setdefault(key_of(result.resource, name), result)
    return found


def _distinct(wishes: Iterable[Wish]) -> list[Finding]:
    """The findings of wishes, each once."""
    return list({id(item.evidence): item for wish in wishes for item in wish.findings}.values())

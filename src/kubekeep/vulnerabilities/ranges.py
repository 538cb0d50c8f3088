"""Evaluation of the affected versions of an OSV record, as the schema defines it. Never compares ranges of type GIT.

The algorithm is `IsVulnerable` of https://ossf.github.io/osv-schema/#evaluation, with three additions. A listed version
matches with another spelling too. Events that name the same version apply in an order that keeps the intervals of the
record. An event that the scheme cannot read is above all versions, as in OSV's own tools: an unreadable fix leaves the
range open, an unreadable start leaves it empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from kubekeep.model.text import visible
from kubekeep.vulnerabilities.advisory import AffectedVersions, VersionRange
from kubekeep.vulnerabilities.versions.scheme import InvalidVersionError, VersionScheme
from kubekeep.vulnerabilities.versions.semver import SEMVER

VersionPosition = tuple[Any, ...]
"""The position of a version among others: before all, its key, or after all."""

_LOWEST: VersionPosition = (0,)
_HIGHEST: VersionPosition = (2,)
_PAIR = 2
_MAX_FIXES = 100
"""Fixes of a record to check; records have few, and each check reads all events."""
_CLOSES_FORMER, _INTRODUCES, _CLOSES = range(3)


class RangeMatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """The affected range that contains a version.

    range: as ">= 1.0, < 1.2.3", "<= 1.5.1", "all versions" or "listed version 1.0". fixed_version: the nearest version
    above the compared one that a `fixed` event of the record names and that the record does not affect; empty without
    one. last_affected: the last affected version, if the range ends with such an event.
    """

    range: str
    fixed_version: str = ""
    last_affected: str = ""


class IncomparableVersion(msgspec.Struct, frozen=True):
    """A version that could not be compared with a record, with the reason. Nothing is known about it."""

    reason: str


class RangeEvent(msgspec.Struct, frozen=True, gc=False):
    """An event of a range: its kind as in the schema, its text and its position."""

    kind: str
    text: str
    position: VersionPosition


def match_range(
    affected: AffectedVersions, version: str, scheme: VersionScheme
) -> RangeMatch | IncomparableVersion | None:
    """Compare a version with the affected versions of a record. None: the record does not affect the version."""
    timelines, reason = _read_ranges(affected, version, scheme)
    matching = [timeline for timeline in timelines if timeline.contains(version)]
    if not matching and version not in affected.versions:
        reason = reason or (_explain_incomparable(scheme.key, version, scheme) if affected.versions else "")
        if reason:
            return IncomparableVersion(reason)
        if not _has_equal(affected.versions, version, scheme):
            return None
    fixed_version = _find_fix(matching, timelines, affected.versions, version)
    if not matching:
        return RangeMatch(f"listed version {version}", fixed_version)
    text, last_affected = matching[0].describe(version)
    return RangeMatch(text, fixed_version, last_affected)


class Timeline:
    """The events of a range in the order of versions."""

    def __init__(self, affected_range: VersionRange, order: Callable[[str], Any]) -> None:
        self.type = affected_range.type
        self._order = order
        events = list(self._list_events(affected_range))
        self._limits = [event for event in events if event.kind == "limit"]
        if self._limits:
            events = [event for event in events if event.kind != "limit"]
        if len(events) == _PAIR and events[0].position < events[1].position:
            # Most ranges are two events in order.
            self._events = events
            return
        ranked = [
            (event.position, _rank(event, events[index - 1] if index else None), index)
            for index, event in enumerate(events)
        ]
        self._events = [events[index] for _, _, index in sorted(ranked)]

    def contains(self, version: str) -> bool:
        """Return True if the range affects the version."""
        position = self.get_position(version)
        if self._limits and not any("*" in limit.text or position < limit.position for limit in self._limits):
            return False
        is_affected = False
        for event in self._events:
            if event.kind == "introduced":
                is_affected = is_affected or position >= event.position
            elif is_affected:
                is_affected = not _closes(event, position)
        return is_affected

    def describe(self, version: str) -> tuple[str, str]:
        """Return the interval that contains the version as a text, and the last affected version if it ends with one."""
        position = self.get_position(version)
        start, end = self._find_interval(position)
        parts = [f">= {start.text}"] if start and start.position != _LOWEST else []
        if end:
            parts.append(f"{'<' if end.kind == 'fixed' else '<='} {end.text}")
        elif limits := [limit for limit in self._limits if "*" not in limit.text and position < limit.position]:
            parts.append(f"< {min(limits, key=lambda limit: limit.position).text}")
        return ", ".join(parts) or "all versions", end.text if end and end.kind == "last_affected" else ""

    def list_fixes(self, version: str) -> Iterator[RangeEvent]:
        """Yield the `fixed` events above the version, lowest first."""
        position = self.get_position(version)
        return (event for event in self._events if event.kind == "fixed" and position < event.position < _HIGHEST)

    def _find_interval(self, position: VersionPosition) -> tuple[RangeEvent | None, RangeEvent | None]:
        """Return the events that start and end the interval with an affected position; None for an open end."""
        start: RangeEvent | None = None
        end: RangeEvent | None = None
        for event in self._events:
            if event.kind == "introduced":
                if start is None and position >= event.position:
                    start = event
            elif _closes(event, position):
                start = end = None
            elif start:
                end = end or event
        return start, end

    def get_position(self, text: str) -> VersionPosition:
        """Return the position of a version; one that cannot be read is above all others."""
        try:
            return 1, self._order(text)
        except InvalidVersionError:
            return _HIGHEST

    def _list_events(self, affected_range: VersionRange) -> Iterator[RangeEvent]:
        for event in affected_range.events:
            if event.introduced:
                yield self._create_event("introduced", event.introduced)
            if event.fixed:
                yield self._create_event("fixed", event.fixed)
            if event.last_affected:
                yield self._create_event("last_affected", event.last_affected)
            if event.limit:
                yield self._create_event("limit", event.limit)

    def _create_event(self, kind: str, text: str) -> RangeEvent:
        return RangeEvent(kind, text, _LOWEST if text == "0" else self.get_position(text))


def _rank(event: RangeEvent, former: RangeEvent | None) -> int:
    """Return the rank of an event among those that name the same version.

    The end of an interval that starts elsewhere comes before the start of the next interval. The end of an interval
    that starts with the same version comes after this start.
    """
    if event.kind == "introduced":
        return _INTRODUCES
    if former and former.kind == "introduced" and former.position == event.position:
        return _CLOSES
    return _CLOSES_FORMER


def _closes(event: RangeEvent, position: VersionPosition) -> bool:
    """Return True if the event ends an affected interval at or before a position."""
    return position >= event.position if event.kind == "fixed" else position > event.position


def _read_ranges(affected: AffectedVersions, version: str, scheme: VersionScheme) -> tuple[list[Timeline], str]:
    """Return the ranges that the version can be compared with, and the reason if there are others."""
    timelines, reason = [], ""
    orders: dict[str, tuple[Callable[[str], Any], str]] = {}
    for affected_range in affected.ranges:
        kind = affected_range.type
        if kind in ("SEMVER", "ECOSYSTEM"):
            if kind not in orders:
                order = scheme.get_semver_order(SEMVER) if kind == "SEMVER" else scheme.key
                orders[kind] = order, _explain_incomparable(order, version, scheme)
            order, problem = orders[kind]
            if problem:
                reason = problem
            else:
                timelines.append(Timeline(affected_range, order))
        elif affected_range.type != "GIT":
            reason = f"the record has a range of the unknown type {visible(affected_range.type)!r}"
    return timelines, reason


def _explain_incomparable(order: Callable[[str], Any], version: str, scheme: VersionScheme) -> str:
    try:
        order(version)
        return scheme.explain_unordered(version)
    except InvalidVersionError as error:
        return str(error)


def _has_equal(listed_versions: Iterable[str], version: str, scheme: VersionScheme) -> bool:
    """Return True if a listed version is the same with another spelling, as 1.0 and 1.0.0 in PEP 440."""
    for listed in listed_versions:
        try:
            if scheme.is_equal(listed, version):
                return True
        except InvalidVersionError:
            continue
    return False


def _find_fix(
    matching: list[Timeline], timelines: list[Timeline], listed_versions: tuple[str, ...], version: str
) -> str:
    """Return the lowest unaffected fix of the ranges that contain the version, else of all ranges."""
    for group in (matching, timelines):
        for range_type in dict.fromkeys(timeline.type for timeline in group):
            fixes = [fix for timeline in group if timeline.type == range_type for fix in timeline.list_fixes(version)]
            for fix in sorted(fixes, key=lambda event: event.position)[:_MAX_FIXES]:
                if fix.text not in listed_versions and not any(other.contains(fix.text) for other in timelines):
                    return fix.text
    return ""

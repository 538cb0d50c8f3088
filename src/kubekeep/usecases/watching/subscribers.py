"""Subscribers of a watch: they receive each update in the thread of the watch, and cannot change its verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from kubekeep.model.watch import (
    ConnectionChanged,
    CoverageChanged,
    UnmatchedName,
    VerdictChanged,
    WatchEvent,
    WatchMetrics,
    WatchStarted,
)
from kubekeep.sources.cluster.follower import FollowerCounters
from kubekeep.usecases.watching.changes import CurrentAssessment


class WatchUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation: the assessment, and the changes since the one before.

    changes: none for the first evaluation, which has `start` and `unmatched` instead.
    """

    assessment: CurrentAssessment
    changes: tuple[VerdictChanged, ...]
    gaps: tuple[CoverageChanged, ...]
    counters: FollowerCounters
    start: WatchStarted | None = None
    unmatched: tuple[UnmatchedName, ...] = ()

    @property
    def events(self) -> tuple[WatchEvent, ...]:
        """All parts as events, in the order in which people read them."""
        start = () if self.start is None else (self.start,)
        return (*start, *self.unmatched, *self.gaps, *self.changes)


class WatchSubscriber(Protocol):
    """Receives the updates of a watch."""

    def evaluated(self, update: WatchUpdate) -> None:
        """Receive an evaluation."""

    def connection_changed(self, change: ConnectionChanged) -> None:
        """Receive a lasting loss of the connection, or its end."""


class EventSubscriber:
    """Passes the events of one moment to a function, never an empty sequence."""

    def __init__(self, receive: Callable[[Sequence[WatchEvent]], object]) -> None:
        self._receive = receive

    def evaluated(self, update: WatchUpdate) -> None:
        """Pass the events of an evaluation."""
        if update.events:
            self._receive(update.events)

    def connection_changed(self, change: ConnectionChanged) -> None:
        """Pass the event."""
        self._receive((change,))


class MetricsSubscriber:
    """Counts evaluations and changes. `metrics` may be read from other threads."""

    def __init__(self) -> None:
        self.metrics = WatchMetrics()

    def evaluated(self, update: WatchUpdate) -> None:
        """Count an evaluation."""
        metrics, counters, assessment = self.metrics, update.counters, update.assessment
        metrics.events, metrics.lists, metrics.lost = counters.events, counters.lists, counters.lost
        metrics.last_event = counters.last_event
        metrics.gaps = len(assessment.facts.gaps)
        metrics.assessments += 1
        metrics.assess_seconds += (assessment.finished - assessment.started).total_seconds()
        metrics.changes += len(update.changes)

    def connection_changed(self, change: ConnectionChanged) -> None:
        """Count nothing: broken streams are counted where they are followed."""

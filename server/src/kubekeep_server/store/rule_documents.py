"""The selections of rules of notifications, and the times of their messages. Values only."""

from __future__ import annotations

import datetime as dt
import enum
import zoneinfo
from typing import Annotated, Final

import msgspec

from kubekeep_server.identity import Grant, Role, check_scope
from kubekeep_server.store.outbox import EventKind
from kubekeep_server.store.queries.definitions import DefinitionFilter
from kubekeep_server.store.queries.finding_filter import FindingFilter

_MOST_VALUES: Final = 100
_DAY: Final = dt.timedelta(days=1)


class RuleEvent(enum.StrEnum):
    """Events of rules."""

    FINDING_OPENED = "finding-opened"
    FINDING_REOPENED = "finding-reopened"
    FINDING_FIXED = "finding-fixed"
    ADVISORY_NEW = "advisory-new"
    """New advisories name a package of an image that a source has."""
    COVERAGE_LOST = "coverage-lost"
    """A scan could not see if findings are still there."""
    FINDING_DUE = "finding-due"
    """By the service levels, findings are overdue or due within a week. For summaries only."""
    SOURCE_SILENT = "source-silent"
    DECISION_WAITS = EventKind.DECISION_WAITS.value
    DECISION_EXPIRES = EventKind.DECISION_EXPIRES.value
    DECISION_EXPIRED = EventKind.DECISION_EXPIRED.value


class Digest(enum.StrEnum):
    """Times of summaries. Of a day: at `digest_hour`; of a week: on Monday."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"


class Grouping(enum.StrEnum):
    """The findings of one message: of one definition in one source, or of one source."""

    DEFINITION = "definition"
    SOURCE = "source"


Values = Annotated[tuple[Annotated[str, msgspec.Meta(max_length=1_024)], ...], msgspec.Meta(max_length=_MOST_VALUES)]
Clock = Annotated[str, msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Level = Annotated[str, msgspec.Meta(pattern="^(unknown|low|medium|high|critical)$")]


class RuleFilter(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Filters of findings; an empty one selects all. sources: scopes, such as `cluster/*`. The others are those of the list of findings."""

    sources: Values = ()
    namespaces: Values = ()
    kinds: Values = ()
    names: Values = ()
    owners: Values = ()
    labels: Values = ()
    definitions: Values = ()
    definition_kinds: Values = ()
    priorities: tuple[Level, ...] = ()
    severities: tuple[Level, ...] = ()
    text: Annotated[str, msgspec.Meta(max_length=1_024)] = ""
    exposed: bool | None = None

    def covers(self, key: str) -> bool:
        """Return True if the source with a key is selected."""
        return not self.sources or any(Grant(Role.VIEWER, scope).covers(key) for scope in self.sources)

    def to_definition_filter(self) -> DefinitionFilter:
        """Return the filters of definitions and their findings."""
        return DefinitionFilter(
            definitions=self.definitions,
            definition_kinds=self.definition_kinds,
            priorities=self.priorities,
            severities=self.severities,
            text=self.text,
            is_exposed=self.exposed,
        )

    @property
    def selects_workloads(self) -> bool:
        """True if it selects findings, and images, by the workloads that have them."""
        return bool(self.namespaces or self.owners or self.labels)

    def to_finding_filter(self, sources: tuple[int, ...] = ()) -> FindingFilter:
        """Return the filters of a list of findings. sources: numbers of those that the rule covers; empty for all."""
        definitions = msgspec.structs.asdict(self.to_definition_filter())
        return FindingFilter(
            **{
                **definitions,
                "sources": sources,
                "namespaces": self.namespaces,
                "kinds": self.kinds,
                "names": self.names,
                "owners": self.owners,
                "labels": self.labels,
            }
        )


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time of each day in which nothing is sent, in the time zone of the rule; it may contain midnight."""

    start: Clock
    end: Clock


class RuleDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The selection of a rule, and the times of its messages.

    grouping_minutes: after a message, further findings of its group wait this long. zone: an IANA time zone. silent_hours: time
    without a scan after which a source is silent.
    """

    events: Annotated[tuple[RuleEvent, ...], msgspec.Meta(min_length=1, max_length=_MOST_VALUES)]
    filter: RuleFilter = RuleFilter()
    grouping: Grouping = Grouping.DEFINITION
    grouping_minutes: Annotated[int, msgspec.Meta(ge=0, le=1_440)] = 10
    quiet_hours: QuietHours | None = None
    digest: Digest | None = None
    digest_hour: Annotated[int, msgspec.Meta(ge=0, le=23)] = 8
    zone: Annotated[str, msgspec.Meta(max_length=100)] = "UTC"
    silent_hours: Annotated[int, msgspec.Meta(ge=1, le=8_784)] = 48

    def check(self) -> None:
        """Raise ValueError for an unknown time zone, a source that is no scope, and an event that needs a summary."""
        try:
            zoneinfo.ZoneInfo(self.zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{self.zone!r} is no time zone of IANA, such as Europe/Zurich") from error
        for scope in self.filter.sources:
            check_scope(scope)
        if RuleEvent.FINDING_DUE in self.events and self.digest is None:
            raise ValueError(f"{RuleEvent.FINDING_DUE} is for summaries: choose a digest")

    def compute_due(self, now: dt.datetime) -> dt.datetime:
        """Return the first time from now on at which a message may be sent."""
        local = now.astimezone(zoneinfo.ZoneInfo(self.zone))
        if self.digest is not None:
            local = self._find_digest(local)
        return self.leave_quiet_hours(local).astimezone(dt.UTC)

    def _find_digest(self, local: dt.datetime) -> dt.datetime:
        """Return the time of the next digest."""
        if self.digest is Digest.HOURLY:
            return local.replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=1)
        due = local.replace(hour=self.digest_hour, minute=0, second=0, microsecond=0)
        while due <= local or (self.digest is Digest.WEEKLY and due.weekday()):
            due += _DAY
        return due

    def leave_quiet_hours(self, moment: dt.datetime) -> dt.datetime:
        """Return the end of the quiet hours that contain a time; the time itself outside of them."""
        local = moment.astimezone(zoneinfo.ZoneInfo(self.zone))
        if self.quiet_hours is None:
            return local
        start, end = dt.time.fromisoformat(self.quiet_hours.start), dt.time.fromisoformat(self.quiet_hours.end)
        time = local.time()
        is_quiet = start <= time < end if start <= end else time >= start or time < end
        if not is_quiet:
            return local
        ends = local.replace(hour=end.hour, minute=end.minute, second=0, microsecond=0)
        return ends if time < end else ends + _DAY

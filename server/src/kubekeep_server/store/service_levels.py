"""Service levels: the days in which findings are to be fixed, by level of priority, reach and environment of the source.

No finding has a due date: it follows from the service levels and the time at which the finding was opened, so that a change of them
changes all due dates.
"""

from __future__ import annotations

import datetime as dt
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, insert, select

from kubekeep.model.text import encode_json
from kubekeep_server.store.numbers import to_moment, to_number
from kubekeep_server.store.organisation_log import append_entry
from kubekeep_server.store.service_level_schema import service_levels

_ONLY: Final = 1
"""The number of the row."""


class _Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    pass


class SourceEnvironment(_Document, frozen=True):
    """An environment, such as production. sources: names of sources, or patterns of them, such as `prod-*`."""

    name: str
    sources: tuple[str, ...]


class ServiceLevel(_Document, frozen=True):
    """The days in which findings of a level of priority are to be fixed.

    exposed: True for those of subjects that can be reached from outside only. environment: empty for all.
    """

    level: str
    days: int
    exposed: bool = False
    environment: str = ""


class ServiceLevels(_Document, frozen=True):
    """Service levels; the first one that fits a finding counts. environments: the first one that has a source counts."""

    levels: tuple[ServiceLevel, ...] = ()
    environments: tuple[SourceEnvironment, ...] = ()

    def find_environment(self, source: str) -> str:
        """Return the environment of a source by its name; empty for none."""
        matches = (
            one.name for one in self.environments if any(fnmatchcase(source, pattern) for pattern in one.sources)
        )
        return next(matches, "")

    def find_days(self, level: str, environment: str, *, is_exposed: bool) -> int | None:
        """Return the days in which a finding is to be fixed; None without a service level. level: of its priority."""
        fitting = (
            one.days
            for one in self.levels
            if one.level == level and (is_exposed or not one.exposed) and one.environment in ("", environment)
        )
        return next(fitting, None)


class StoredServiceLevels(_Document, frozen=True, omit_defaults=False):
    """Service levels with the time and the author of their last change; both are None before the first one."""

    levels: tuple[ServiceLevel, ...] = ()
    environments: tuple[SourceEnvironment, ...] = ()
    changed: dt.datetime | None = None
    author: str | None = None


_decode: Final = msgspec.json.Decoder(ServiceLevels).decode


def load_service_levels(connection: Connection) -> ServiceLevels:
    """Return the service levels."""
    document = connection.execute(select(service_levels.c.document)).scalar()
    return ServiceLevels() if document is None else _decode(document)


def describe_service_levels(connection: Connection) -> StoredServiceLevels:
    """Return the service levels, and who has changed them."""
    row = connection.execute(select(service_levels)).first()
    if row is None:
        return StoredServiceLevels()
    stored = _decode(row.document)
    return StoredServiceLevels(
        levels=stored.levels, environments=stored.environments, changed=to_moment(row.changed), author=row.author
    )


def set_service_levels(connection: Connection, levels: ServiceLevels, author: str, now: dt.datetime) -> None:
    """Replace the service levels."""
    # The log is locked first: of two changes at a time, the second one replaces the first one.
    details: dict[str, Any] = msgspec.to_builtins(levels)
    append_entry(connection, now, author, "changed service levels", **details)
    connection.execute(delete(service_levels))
    values = {"id": _ONLY, "document": encode_json(levels), "changed": to_number(now), "author": author}
    connection.execute(insert(service_levels).values(**values))

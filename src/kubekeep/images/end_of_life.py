"""End of the support of distribution releases, from a dated table. Releases that the table does not have are unknown.

The table has the last day of standard support, which includes security fixes for all users, and the last day of a longer
support of the same vendor or project, which may have a price or cover fewer packages. Never uses the network.
"""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.model.package import Distribution

_TABLE: Final = Path(__file__).with_suffix(".json")
_SERVICE_PACKS: Final = frozenset(("opensuse-leap", "sles"))
"""Distributions in which each minor version has its own end."""


class EndOfLife(msgspec.Struct, frozen=True, gc=False):
    """The end of support of a release, relative to a day. `extended` is None if there is no longer support."""

    release: str
    standard: dt.date
    extended: dt.date | None
    has_ended: bool


class _Table(msgspec.Struct, frozen=True):
    """Dates by distribution and release. `date` is the day on which the table was last checked.

    Sources: the life cycle pages of the distributions, Debian's package distro-info-data, and endoflife.date.
    """

    date: dt.date
    releases: dict[str, dict[str, tuple[dt.date, ...]]]


def end_of_life(distribution: Distribution, today: dt.date) -> EndOfLife | None:
    """Return the end of the support of a release, or None if it is not known."""
    identifier = distribution.id
    if identifier == "centos" and "stream" in distribution.name.lower():
        identifier = "centos-stream"
    releases = _load().releases.get(identifier, {})
    for version in _list_versions(distribution):
        if dates := releases.get(version):
            extended = dates[1] if len(dates) > 1 else None
            return EndOfLife(f"{distribution.id} {version}", dates[0], extended, has_ended=today > dates[0])
    return None


def _list_versions(distribution: Distribution) -> list[str]:
    """Return the version, then the releases that it may be a part of: 3.20.1 belongs to 3.20, and 9.4 to 9."""
    if distribution.id in _SERVICE_PACKS:
        return [distribution.version_id]
    parts = distribution.version_id.split(".", maxsplit=3)[:3]
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


@functools.cache
def _load() -> _Table:
    return msgspec.json.decode(_TABLE.read_bytes(), type=_Table)

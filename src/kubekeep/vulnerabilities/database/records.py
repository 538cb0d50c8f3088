"""OSV records as the database stores them: decoded, checked, and the names under which they are found. No I/O."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.text import visible
from kubekeep.vulnerabilities.advisory import Advisory, AffectedVersions
from kubekeep.vulnerabilities.aliases import list_equal_names
from kubekeep.vulnerabilities.database.compression import MAX_RECORD
from kubekeep.vulnerabilities.names import normalise_name
from kubekeep.vulnerabilities.severity.rating import rates_flaw

NO_ECOSYSTEM: Final = "GIT"
"""Ecosystem of records without a package, as in the archives of OSV."""
_LONGEST_ID: Final = 256
_LONGEST_ECOSYSTEM: Final = 100
_LONGEST_REASON: Final = 200
_DIGEST_BYTES: Final = 8
_START: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)

_decoder: Final = msgspec.json.Decoder(Advisory)


class RecordError(ValueError):
    """A text is not an OSV record; the message has the reason."""


class StoredRecord(msgspec.Struct, frozen=True, gc=False):
    """A record in the form of the database.

    modified: microseconds since year 1; 0 if the record has no valid time. names and releases: by ecosystem without
    release; an ecosystem without names is one in which nothing can match. rated: the names of the flaw if the record rates
    it. digest: changes if the content changes. content: JSON of the Advisory.
    """

    id: str
    modified: int
    names: dict[str, frozenset[str]]
    releases: dict[str, frozenset[str]]
    rated: frozenset[str]
    digest: int
    content: bytes


def decode_record(content: bytes) -> Advisory:
    """Decode an OSV record; fields with the value null count as absent. Raises RecordError."""
    if len(content) > MAX_RECORD:
        raise RecordError(f"the record has more than {MAX_RECORD:,} bytes")
    try:
        advisory = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(visible(str(error))[:_LONGEST_REASON]) from error
    if not 0 < len(advisory.id) <= _LONGEST_ID or not advisory.id.isprintable():
        raise RecordError("the record has no valid id")
    return advisory


def _decode(content: bytes) -> Advisory:
    try:
        return _decoder.decode(content)
    except msgspec.ValidationError:
        # Exports of some sources write null instead of leaving a field out.
        return msgspec.convert(_drop_nulls(msgspec.json.decode(content)), Advisory)


def _drop_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _drop_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_drop_nulls(member) for member in value if member is not None]
    return value


def store_record(advisory: Advisory) -> StoredRecord:
    """Return the record as the database stores it."""
    names: dict[str, set[str]] = {}
    releases: dict[str, set[str]] = {}
    for affected in advisory.affected:
        package = affected.package
        ecosystem = get_base_ecosystem(package.ecosystem)
        if not ecosystem:
            continue
        names.setdefault(ecosystem, set())
        releases.setdefault(ecosystem, set())
        if package.name and can_match(affected):
            names[ecosystem].add(normalise_name(ecosystem, package.name))
            releases[ecosystem].add(package.ecosystem)
    content = msgspec.json.encode(advisory)
    return StoredRecord(
        advisory.id,
        parse_time(advisory.modified),
        _freeze(names) or {NO_ECOSYSTEM: frozenset()},
        _freeze(releases),
        list_equal_names(advisory) if rates_flaw(advisory) else frozenset(),
        int.from_bytes(hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest(), "big", signed=True),
        content,
    )


def can_match(affected: AffectedVersions) -> bool:
    """Return True if a version can be in the listed versions or in a range; ranges of commits have no versions."""
    return bool(affected.versions) or any(
        version_range.type != "GIT" and version_range.events for version_range in affected.ranges
    )


@functools.lru_cache(maxsize=1024)
def get_base_ecosystem(ecosystem: str) -> str:
    """Return the ecosystem without its release; "" for a text that cannot be an ecosystem."""
    base = ecosystem.partition(":")[0].strip()
    return base if len(base) <= _LONGEST_ECOSYSTEM and base.isprintable() else ""


def parse_time(text: str) -> int:
    """Return a time of RFC 3339 in microseconds since year 1; 0 for another text."""
    try:
        moment = msgspec.convert(text, dt.datetime)
        return 0 if moment.tzinfo is None else (moment - _START) // _MICROSECOND
    except (msgspec.ValidationError, OverflowError):
        return 0


def format_time(modified: int) -> str:
    """Return a time of `parse_time` in RFC 3339; "" for 0, and for a number that is no time."""
    try:
        return (_START + modified * _MICROSECOND).isoformat() if modified else ""
    except OverflowError:
        return ""


def _freeze(sets: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {name: frozenset(members) for name, members in sets.items()}

"""Advisories with the fields of the OSV schema 1.7 (https://ossf.github.io/osv-schema/). No I/O.

Field names of the schema are kept. Unknown fields are ignored, and a record that breaks the schema raises
msgspec.ValidationError when it is decoded.
"""

from __future__ import annotations

from typing import Any

import msgspec


class AdvisorySeverity(msgspec.Struct, frozen=True):
    """A rating: `type` as "CVSS_V3" or "Ubuntu", `score` a CVSS vector or a word."""

    type: str
    score: str


class VersionEvent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One event of a range; exactly one field is set. introduced "0" is before every version."""

    introduced: str = ""
    fixed: str = ""
    last_affected: str = ""
    limit: str = ""


class VersionRange(msgspec.Struct, frozen=True, omit_defaults=True):
    """A range of affected versions: `type` is "SEMVER", "ECOSYSTEM" or "GIT"; events may have any order."""

    type: str
    events: tuple[VersionEvent, ...] = ()
    repo: str = ""
    database_specific: dict[str, Any] | None = None


class AdvisoryPackage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The package of an advisory. ecosystem: with its release, as "Debian:12" or "npm"."""

    ecosystem: str = ""
    name: str = ""
    purl: str = ""


class AffectedVersions(msgspec.Struct, frozen=True, omit_defaults=True):
    """A package and its affected versions: those in `versions`, and those in one of `ranges`."""

    package: AdvisoryPackage = AdvisoryPackage()
    severity: tuple[AdvisorySeverity, ...] = ()
    ranges: tuple[VersionRange, ...] = ()
    versions: tuple[str, ...] = ()
    ecosystem_specific: dict[str, Any] | None = None
    database_specific: dict[str, Any] | None = None


class AdvisoryReference(msgspec.Struct, frozen=True):
    """A link: `type` as "ADVISORY", "FIX" or "WEB"."""

    type: str = ""
    url: str = ""


class Advisory(msgspec.Struct, frozen=True, omit_defaults=True):
    """An OSV record.

    aliases: other names of the same flaw. upstream: the flaws that a record of a distribution is about. related: similar
    flaws, never the same. withdrawn: the time at which the record was withdrawn; it then affects nothing.
    """

    id: str
    modified: str = ""
    published: str = ""
    withdrawn: str = ""
    aliases: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    summary: str = ""
    details: str = ""
    severity: tuple[AdvisorySeverity, ...] = ()
    affected: tuple[AffectedVersions, ...] = ()
    references: tuple[AdvisoryReference, ...] = ()
    database_specific: dict[str, Any] | None = None

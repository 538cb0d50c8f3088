"""Values in a database of Trivy (schema 2). Unknown fields are ignored. No I/O."""

from __future__ import annotations

from typing import Final

import msgspec

STATUSES: Final = (
    "unknown",
    "not_affected",
    "affected",
    "fixed",
    "under_investigation",
    "will_not_fix",
    "fix_deferred",
    "end_of_life",
)
"""States of a package without a fix, by number."""
LEVELS: Final = ("", "low", "medium", "high", "critical")
"""Severities by number; 0 is unknown."""


class TrivyMetadata(msgspec.Struct, frozen=True, rename="pascal"):
    """The content of `metadata.json`."""

    version: int = 0
    updated_at: str = ""


class FixedCve(msgspec.Struct, frozen=True):
    """A CVE that a notice of Red Hat fixes, with its severity there."""

    id: str = msgspec.field(name="ID", default="")
    severity: int = msgspec.field(name="Severity", default=0)


class TrivyEntry(msgspec.Struct, frozen=True, rename="pascal"):
    """The affected versions of a package.

    Of a distribution those below `fixed_version`, or all without one. Of a language those of `vulnerable_versions`; without
    them all but the patched and unaffected ones. affected: numbers of products of Red Hat. cves: of a notice of Red Hat.
    """

    vendor_ids: tuple[str, ...] | None = msgspec.field(name="VendorIDs", default=None)
    arches: tuple[str, ...] | None = None
    status: int = 0
    severity: int = 0
    fixed_version: str = ""
    affected_version: str = ""
    vulnerable_versions: tuple[str, ...] | None = None
    patched_versions: tuple[str, ...] | None = None
    unaffected_versions: tuple[str, ...] | None = None
    affected: tuple[int, ...] | None = None
    cves: tuple[FixedCve, ...] | None = None


class TrivyAdvisory(TrivyEntry, frozen=True, rename="pascal"):
    """The affected versions of a package, or several entries with them for products and architectures."""

    entries: tuple[TrivyEntry, ...] | None = None


class TrivyScore(msgspec.Struct, frozen=True):
    """Vectors of CVSS of one source."""

    v2: str = msgspec.field(name="V2Vector", default="")
    v3: str = msgspec.field(name="V3Vector", default="")
    v4: str = msgspec.field(name="V40Vector", default="")


class TrivyVulnerability(msgspec.Struct, frozen=True, rename="pascal"):
    """The texts and ratings of a vulnerability, by source."""

    title: str = ""
    description: str = ""
    cwe_ids: tuple[str, ...] | None = msgspec.field(name="CweIDs", default=None)
    vendor_severity: dict[str, int] | None = None
    cvss: dict[str, TrivyScore] | None = msgspec.field(name="CVSS", default=None)
    references: tuple[str, ...] | None = None
    published_date: str | None = None
    last_modified_date: str | None = None


class DataSource(msgspec.Struct, frozen=True):
    """The source of the advisories of a platform."""

    id: str = msgspec.field(name="ID", default="")

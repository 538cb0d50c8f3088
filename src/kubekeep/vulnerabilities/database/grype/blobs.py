"""Values in the blobs of Grype's database. Unknown fields are ignored. No I/O."""

from __future__ import annotations

from typing import Any

import msgspec


class GrypeReference(msgspec.Struct, frozen=True):
    """A link."""

    url: str = ""


class GrypeSeverity(msgspec.Struct, frozen=True):
    """A rating: `value` is a word, or an object with a CVSS vector."""

    scheme: str = ""
    value: Any = None
    source: str = ""


class VulnerabilityBlob(msgspec.Struct, frozen=True):
    """The text of a vulnerability."""

    id: str = ""
    description: str = ""
    refs: tuple[GrypeReference, ...] | None = None
    aliases: tuple[str, ...] | None = None
    severities: tuple[GrypeSeverity, ...] | None = None


class VersionConstraint(msgspec.Struct, frozen=True):
    """Versions by a constraint, as "< 1.2 || >= 2, < 2.3"."""

    type: str = ""
    constraint: str = ""


class GrypeFix(msgspec.Struct, frozen=True):
    """The state of a fix: "fixed", "not-fixed", "wont-fix", "not-affected" or "unknown"."""

    version: str = ""
    state: str = ""


class ConstrainedRange(msgspec.Struct, frozen=True):
    """A range of versions with the state of its fix."""

    version: VersionConstraint = VersionConstraint()
    fix: GrypeFix | None = None


class PackageQualifiers(msgspec.Struct, frozen=True):
    """Conditions of a package. rpm_modularity: None for any module, empty for packages of none."""

    rpm_modularity: str | None = None
    architecture: Any = None
    go_imports: Any = None


class PackageBlob(msgspec.Struct, frozen=True):
    """The affected versions of a package."""

    cves: tuple[str, ...] | None = None
    qualifiers: PackageQualifiers | None = None
    ranges: tuple[ConstrainedRange, ...] | None = None


class ExploitedBlob(msgspec.Struct, frozen=True):
    """An entry of CISA's catalogue."""

    date_added: str | None = None
    known_ransomware_campaign_use: str = ""

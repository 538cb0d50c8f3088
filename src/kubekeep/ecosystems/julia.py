"""Julia packages. The namespace is an identifier, which records do not name."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, keep_names, list_name

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="julia", normalise=keep_names),),
    catalogs=("julia",),
    advisories=(Advisories(name="Julia", grype=()),),
    version_scheme="semver.JULIA",
    is_case_sensitive=True,
    list_names=list_name,
)

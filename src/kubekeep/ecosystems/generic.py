"""Programs and runtimes without a registry: no database has names for them."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import NO_ADVISORIES, Ecosystem, PackageType, keep_names

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="generic", normalise=keep_names),),
    catalogs=("beam", "binaries", "java", "r", "wordpress"),
    advisories=(),
    version_scheme="",
    no_advisories=NO_ADVISORIES,
)

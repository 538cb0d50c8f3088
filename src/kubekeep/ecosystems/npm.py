"""JavaScript packages of npm, Yarn, pnpm and Bun."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, lower_names

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="npm", normalise=lower_names),),
    catalogs=("npm", "npm_locks"),
    advisories=(Advisories(name="npm", grype=("npm",), is_common=True),),
    version_scheme="semver.SEMVER",
)

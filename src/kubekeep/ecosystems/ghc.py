"""The compiler of Haskell in OSV, which package URLs cannot name."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem

ECOSYSTEM: Final = Ecosystem(
    types=(),
    catalogs=(),
    advisories=(Advisories(name="GHC", grype=()),),
    version_scheme="semver.SEMVER",
)

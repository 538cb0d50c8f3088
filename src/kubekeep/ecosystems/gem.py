"""Ruby gems."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, keep_names

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="gem", normalise=keep_names),),
    catalogs=("ruby",),
    advisories=(Advisories(name="RubyGems", grype=("gem",), is_common=True),),
    version_scheme="rubygems.RUBYGEMS",
    is_case_sensitive=True,
)

"""CocoaPods. OSV has no ecosystem of them: records name the repositories of Swift packages."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import NO_ADVISORIES, Ecosystem, PackageType, keep_names

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="cocoapods", normalise=keep_names),),
    catalogs=("swift",),
    advisories=(),
    version_scheme="",
    no_advisories=NO_ADVISORIES,
)

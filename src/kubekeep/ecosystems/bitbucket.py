"""Repositories on Bitbucket, in SBOMs of other tools. OSV has no ecosystem of repositories."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import NO_ADVISORIES, Ecosystem, PackageType, lower_names

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="bitbucket", normalise=lower_names),),
    catalogs=(),
    advisories=(),
    version_scheme="",
    no_advisories=NO_ADVISORIES,
)

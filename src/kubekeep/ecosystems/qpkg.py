"""Packages of QNX, in SBOMs of other tools. OSV has no ecosystem of them."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import NO_ADVISORIES, Ecosystem, PackageType, lower_namespace

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="qpkg", normalise=lower_namespace),),
    catalogs=(),
    advisories=(),
    version_scheme="",
    no_advisories=NO_ADVISORIES,
)

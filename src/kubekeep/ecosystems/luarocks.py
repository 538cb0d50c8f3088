"""Lua packages, in SBOMs of other tools. OSV has no ecosystem of them."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import NO_ADVISORIES, Ecosystem, PackageType, lower_name

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="luarocks", normalise=lower_name),),
    catalogs=(),
    advisories=(),
    version_scheme="",
    no_advisories=NO_ADVISORIES,
)

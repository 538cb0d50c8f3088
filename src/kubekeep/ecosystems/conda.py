"""Packages of conda. OSV has no ecosystem of them; Python packages among them have metadata of their own."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import NO_ADVISORIES, Ecosystem, PackageType, keep_names

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="conda", normalise=keep_names),),
    catalogs=("python",),
    advisories=(),
    version_scheme="",
    no_advisories=NO_ADVISORIES,
)

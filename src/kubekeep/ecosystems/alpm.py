"""Packages of pacman: Arch Linux and its derivatives. No source of advisories for their releases is read."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, lower_names

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="alpm", normalise=lower_names),),
    catalogs=("pacman", "os_release"),
    advisories=(Advisories(name="Arch Linux", other_names=("Arch",), grype=(), is_in_osv=False),),
    version_scheme="arch.PACMAN",
    is_distribution=True,
)

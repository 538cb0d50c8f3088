"""C and C++ packages of Conan. The namespace is a user, whom records do not name."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, keep_names, list_name

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="conan", normalise=keep_names),),
    catalogs=("conan",),
    advisories=(Advisories(name="ConanCenter", grype=("conan",)),),
    version_scheme="conan.CONAN",
    list_names=list_name,
)

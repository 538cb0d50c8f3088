""".NET packages of NuGet."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, keep_names

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="nuget", normalise=keep_names),),
    catalogs=("dotnet",),
    advisories=(Advisories(name="NuGet", grype=("dotnet",), is_common=True),),
    version_scheme="nuget.NUGET",
)

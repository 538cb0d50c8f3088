"""R packages of Bioconductor."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, keep_names, list_name

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="bioconductor", normalise=keep_names),),
    catalogs=("r",),
    advisories=(Advisories(name="Bioconductor", grype=()),),
    version_scheme="numeric.CRAN",
    is_case_sensitive=True,
    list_names=list_name,
)

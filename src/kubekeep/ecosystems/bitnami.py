"""Applications that Bitnami packs into images. Their SBOMs name them; no catalogue reads them."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, list_name, lower_name

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="bitnami", normalise=lower_name),),
    catalogs=(),
    advisories=(Advisories(name="Bitnami", grype=("bitnami",), is_common=True),),
    version_scheme="semver.BITNAMI",
    list_names=list_name,
)

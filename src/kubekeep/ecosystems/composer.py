"""PHP packages of Packagist."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, lower_names

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="composer", normalise=lower_names),),
    catalogs=("php",),
    advisories=(Advisories(name="Packagist", grype=("php-composer",), is_common=True),),
    version_scheme="composer.COMPOSER",
)

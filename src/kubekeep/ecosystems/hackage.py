"""Haskell packages of Hackage."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType


def _normalise(namespace: str, name: str) -> tuple[str, str]:
    return namespace, name.replace("_", "-")


ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="hackage", normalise=_normalise),),
    catalogs=("haskell",),
    advisories=(Advisories(name="Hackage", grype=("hackage",)),),
    version_scheme="numeric.HACKAGE",
    is_case_sensitive=True,
)

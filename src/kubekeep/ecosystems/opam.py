"""OCaml packages of opam. No catalogue reads them."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, keep_names

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="opam", normalise=keep_names),),
    catalogs=(),
    advisories=(Advisories(name="opam", grype=("opam",)),),
    version_scheme="dpkg.OPAM",
)

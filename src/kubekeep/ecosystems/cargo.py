"""Rust crates of crates.io."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, keep_names

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="cargo", normalise=keep_names),),
    catalogs=("rust",),
    advisories=(Advisories(name="crates.io", grype=("rust-crate",), is_common=True),),
    version_scheme="semver.SEMVER",
)

"""Models of Hugging Face, in SBOMs of other tools. Their versions are commits, and OSV has no ecosystem of them."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import NO_ADVISORIES, Ecosystem, PackageType, keep_names

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="huggingface", normalise=keep_names, has_caseless_versions=True),),
    catalogs=(),
    advisories=(),
    version_scheme="",
    no_advisories=NO_ADVISORIES,
)

"""Dart and Flutter packages of pub.dev."""

from __future__ import annotations

import re
from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType


def _normalise(namespace: str, name: str) -> tuple[str, str]:
    return namespace, re.sub(r"[^a-z0-9_]", "_", name.lower())


ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="pub", normalise=_normalise),),
    catalogs=("dart",),
    advisories=(Advisories(name="Pub", grype=("dart-pub",)),),
    version_scheme="semver.PUB",
)

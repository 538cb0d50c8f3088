"""Python packages of PyPI."""

from __future__ import annotations

import re
from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType


def _normalise(namespace: str, name: str) -> tuple[str, str]:
    return namespace, name.lower().replace("_", "-")


def _normalise_record_name(name: str) -> str:
    # PEP 503 treats runs of these characters as one hyphen.
    return re.sub(r"[-_.]+", "-", name.lower())


ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="pypi", normalise=_normalise),),
    catalogs=("python", "python_locks"),
    advisories=(Advisories(name="PyPI", grype=("python",), is_common=True),),
    version_scheme="pep440.PEP440",
    normalise_record_name=_normalise_record_name,
)

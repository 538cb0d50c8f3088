"""Platforms of Trivy's database, such as "debian 12" and "pip::...", as ecosystems of advisories. No I/O."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from kubekeep.ecosystems.shared.registry import find_ecosystem, index_advisories
from kubekeep.model.package import Distribution

RED_HAT: Final = "Red Hat"
_LANGUAGES: Final = {"pip": "pypi", "go": "golang", "rubygems": "gem", "erlang": "hex"}
"""Types of package URLs whose name in Trivy differs."""
_SYSTEMS: Final = {
    "suse linux enterprise": "sles",
    "suse linux enterprise micro": "sle-micro",
    "opensuse leap": "opensuse-leap",
    "opensuse tumbleweed": "opensuse-tumbleweed",
    "photon os": "photon",
}
"""Ids of distributions whose name in Trivy differs from all that advisories use."""
_RELEASE: Final = re.compile(r"(.+?)(?: (\d[\w.-]*|edge))?")
_ESM: Final = "-ESM"
_PRODUCT: Final = re.compile(r"cpe:/[oa]:redhat:(enterprise_linux:\d+(?:::[\w-]+)?)")


class TrivyPlatform(msgspec.Struct, frozen=True):
    """An ecosystem and its name with the release. is_distribution: False for packages of languages."""

    ecosystem: str
    release: str
    is_distribution: bool


def resolve_platform(name: str) -> TrivyPlatform | None:
    """Return the platform of a bucket; None for one that no advisories of packages are about."""
    language, separator, _ = name.partition("::")
    if separator:
        ecosystem = find_ecosystem(_LANGUAGES.get(language, language))
        if ecosystem is None or ecosystem.is_distribution or not ecosystem.advisories:
            return None
        return TrivyPlatform(ecosystem.advisories[0].name, ecosystem.advisories[0].name, False)
    if name == RED_HAT:
        # Each entry names its products.
        return TrivyPlatform(RED_HAT, RED_HAT, True)
    match = _RELEASE.fullmatch(name)
    system, version = (match[1], match[2] or "") if match else (name, "")
    identifier = _index_systems().get(system.lower())
    if identifier is None:
        return None
    advisories, distribution_id = identifier
    distribution = next(entry for entry in index_advisories()[advisories].distributions if entry.id == distribution_id)
    is_extended = version.endswith(_ESM)
    release = distribution.build_release(Distribution(distribution_id, version.removesuffix(_ESM)))
    if release is None:
        return None
    label = release.label.replace("Ubuntu:", "Ubuntu:Pro:") if is_extended else release.label
    return TrivyPlatform(release.ecosystem, label, True)


def resolve_product(cpe: str) -> TrivyPlatform | None:
    """Return the main stream of Red Hat Enterprise Linux that a CPE names; None for other products and streams."""
    match = _PRODUCT.fullmatch(cpe)
    return TrivyPlatform(RED_HAT, f"{RED_HAT}:{match[1]}", True) if match else None


@functools.cache
def _index_systems() -> Mapping[str, tuple[str, str]]:
    """Return the advisories and the id of distributions by all of their names in lower case."""
    systems: dict[str, tuple[str, str]] = {}
    for advisories in index_advisories().values():
        for distribution in advisories.distributions:
            names = (distribution.id, *distribution.other_ids, distribution.release_line)
            for name in names:
                systems.setdefault(name.lower(), (advisories.name, distribution.id))
        if advisories.distributions:
            for name in (advisories.name, *advisories.other_names, *advisories.grype):
                systems.setdefault(name.lower(), (advisories.name, advisories.distributions[0].id))
    for name, identifier in _SYSTEMS.items():
        systems[name] = systems[identifier]
    systems.pop("", None)
    return systems

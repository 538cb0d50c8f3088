"""Releases of distributions as advisories name them, from `os-release` or the package URL. No I/O.

A release of one distribution is never taken for one of another: derivatives rebuild packages with versions of their own.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import msgspec

from kubekeep.ecosystems.shared.registry import find_distribution_type, index_distributions
from kubekeep.ecosystems.shared.releases import DistributionRelease
from kubekeep.images.distributions import normalise_namespace, normalise_qualifier, package_namespace
from kubekeep.model.package import Distribution, Package


def resolve_release(package: Package, distribution: Distribution) -> DistributionRelease | str:
    """Return the release that a package belongs to, or the reason why it is unknown.

    The package URL counts more than the image: an SBOM may contain packages of several systems.
    """
    qualifiers = dict(package.qualifiers) if package.qualifiers else {}
    stated = qualifiers.get("distro") or qualifiers.get("distro_name", "")
    return _resolve(package.type, package.namespace, stated, distribution)


@functools.lru_cache(maxsize=1024)
def _resolve(kind: str, namespace: str, stated: str, distribution: Distribution) -> DistributionRelease | str:
    system = _choose_system(namespace, stated, distribution)
    if not system.id:
        return "the distribution of the package is unknown"
    known = index_distributions().get(system.id)
    if known is None:
        return f"no advisories are known for the distribution {system.id}"
    if find_distribution_type(system.id) != kind:
        return f"{system.id} has no packages of the type {kind}"
    release = known.build_release(system)
    return release or f"the release of {system.id} is unknown"


def _choose_system(namespace: str, stated: str, distribution: Distribution) -> Distribution:
    distribution = msgspec.structs.replace(distribution, id=distribution.id.lower())
    namespace = normalise_namespace(namespace.lower())
    system = _read_qualifier(stated, namespace) if stated else None
    if system is None:
        if not namespace or namespace in (package_namespace(distribution), distribution.id):
            return distribution
        return Distribution(_list_vendor_ids().get(namespace, namespace))
    if system.id == distribution.id and system.version_id in ("", distribution.version_id):
        # `os-release` has more details, as the code name of a release without a number.
        return distribution if system.version_codename in ("", distribution.version_codename) else system
    return system


def _read_qualifier(stated: str, namespace: str) -> Distribution:
    """Return the distribution of `debian-12`, `12`, `bookworm` or `opensuse-leap-15.6`."""
    stated = stated.lower()
    name, hyphen, release = stated.partition("-")
    for known in index_distributions().values():
        if stated in known.codenames and namespace in (known.id, ""):
            return Distribution(known.id, known.codenames[stated], version_codename=stated)
        if hyphen and known.codenames and name == known.id and not release[:1].isdigit():
            number = "" if release in known.rolling_codenames else known.codenames.get(release, "")
            return Distribution(name, number, version_codename=release)
    if stated.endswith("-edge") or stated == "edge":
        return Distribution(stated.removesuffix("-edge") if stated != "edge" else namespace, "edge")
    name, _, version = _split(normalise_qualifier(stated, namespace))
    if name == namespace:
        name = _list_vendor_ids().get(name, name)
    return Distribution(name, version)


def _split(qualifier: str) -> tuple[str, str, str]:
    name, hyphen, version = qualifier.rpartition("-")
    return (name, hyphen, version) if hyphen and version[:1].isdigit() else (qualifier, "", "")


@functools.cache
def _list_vendor_ids() -> Mapping[str, str]:
    """Return ids of distributions by namespaces that are names of vendors: the first distribution of each vendor."""
    distributions = index_distributions()
    ids: dict[str, str] = {}
    for entry in distributions.values():
        if entry.namespace and entry.namespace not in distributions:
            ids.setdefault(entry.namespace, entry.id)
    return ids

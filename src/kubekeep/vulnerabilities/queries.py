"""Questions about packages to sources of advisories: the ecosystems, names and releases under which records may list them.

A package of a distribution is compared with advisories of its own distribution and release only; `releases` knows them.
Never compares versions.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from kubekeep.ecosystems.shared.ecosystem import NO_ADVISORIES, BorrowedAdvisories, Ecosystem, QueryName
from kubekeep.ecosystems.shared.registry import find_ecosystem
from kubekeep.ecosystems.shared.releases import DistributionRelease
from kubekeep.model.package import Distribution, Package
from kubekeep.vulnerabilities.names import normalise_name
from kubekeep.vulnerabilities.releases import resolve_release


class PackageQuery(msgspec.Struct, frozen=True):
    """A question to a source of advisories.

    ecosystem: without a release. names: the one that counts first, if a record lists several of them. release: None for
    ecosystems without releases. is_optional: True if the package is assessed without an answer. is_borrowed: the
    advisories are of another ecosystem, which knows some of the packages only: without a record, nothing is known.
    """

    ecosystem: str
    names: tuple[QueryName, ...]
    release: DistributionRelease | None = None
    is_optional: bool = False
    is_borrowed: bool = False


class NoQuery(msgspec.Struct, frozen=True):
    """A package that no advisory can be about, or whose identity is incomplete.

    is_incomplete: True if another source or SBOM could answer, so that the scan is incomplete.
    """

    ecosystem: str
    reason: str
    is_incomplete: bool = False


def build_queries(package: Package, distribution: Distribution) -> tuple[PackageQuery, ...] | NoQuery:
    """Return the questions about a package, of which at least one needs an answer."""
    ecosystem = find_ecosystem(package.type)
    if ecosystem is not None and ecosystem.is_distribution:
        return _build_distribution_query(package, distribution, ecosystem)
    if ecosystem is not None and ecosystem.borrowed is not None:
        return _build_borrowed_query(package, ecosystem, ecosystem.borrowed)
    if ecosystem is None or not ecosystem.advisories:
        return NoQuery("", _explain_type(package.type, ecosystem))
    first, *others = ecosystem.advisories
    if not package.version:
        return NoQuery(first.name, "the version is unknown")
    names = ecosystem.list_names(package)
    if isinstance(names, str):
        return NoQuery(first.name, names)
    additional = (entry for entry in others if names[0].name.startswith(entry.prefix))
    return (
        PackageQuery(first.name, names),
        *(PackageQuery(entry.name, names, is_optional=True) for entry in additional),
    )


def list_keys(package: Package, distribution: Distribution) -> Iterator[tuple[str, str]]:
    """Yield the ecosystem without a release and the normalised name of each question about a package."""
    queries = build_queries(package, distribution)
    for query in () if isinstance(queries, NoQuery) else queries:
        for name in query.names:
            yield query.ecosystem, normalise_name(query.ecosystem, name.name)


def _build_borrowed_query(
    package: Package, ecosystem: Ecosystem, borrowed: BorrowedAdvisories
) -> tuple[PackageQuery, ...] | NoQuery:
    names = borrowed.list_names(package)
    if names and not package.version:
        return NoQuery(borrowed.name, "the version is unknown")
    if isinstance(names, str):
        return NoQuery(borrowed.name, names)
    if not names:
        return NoQuery("", _explain_type(package.type, ecosystem))
    return (PackageQuery(borrowed.name, names, is_borrowed=True),)


def _explain_type(package_type: str, ecosystem: Ecosystem | None) -> str:
    if not package_type:
        return "it has no valid package URL, by which advisories could name it"
    return (ecosystem.no_advisories if ecosystem else NO_ADVISORIES).format(package_type)


def _build_distribution_query(
    package: Package, distribution: Distribution, ecosystem: Ecosystem
) -> tuple[PackageQuery, ...] | NoQuery:
    release = resolve_release(package, distribution)
    if isinstance(release, str):
        return NoQuery(package.namespace, release, is_incomplete=True)
    if not package.version:
        return NoQuery(release.ecosystem, "the version is unknown")
    names = ecosystem.list_names(package)
    if isinstance(names, str):
        return NoQuery(release.ecosystem, names)
    return (PackageQuery(release.ecosystem, names, release),)

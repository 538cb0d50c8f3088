"""Definition of an ecosystem: types of package URLs, names in advisories, version scheme, catalogues. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from kubekeep.ecosystems.shared.releases import GrypeReleaseNamer, ReleaseBuilder
from kubekeep.model.package import Package

NO_ADVISORIES: Final = "no advisories exist for packages of the type {}"
"""The reason for packages of which no database of advisories has an ecosystem."""


class QueryName(msgspec.Struct, frozen=True, gc=False):
    """A name under which records may list a package, and the version that belongs to this name.

    is_source: of the source package. has_epoch: False if the version lacks an epoch that nothing states.
    """

    name: str
    version: str
    is_source: bool = False
    has_epoch: bool = True


def keep_names(namespace: str, name: str) -> tuple[str, str]:
    """Return both as they are."""
    return namespace, name


def lower_names(namespace: str, name: str) -> tuple[str, str]:
    """Return namespace and name in lower case."""
    return namespace.lower(), name.lower()


def lower_namespace(namespace: str, name: str) -> tuple[str, str]:
    """Return the namespace in lower case."""
    return namespace.lower(), name


def lower_name(namespace: str, name: str) -> tuple[str, str]:
    """Return the name in lower case."""
    return namespace, name.lower()


def join_path(package: Package) -> str:
    """Return namespace and name as one path."""
    return f"{package.namespace}/{package.name}" if package.namespace else package.name


def list_path(package: Package) -> tuple[QueryName, ...]:
    """Return the path of a package, which is its name in most ecosystems."""
    return (QueryName(join_path(package), package.version),)


def list_name(package: Package) -> tuple[QueryName, ...]:
    """Return the name without the namespace: a user, a registry or an identifier that records do not name."""
    return (QueryName(package.name, package.version),)


class PackageType(msgspec.Struct, frozen=True, kw_only=True):
    """A type of package URL. normalise: returns namespace and name in the canonical form of the purl specification."""

    name: str
    normalise: Callable[[str, str], tuple[str, str]]
    has_caseless_versions: bool = False


class LinuxDistribution(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution of Linux that has the packages of an ecosystem.

    id: in `os-release`. namespace: of package URLs, if it is not the id. other_ids: names that other tools and advisories
    use. release_line: the lowercase beginning of the line in a release file of distributions without `os-release`.
    codenames: versions by code name; the rolling ones have no version in qualifiers.
    """

    id: str
    build_release: ReleaseBuilder
    namespace: str = ""
    other_ids: tuple[str, ...] = ()
    release_line: str = ""
    codenames: Mapping[str, str] = {}
    rolling_codenames: tuple[str, ...] = ()


class Advisories(msgspec.Struct, frozen=True, kw_only=True):
    """The advisories about packages of an ecosystem, or about those of one distribution.

    name: the ecosystem of OSV, without a release. other_names: of the same in other databases. grype: names in databases
    of Grype: of operating systems for a distribution, else types of packages, the usual one first. name_grype_release:
    only for distributions. prefix: if it is not empty, packages whose names begin with it are compared with these
    advisories in addition to the first ones of the ecosystem. is_in_osv: False if OSV has none.
    is_common: True if the first update of the database loads them.
    """

    name: str
    grype: tuple[str, ...]
    other_names: tuple[str, ...] = ()
    distributions: tuple[LinuxDistribution, ...] = ()
    name_grype_release: GrypeReleaseNamer | None = None
    prefix: str = ""
    is_in_osv: bool = True
    is_common: bool = False


class BorrowedAdvisories(msgspec.Struct, frozen=True, kw_only=True):
    """The advisories of another ecosystem about the same software, for packages of an ecosystem without any.

    name: of the advisories in OSV. list_names: returns the names that records may have, none for other software, or the
    reason why the version cannot be compared.
    """

    name: str
    list_names: Callable[[Package], tuple[QueryName, ...] | str]


class Ecosystem(msgspec.Struct, frozen=True, kw_only=True):
    """An ecosystem of packages.

    types: of its package URLs; the first one is the usual one. catalogs: modules of `images.catalog` that yield its
    packages or facts about them. advisories: of distributions those of each, else the first ones are about all packages.
    version_scheme: module and constant in `vulnerabilities.versions`, as "pep440.PEP440". no_advisories: the reason, if
    there are none; `{}` is the type. borrowed: of such an ecosystem, the advisories about some of its packages. is_distribution: True for packages of Linux distributions, whose namespace is the
    distribution and not a part of the name. is_case_sensitive: True if names that differ in case are different packages,
    and package URLs keep the case. normalise_record_name: returns the key under which packages and records meet, in lower
    case, since some package URLs are lower-cased. list_names: returns the names in records, the one that counts first, or
    the reason why the identity of the package is incomplete.
    """

    types: tuple[PackageType, ...]
    catalogs: tuple[str, ...]
    advisories: tuple[Advisories, ...]
    version_scheme: str
    no_advisories: str = ""
    borrowed: BorrowedAdvisories | None = None
    is_distribution: bool = False
    is_case_sensitive: bool = False
    normalise_record_name: Callable[[str], str] = str.lower
    list_names: Callable[[Package], tuple[QueryName, ...] | str] = list_path

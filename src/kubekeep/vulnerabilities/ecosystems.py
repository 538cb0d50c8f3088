"""Ecosystems of packages: the names, versions and releases under which advisories may name a package. No I/O.

A package of a distribution is compared with advisories of its own distribution and release only; `releases` knows them.
Never compares versions.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from kubekeep.images.sbom.identity import is_distribution_type
from kubekeep.model.package import Distribution, Package
from kubekeep.vulnerabilities.names import normalise_name
from kubekeep.vulnerabilities.releases import DistributionRelease, resolve_release


class QueryName(msgspec.Struct, frozen=True, gc=False):
    """A name under which records may list a package, and the version that belongs to this name.

    is_source: of the source package. has_epoch: False if the version lacks an epoch that nothing states.
    """

    name: str
    version: str
    is_source: bool = False
    has_epoch: bool = True


class PackageQuery(msgspec.Struct, frozen=True):
    """A question to a source of advisories.

    ecosystem: without a release. names: the one that counts first, if a record lists several of them. release: None for
    ecosystems without releases. is_optional: True if the package is assessed without an answer.
    """

    ecosystem: str
    names: tuple[QueryName, ...]
    release: DistributionRelease | None = None
    is_optional: bool = False


class NoQuery(msgspec.Struct, frozen=True):
    """A package that no advisory can be about, or whose identity is incomplete.

    is_incomplete: True if another source or SBOM could answer, so that the scan is incomplete.
    """

    ecosystem: str
    reason: str
    is_incomplete: bool = False


ECOSYSTEMS: Final = {
    "bioconductor": "Bioconductor",
    "bitnami": "Bitnami",
    "cargo": "crates.io",
    "composer": "Packagist",
    "conan": "ConanCenter",
    "cran": "CRAN",
    "gem": "RubyGems",
    "github": "GitHub Actions",
    "githubactions": "GitHub Actions",
    "golang": "Go",
    "hackage": "Hackage",
    "hex": "Hex",
    "julia": "Julia",
    "maven": "Maven",
    "npm": "npm",
    "nuget": "NuGet",
    "opam": "opam",
    "pub": "Pub",
    "pypi": "PyPI",
    "swift": "SwiftURL",
    "vscode-extension": "VSCode",
}
"""Ecosystems of OSV by type of package URL."""
_SPELLED: Final = frozenset(("CRAN", "Bioconductor", "Hackage", "Julia", "Maven", "RubyGems"))
"""Ecosystems in which names that differ in case are different packages, and package URLs keep the case."""
_SUBJECTS: Final = frozenset(("docker", "oci"))
"""Types of images, which contain packages and are none."""
_SIGNED_KERNEL: Final = re.compile(r"linux-signed(?:-(?:amd64|arm64|i386))?(-(?!amd64|arm64|i386).+)?")
_BINARY_REBUILD: Final = re.compile(r"\+b\d+$")


def build_queries(package: Package, distribution: Distribution) -> tuple[PackageQuery, ...] | NoQuery:
    """Return the questions about a package, of which at least one needs an answer."""
    if is_distribution_type(package.type):
        return _build_distribution_query(package, distribution)
    ecosystem = ECOSYSTEMS.get(package.type)
    if ecosystem is None:
        return _explain_type(package)
    if not package.version:
        return NoQuery(ecosystem, "the version is unknown")
    if ecosystem == "Go":
        return _build_go_queries(package)
    names = _list_names(package, ecosystem)
    if not names:
        return NoQuery(ecosystem, "the group id is unknown, and advisories name group and artifact")
    return (PackageQuery(ecosystem, names),)


def is_same_name(ecosystem: str, record_name: str, name: str) -> bool:
    """Return True if a record's name is the package's name by the rules of the ecosystem, without a release."""
    if record_name == name:
        return True
    return ecosystem not in _SPELLED and normalise_name(ecosystem, record_name) == normalise_name(ecosystem, name)


def _explain_type(package: Package) -> NoQuery:
    if package.type in _SUBJECTS:
        return NoQuery("", "an image is assessed by its packages")
    if not package.type:
        return NoQuery("", "it has no valid package URL, by which advisories could name it")
    return NoQuery("", f"no advisories exist for packages of the type {package.type}")


def _list_names(package: Package, ecosystem: str) -> tuple[QueryName, ...]:
    """Return the names of a package of a language; none if its identity is incomplete."""
    version = package.version
    path = f"{package.namespace}/{package.name}" if package.namespace else package.name
    if ecosystem == "Maven":
        return (QueryName(f"{package.namespace}:{package.name}", version),) if package.namespace else ()
    if ecosystem == "VSCode":
        path = path.replace("/", ".")
    elif ecosystem == "SwiftURL":
        return tuple(QueryName(name, version) for name in (f"https://{path}", path, f"https://{path}.git"))
    elif ecosystem in ("Bitnami", "ConanCenter", "CRAN", "Bioconductor", "Hex", "Julia"):
        # Namespaces of these types are users, registries or identifiers that records do not name.
        path = package.name
    return (QueryName(path, version),)


def _build_go_queries(package: Package) -> tuple[PackageQuery, ...] | NoQuery:
    """Return queries with the version as records have it: without `v`, and without `go` for the standard library."""
    path = f"{package.namespace}/{package.name}" if package.namespace else package.name
    version = package.version
    if path in ("stdlib", "toolchain", "std"):
        path = "stdlib" if path == "std" else path
        version = version.removeprefix("go")
    if version in ("(devel)", "devel", "unknown"):
        return NoQuery("Go", "the version is unknown")
    names = (QueryName(path, re.sub(r"^v(?=\d)", "", version)),)
    queries = (PackageQuery("Go", names),)
    if path.startswith("k8s.io/"):
        return (*queries, PackageQuery("Kubernetes", names, is_optional=True))
    return queries


def _build_distribution_query(package: Package, distribution: Distribution) -> tuple[PackageQuery, ...] | NoQuery:
    release = resolve_release(package, distribution)
    if isinstance(release, str):
        return NoQuery(package.namespace, release, is_incomplete=True)
    if not package.version:
        return NoQuery(release.ecosystem, "the version is unknown")
    if package.type == "rpm":
        names = _list_rpm_names(package)
    elif package.type == "deb":
        names = _list_deb_names(package)
    else:
        names = _list_apk_names(package)
    return (PackageQuery(release.ecosystem, names, release),)


def _list_deb_names(package: Package) -> tuple[QueryName, ...]:
    """Return the source package, which advisories of Debian and Ubuntu name, and the binary package."""
    if package.source is None:
        # Without the field `Source`, dpkg's source package has the name of the binary package.
        return (QueryName(package.name, package.version, is_source=True),)
    version = package.source.version or package.version
    if version == package.version:
        # A rebuild of the binary package (`+b1`) has no source version of its own.
        version = _BINARY_REBUILD.sub("", version)
    source = QueryName(*_unsign(package.source.name, version), is_source=True)
    if source.name == package.name:
        return (source,)
    return source, QueryName(package.name, package.version)


def _unsign(name: str, version: str) -> tuple[str, str]:
    """Return the source package of a signed kernel, which advisories name: `linux-signed-amd64 6.1.76+1` is `linux 6.1.76-1`."""
    match = _SIGNED_KERNEL.fullmatch(name)
    if not match:
        return name, version
    return f"linux{match[1] or ''}", version if "-" in version else version.replace("+", "-", 1)


def _list_apk_names(package: Package) -> tuple[QueryName, ...]:
    """Return the origin, which advisories name, and the package; both always have the same version."""
    name = QueryName(package.name, package.version)
    if package.source is None or package.source.name == package.name:
        return (name,)
    return QueryName(package.source.name, package.source.version or package.version, is_source=True), name


def _list_rpm_names(package: Package) -> tuple[QueryName, ...]:
    """Return the package, and the source package for distributions whose records name sources only."""
    epoch = next((value for key, value in package.qualifiers if key == "epoch"), "")
    version = f"{epoch}:{package.version}" if epoch and ":" not in package.version else package.version
    name = QueryName(package.name, version)
    source = package.source
    if source is None or source.name == package.name:
        return (name,)
    # File names of source packages have no epoch. Packages with the version of their source have its epoch, too.
    if source.version == package.version.partition(":")[2] or source.version == package.version:
        return name, QueryName(source.name, version, is_source=True)
    return name, QueryName(source.name, source.version, is_source=True, has_epoch=False)

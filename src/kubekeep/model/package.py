"""Software packages with identity, places and licences. No I/O."""

from __future__ import annotations

import re
from typing import Final

import msgspec


class SourcePackage(msgspec.Struct, frozen=True, gc=False):
    """The source package that a binary package of a distribution was built from; advisories often name only this one."""

    name: str
    version: str


def read_source_rpm(file_name: str) -> SourcePackage | None:
    """Return the source package of the file name of a source rpm, such as `bash-5.1.8-6.el9.src.rpm`."""
    stem = file_name.removesuffix(".rpm").removesuffix(".src").removesuffix(".nosrc")
    parts = stem.rsplit("-", 2)
    return SourcePackage(parts[0], f"{parts[1]}-{parts[2]}") if len(parts) == 3 and parts[0] else None


_REBUILD: Final = re.compile(r"(?:\+b[0-9]+)?")
"""Suffix of a binary package that was built again from the same source (Debian Policy, 5.6.12)."""


def convert_source_version(version: str, source_version: str, other: str) -> str:
    """Return the version that a binary package has when it is built from another version of its source; empty if unknown.

    version and source_version: the installed ones. Most binary packages have the version of their source, some with an
    epoch of their own: for `1:2.41-5`, `2.41-5` and `2.41-6` it is `1:2.41-6`. The versions of others, such as those of
    gcc-defaults, cannot be told from that of the source.
    """
    if version == source_version:
        return other
    (epoch, upstream), (source_epoch, source_upstream) = _split_epoch(version), _split_epoch(source_version)
    other_epoch, other_upstream = _split_epoch(other)
    is_same = upstream.startswith(source_upstream) and _REBUILD.fullmatch(upstream[len(source_upstream) :])
    if not is_same or other_epoch != source_epoch:
        return ""
    return f"{epoch}:{other_upstream}" if epoch else other_upstream


def _split_epoch(version: str) -> tuple[str, str]:
    epoch, colon, rest = version.partition(":")
    return (epoch.lstrip("0"), rest) if colon else ("", version)


class PackageLocation(msgspec.Struct, frozen=True, gc=False):
    """A file that proves a package: its path in the image without a leading slash, and the diff id of its layer.

    A path in an archive follows `!/`, as in `app.jar!/BOOT-INF/lib/a.jar`. The layer is empty in a folder.
    """

    path: str
    layer: str = ""


class Package(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A package with the fields of its package URL (purl specification, ECMA-427) and its origin.

    type: purl type, as "deb" or "pypi". namespace and name: as in the package URL, normalised for the type.
    qualifiers: sorted by name. source: only for packages of distributions. licences: SPDX expressions, or the declared
    text if it is none. supplier: the maintainer or vendor as declared. dependencies: package URLs of the packages in
    the same image that this one requires, if known. evidence: kind of file that proves it, as "dpkg status".
    declared: True if a lock file lists the package and nothing proves that it is installed. hashes: of the package's
    archive, as ("SHA-256", "9f86d0..."), with the names of CycloneDX.
    """

    type: str
    name: str
    version: str = ""
    namespace: str = ""
    qualifiers: tuple[tuple[str, str], ...] = ()
    subpath: str = ""
    source: SourcePackage | None = None
    licences: tuple[str, ...] = ()
    supplier: str = ""
    dependencies: tuple[str, ...] = ()
    evidence: str = ""
    declared: bool = False
    hashes: tuple[tuple[str, str], ...] = ()
    locations: tuple[PackageLocation, ...] = ()


def qualify_name(package: Package) -> str:
    """Return the name with the namespace that is part of it: `@babel/core`, `org.slf4j:slf4j-api`, but `libc6`."""
    if not package.namespace or package.type in ("deb", "apk", "rpm", "alpm"):
        return package.name
    return f"{package.namespace}{':' if package.type == 'maven' else '/'}{package.name}"


class AffectedPackage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """A package with a problem: its package URL, name and installed version.

    fixed_version: the nearest version without the problem; empty without one. path: the file that proves the package, and
    layer: the digest (diff ID, OCI image specification) of the layer with it.
    """

    purl: str = ""
    name: str = ""
    version: str = ""
    fixed_version: str = ""
    path: str = ""
    layer: str = ""


class Distribution(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The operating system of an image, with the fields of `os-release`(5): `id` as "debian", `version_id` as "13"."""

    id: str
    version_id: str = ""
    name: str = ""
    version_codename: str = ""
    id_like: tuple[str, ...] = ()
    variant_id: str = ""


NO_DISTRIBUTION: Final = Distribution("")
"""An image without the files of an operating system."""


class GoSymbols(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The functions that are linked into a Go executable.

    text: a zlib stream with one line per import path; see `list_symbols` in rust/images/src/symbols.rs. aliases: pairs of
    an import path in the text and the path that records name instead, with all paths below it: of the main package, and
    of replaced modules. An empty second path is an unknown one. has_functions: False if only the import paths are
    reliable.
    """

    path: str
    text: bytes
    aliases: tuple[tuple[str, str], ...] = ()
    has_functions: bool = True


class FixedVulnerabilities(msgspec.Struct, frozen=True, gc=False):
    """One version of a source package in a changelog: the CVEs that it fixes, and those whose fix it reverts."""

    source: str
    version: str
    fixed: tuple[str, ...] = ()
    reverted: tuple[str, ...] = ()


class ImagePackages(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The packages of an image, and the facts that decide with them which advisories apply.

    problems: number of parts of the image that could not be read.
    """

    distribution: Distribution = NO_DISTRIBUTION
    packages: tuple[Package, ...] = ()
    fixes: tuple[FixedVulnerabilities, ...] = ()
    go_symbols: tuple[GoSymbols, ...] = ()
    problems: int = 0

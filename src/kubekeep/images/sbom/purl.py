"""Package URLs (purl specification, ECMA-427) of packages: formatted, parsed, and normalised for comparison.

Tools write the URL of the same package in different ways; parsing gives all of them the same fields. Never looks anything
up.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

import msgspec

from kubekeep.images.package import Package

_LONGEST: Final = 4096
"""Maximum characters of a package URL that is parsed."""
_TYPE: Final = re.compile(r"[a-z][a-z0-9.+-]*")
_SAFE: Final = "-._~:"
_DISTRIBUTIONS: Final = frozenset({"deb", "apk", "rpm", "alpm"})
"""Types whose namespace is a distribution, not a part of the package's name."""
_LOWER_NAMES: Final = frozenset(
    {"deb", "apk", "alpm", "pypi", "npm", "composer", "golang", "github", "bitbucket", "hex"}
)
"""Types with names that do not distinguish case."""
_LOWER_NAMESPACES: Final = frozenset(
    {"deb", "apk", "rpm", "alpm", "npm", "composer", "golang", "github", "bitbucket", "hex"}
)
_RPM_VENDORS: Final = {"alma": "almalinux", "amazon": "amzn", "oracle": "ol", "rhel": "redhat"}
"""Namespaces of rpm packages in some tools, and the names that most tools use."""
_DROPPED: Final = frozenset({"package-id"})
"""Qualifiers that some tools add to make the URL unique in one document."""

_DESCRIPTIVE: Final = frozenset(
    {"distro", "upstream", "vcs_url", "download_url", "file_name", "checksum", "goos", "goarch"}
)


def is_distribution_type(package_type: str) -> bool:
    """Return True for the types of packages of Linux distributions."""
    return package_type in _DISTRIBUTIONS


def format_package_url(package: Package) -> str:
    """Return the canonical package URL; empty for a package without a type."""
    if not package.type:
        return ""
    parts = ["pkg:", package.type, "/"]
    for segment in package.namespace.split("/"):
        if segment:
            parts += (_quote(segment), "/")
    parts.append(_quote(package.name))
    if package.version:
        parts += ("@", _quote(package.version))
    separator = "?"
    for key, value in package.qualifiers:
        if value:
            parts += (separator, key, "=", quote(value, safe=_SAFE + "/", errors="replace"))
            separator = "&"
    subpath = "/".join(_quote(segment) for segment in package.subpath.split("/") if segment not in {"", ".", ".."})
    if subpath:
        parts += ("#", subpath)
    return "".join(parts)


def identify(package: Package) -> str:
    """Return the reference of a package in a document: its package URL, else `package:name@version`."""
    if package.type:
        return format_package_url(package)
    name = f"{package.namespace}/{package.name}" if package.namespace else package.name
    return f"package:{name}@{package.version}"


def identify_everywhere(package: Package) -> str:
    """Return the reference without qualifiers that only describe a package and differ from tool to tool."""
    kept = tuple(entry for entry in package.qualifiers if entry[0] not in _DESCRIPTIVE)
    return identify(package if kept == package.qualifiers else msgspec.structs.replace(package, qualifiers=kept))


def parse_package_url(text: str) -> Package | None:
    """Return a package with the normalised fields of a package URL; None for invalid ones."""
    scheme, colon, rest = text[: _LONGEST + 1].partition(":")
    if scheme.lower() != "pkg" or not colon or len(text) > _LONGEST:
        return None
    rest, _, subpath = rest.strip("/").partition("#")
    rest, _, qualifiers = rest.partition("?")
    package_type, slash, path = rest.partition("/")
    package_type = package_type.lower()
    if not slash or _TYPE.fullmatch(package_type) is None:
        return None
    # A version may contain slashes, a namespace of npm packages an unescaped "@".
    path, at, version = path.rpartition("@") if "@" in path.strip("/")[1:] else (path, "", "")
    if at and not path.strip("/"):
        return None
    segments = [unquote(segment) for segment in path.split("/") if segment]
    if not segments:
        return None
    package = Package(
        type=package_type,
        namespace="/".join(segments[:-1]),
        name=segments[-1],
        version=unquote(version),
        qualifiers=_parse_qualifiers(qualifiers),
        subpath="/".join(unquote(segment) for segment in subpath.split("/") if segment not in {"", ".", ".."}),
    )
    return normalise(package)


def normalise(package: Package) -> Package:
    """Return the package with the fields that all tools should have written."""
    namespace, name, version, subpath = package.namespace, package.name, package.version, package.subpath
    qualifiers = tuple(entry for entry in package.qualifiers if entry[0] not in _DROPPED)
    if package.type in _LOWER_NAMESPACES:
        namespace = namespace.lower()
    if package.type in _LOWER_NAMES:
        name = name.lower()
    if package.type == "pypi":
        name = name.replace("_", "-")
    elif package.type == "rpm":
        namespace = _RPM_VENDORS.get(namespace, namespace)
    elif package.type == "golang" and subpath:
        # Some tools cut the path of a module after three segments: github.com/blang/semver@v4.0.0#v4.
        namespace, _, name = "/".join(filter(None, (namespace, name, subpath.lower()))).rpartition("/")
        subpath = ""
    if package.type in _DISTRIBUTIONS:
        version, qualifiers = _add_epoch(version, qualifiers)
    return msgspec.structs.replace(
        package, namespace=namespace, name=name, version=version, qualifiers=qualifiers, subpath=subpath
    )


def _add_epoch(version: str, qualifiers: tuple[tuple[str, str], ...]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Move an epoch from the qualifiers to the version, where a package manager prints it."""
    epoch = next((value for key, value in qualifiers if key == "epoch"), "")
    if not epoch:
        return version, qualifiers
    if version and epoch != "0" and ":" not in version:
        version = f"{epoch}:{version}"
    return version, tuple(entry for entry in qualifiers if entry[0] != "epoch")


def _parse_qualifiers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return tuple(sorted({key.lower(): unquote(value) for key, _, value in pairs if key and value}.items()))


def _quote(text: str) -> str:
    return quote(text, safe=_SAFE, errors="replace")

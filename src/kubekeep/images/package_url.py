"""Package URLs (purl specification, ECMA-427): written from packages and read from text. No I/O.

`parse_package_url` keeps the identity that the text states; `normalise_package` in `foreign_packages` maps the
conventions of other tools to ours. Never checks that a package exists.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from kubekeep.ecosystems.shared.registry import find_type
from kubekeep.model.package import Package

MAX_LENGTH: Final = 16_384
"""Longest package URL that is read; real ones have less than 1,000 characters."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.\-_~:]+")
_ENCODED: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_TYPE: Final = re.compile(r"[a-z][a-z0-9.-]*")
_KEY: Final = re.compile(r"[a-z][a-z0-9._-]*")


def format_package_url(package: Package) -> str:
    """Return the canonical package URL of a package whose namespace and name are normalised for its type."""
    version = f"@{_encode(package.version)}" if package.version else ""
    namespace = f"{encode_path(package.namespace)}/" if package.namespace else ""
    url = f"pkg:{package.type}/{namespace}{_encode(package.name)}{version}"
    if package.qualifiers:
        # The tests of the specification keep slashes in values, as in `repository_url=repo.spring.io/release`.
        url += "?" + "&".join([f"{key}={encode_path(value)}" for key, value in package.qualifiers if value])
    return f"{url}#{encode_path(package.subpath)}" if package.subpath else url


def parse_package_url(text: str) -> Package:
    """Return the package that a package URL names, normalised for its type. Raises ValueError with the reason."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"package URL has {len(text)} characters, more than {MAX_LENGTH}")
    rest, _, fragment = text.partition("#")
    rest, _, query = rest.partition("?")
    scheme, colon, rest = rest.partition(":")
    if scheme.lower() != "pkg" or not colon:
        raise ValueError(f"package URL {_shorten(text)} does not begin with pkg:")
    kind, _, rest = rest.strip("/").partition("/")
    kind = kind.lower()
    if not _TYPE.fullmatch(kind):
        raise ValueError(f"package URL {_shorten(text)} has an invalid type: {_shorten(kind)}")
    rest, version = _split_version(kind, rest)
    namespace, _, name = rest.strip("/").rpartition("/")
    if not name:
        raise ValueError(f"package URL {_shorten(text)} has no name")
    try:
        namespace, name = normalise_name(kind, _decode_path(namespace), _decode(name).strip("/"))
        return Package(
            type=kind,
            namespace=namespace,
            name=name,
            version=_normalise_version(kind, _decode(version)),
            qualifiers=_parse_qualifiers(query),
            subpath=_decode_path(fragment),
        )
    except ValueError as error:
        raise ValueError(f"package URL {_shorten(text)}: {error}") from None


def normalise_name(kind: str, namespace: str, name: str) -> tuple[str, str]:
    """Return namespace and name in the canonical form that the purl specification defines for the type `kind`."""
    definition = find_type(kind)
    return definition.normalise(namespace, name) if definition else (namespace, name)


def encode_path(path: str) -> str:
    """Return a namespace or subpath with each of its segments percent-encoded."""
    return "/".join([_encode(segment) for segment in path.split("/")]) if "/" in path else _encode(path)


@functools.lru_cache(maxsize=8192)
def _encode(text: str) -> str:
    return _UNSAFE.sub(_encode_match, text)


def _encode_match(match: re.Match[str]) -> str:
    return "".join([f"%{octet:02X}" for octet in match[0].encode("utf-8", "replace")])


def _decode(text: str) -> str:
    return _ENCODED.sub(_decode_match, text) if "%" in text else text


def _decode_match(match: re.Match[str]) -> str:
    try:
        return bytes.fromhex(match[0].replace("%", "")).decode()
    except UnicodeDecodeError:
        raise ValueError(f"{_shorten(match[0])} is not UTF-8") from None


def _decode_path(path: str) -> str:
    segments = [_decode(segment) for segment in path.split("/")]
    if any("/" in segment for segment in segments):
        raise ValueError("a segment contains an encoded slash")
    return "/".join([segment for segment in segments if segment not in ("", ".", "..")])


def _split_version(kind: str, rest: str) -> tuple[str, str]:
    """Split at the last `@`, except one that opens an npm scope that was not encoded, as in `@angular/core`."""
    name, _, version = rest.rpartition("@") if "@" in rest else (rest, "", "")
    return (rest, "") if kind == "npm" and not name and "/" in version else (name, version)


def _normalise_version(kind: str, version: str) -> str:
    definition = find_type(kind)
    return version.lower() if definition and definition.has_caseless_versions else version


def _parse_qualifiers(query: str) -> tuple[tuple[str, str], ...]:
    if not query:
        return ()
    qualifiers: dict[str, str] = {}
    for pair in query.split("&"):
        key, equals, value = pair.partition("=")
        key = key.lower()
        if not equals or not _KEY.fullmatch(key):
            raise ValueError(f"invalid qualifier {_shorten(pair)}")
        if key in qualifiers:
            raise ValueError(f"qualifier {_shorten(key)} occurs twice")
        if value:
            qualifiers[key] = _decode(value)
    return tuple(sorted(qualifiers.items()))


def _shorten(text: str) -> str:
    limit = 80
    return text if len(text) <= limit else f"{text[:limit]}..."

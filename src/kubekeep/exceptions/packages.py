"""Selection of packages by exceptions: the packages in the documents of images and SBOMs. No I/O.

Only findings about the selected packages are covered, such as their vulnerabilities.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kubekeep.ecosystems.shared.registry import is_distribution_type
from kubekeep.exceptions.policy_exception import PackageSelector, matches
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import format_path
from kubekeep.model.package import Package
from kubekeep.model.subject import Subject
from kubekeep.vulnerabilities.vex.identities import parse_purl
from kubekeep.vulnerabilities.vex.purl_matching import matches_purl

GROUP: Final = "image.kubekeep.io"
"""API group of the documents of images and SBOMs."""
LISTS: Final = ("packages", "vulnerabilities")
"""Fields of these documents whose entries are about one package each."""


def find_packages(resource: Subject, selectors: Sequence[PackageSelector]) -> tuple[str, ...]:
    """Return the field paths of the entries about packages that one of the selectors matches."""
    if resource.group != GROUP:
        return ()
    return tuple(
        format_path((field, number))
        for field in LISTS
        for number, entry in enumerate(as_list(resource.object.get(field)))
        if any(_matches(selector, as_mapping(entry)) for selector in selectors)
    )


def _matches(selector: PackageSelector, entry: Mapping[str, Any]) -> bool:
    package = _parse(str(entry.get("purl", "")))
    if package is None:
        return False
    if selector.purl is not None and not matches_purl(selector.purl, package):
        return False
    return all(
        any(matches(pattern, value) for value in _list_values(key, package, entry))
        for key, pattern in selector.patterns
    )


def _list_values(key: str, package: Package, entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values to compare with the pattern of a key; one of them has to match."""
    match key:
        case "type":
            yield package.type
        case "name":
            yield package.name
            # The namespace is a part of the name, except for distributions.
            if package.namespace and not is_distribution_type(package.type):
                separator = ":" if package.type == "maven" else "/"
                yield f"{package.namespace}{separator}{package.name}"
        case "version":
            yield package.version
        case _:
            yield str(entry.get("path", "")).lstrip("/")


@functools.lru_cache(maxsize=16_384)
def _parse(text: str) -> Package | None:
    try:
        return parse_purl(text)
    except ValueError:
        return None

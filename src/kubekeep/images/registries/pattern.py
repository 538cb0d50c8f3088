"""Patterns of images in registries, such as `registry.example/team/*` or `registry.example/app:1.*`. No I/O.

`*` stands for any text, also with slashes, and `?` for one character.
"""

from __future__ import annotations

import fnmatch
import re
from typing import Final

import msgspec

from kubekeep.model.text import visible
from kubekeep.registry.reference import DOCKER_HUB, canonical_registry, hide_login, parse_image_name

_WILDCARDS: Final = re.compile(r"[*?]")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|localhost|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/?")
"""A registry without a repository: a name with a dot, or this machine. `name:1` is a tag, as in `docker pull`."""
_TAG: Final = re.compile(r"(?P<repository>.*?)(?::(?P<tag>[^/:]*))?", re.DOTALL)
_SYNTAX: Final = "use registry.example, registry.example/team/* or registry.example/app:1.*"


class RegistryPattern(msgspec.Struct, frozen=True):
    """Images of a registry: patterns of repositories and tags. digest: of a single image, which then has no tag."""

    registry: str
    repository: str
    tag: str = "*"
    digest: str = ""

    @property
    def is_repository(self) -> bool:
        """True if the pattern names one repository, so that no list of repositories is needed."""
        return _WILDCARDS.search(self.repository) is None

    def matches_repository(self, name: str) -> bool:
        """Return True if a repository matches."""
        return matches(self.repository, name)


def matches(pattern: str, name: str) -> bool:
    """Return True if a name matches a pattern with wildcards; brackets have no meaning."""
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def parse_pattern(text: str) -> RegistryPattern:
    """Parse a pattern; a name without a registry is one of Docker Hub. Raises ValueError with the accepted syntax."""
    if _HOST.fullmatch(text):
        return RegistryPattern(text.rstrip("/"), "*")
    try:
        # With a letter in place of each wildcard, a pattern is a name.
        name = parse_image_name(_WILDCARDS.sub("a", text))
    except ValueError:
        raise ValueError(f"{visible(hide_login(text))!r} is not a pattern of images: {_SYNTAX}") from None
    without_digest = text.partition("@")[0]
    if _WILDCARDS.search(without_digest.partition("/")[0]) and name.registry != DOCKER_HUB:
        raise ValueError(f"{visible(text)!r} has a wildcard in the name of the registry: {_SYNTAX}")
    match = _TAG.fullmatch(without_digest)
    repository, tag = (match["repository"], match["tag"]) if match else (without_digest, None)
    host, slash, rest = repository.partition("/")
    if slash and (host == name.registry or canonical_registry(host) == DOCKER_HUB):
        repository = rest
    if name.registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return RegistryPattern(name.registry, repository, tag or "*", name.digest)

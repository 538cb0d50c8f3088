"""Patterns of image names: a registry, repository or tag, with everything below it. No I/O."""

from __future__ import annotations

import functools
import re
from typing import Final

from kubekeep.registry.reference import (
    DEFAULT_TAG,
    DOCKER_HUB,
    DOCKER_HUB_NAMES,
    ArtifactReference,
    canonical_registry,
)

EVERY_IMAGE: Final = "*"
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._*:-]+|\[[0-9A-Fa-f:]+\](?::[0-9]+)?")
_TAG: Final = re.compile(r"[A-Za-z0-9_.*-]{1,128}")
_PORT: Final = re.compile(r"(?:[A-Za-z0-9*-]+(?:\.[A-Za-z0-9*-]+)+|localhost|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}")
_WILDCARD: Final = "[^/]*"


class ImagePattern:
    """A pattern such as `registry.example/team`, `docker.io/library/nginx:1.*` or `*` for every image.

    Segments are whole: `registry.example/team` covers `registry.example/team/app`, not `registry.example/teams`. `*` stands
    for any characters of one segment. Names without a registry belong to Docker Hub. All spellings of a registry are equal.
    """

    def __init__(self, text: str) -> None:
        """Parse a pattern. Raises ValueError with the accepted syntax."""
        self.text = text
        name, tag = _split_tag(text)
        segments = name.removesuffix("/*").split("/") if name != EVERY_IMAGE else []
        if not all(_SEGMENT.fullmatch(segment) for segment in segments) or (tag and not _TAG.fullmatch(tag)):
            raise _error(text)
        # A tag is that of one repository, not of those below it.
        self._names = [_compile(segments, is_exact=bool(tag)) for segments in _complete(segments)]
        self._tag = re.compile(re.escape(tag).replace(r"\*", ".*")) if tag else None
        characters = sum(len(segment.replace("*", "")) for segment in segments)
        self.specificity = (bool(tag), len(segments), characters)
        """Larger for a pattern that covers fewer images: with a tag, with more segments, with more characters."""

    def covers(self, image: ArtifactReference) -> bool:
        """Return True if the pattern covers an image. A reference with a digest matches no pattern with a tag.

        Runtimes ignore a tag beside a digest, so that it may be any text.
        """
        if self._tag is not None and (image.digest or not self._tag.fullmatch(image.tag or DEFAULT_TAG)):
            return False
        return any(pattern.match(name) for name in _spell(image) for pattern in self._names)


def _spell(image: ArtifactReference) -> list[str]:
    """Return the canonical name, and those under other hosts of Docker Hub, which a wildcard may stand for."""
    name = image.canonical_name
    host, _, rest = name.partition("/")
    return [f"{other}/{rest}" for other in DOCKER_HUB_NAMES] if host == DOCKER_HUB else [name]


@functools.lru_cache(maxsize=1024)
def parse_pattern(text: str) -> ImagePattern:
    """Return the pattern. Raises ValueError."""
    return ImagePattern(text)


def _split_tag(text: str) -> tuple[str, str]:
    """Return name and tag. Without a slash, a number after the colon is the port of a registry."""
    if _PORT.fullmatch(text):
        return text, ""
    head, slash, last = text.rpartition("/")
    name, colon, tag = last.partition(":")
    if colon and not tag:
        raise _error(text)
    return f"{head}{slash}{name}", tag


def _error(text: str) -> ValueError:
    return ValueError(f"{text!r} is not a pattern for images: use registry/repository, registry/team/* or name:tag")


def _complete(segments: list[str]) -> list[list[str]]:
    """Return the segments with the registry; a name without one is an account or an image of Docker Hub."""
    if not segments:
        return [[]]
    first = segments[0]
    if "." in first or ":" in first or "*" in first or first == "localhost":
        return [[canonical_registry(first), *segments[1:]]]
    hub = [[DOCKER_HUB, *segments]]
    return [*hub, [DOCKER_HUB, "library", *segments]] if len(segments) == 1 else hub


def _compile(segments: list[str], *, is_exact: bool) -> re.Pattern[str]:
    if not segments:
        return re.compile("")
    parts = [re.escape(segment.lower()).replace(r"\*", _WILDCARD) for segment in segments]
    return re.compile("/".join(parts) + (r"\Z" if is_exact else r"(?:/|\Z)"))

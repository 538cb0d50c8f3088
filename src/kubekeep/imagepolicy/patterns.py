"""Patterns of image names: a registry, repository or tag, with everything below it. No I/O."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from kubekeep.registry.reference import (
    DEFAULT_TAG,
    DOCKER_HUB,
    DOCKER_HUB_NAMES,
    ArtifactReference,
    canonical_registry,
)

EVERY_IMAGE: Final = "*"
_ADDRESS: Final = r"\[[0-9A-Fa-f:.]+\]"
_SEGMENT: Final = re.compile(rf"[A-Za-z0-9._*:-]+|{_ADDRESS}(?::[0-9]+)?")
_TAG: Final = re.compile(r"[A-Za-z0-9_.*-]{1,128}")
_LABEL: Final = r"[A-Za-z0-9*-]+"
_HOST: Final = re.compile(
    # A name without a dot is an image of Docker Hub, unless it has a capital letter or stands for several hosts.
    rf"(?!\*:)(?:{_LABEL}(?:\.{_LABEL})+|(?=[^:]*[A-Z*]){_LABEL}|localhost|{_ADDRESS}):[0-9]{{1,5}}|{_ADDRESS}"
)
"""A registry with a port, or an address; its colon precedes no tag."""
_WILDCARD: Final = "[^/]*"
_LIBRARY: Final = "library"
Specificity: TypeAlias = tuple[bool, int, int]
"""Larger for a pattern that covers fewer images: with a tag, with more segments, with more characters."""


class ImagePattern:
    """A pattern such as `registry.example/team`, `docker.io/library/nginx:1.*` or `*` for every image.

    Segments are whole: `registry.example/team` covers `registry.example/team/app`, not `registry.example/teams`. `*` stands
    for any characters of one segment. Names without a registry belong to Docker Hub. All spellings of a registry are equal.
    """

    def __init__(self, text: str) -> None:
        """Parse a pattern. Raises ValueError with the accepted syntax."""
        self.text = text
        name, tag = _split_tag(text)
        segments = (name if tag else name.removesuffix("/*")).split("/") if name != EVERY_IMAGE else []
        if not all(_SEGMENT.fullmatch(segment) for segment in segments) or (tag and not _TAG.fullmatch(tag)):
            raise _error(text)
        self._segments = _complete(segments)
        # A tag is that of one repository, not of those below it.
        self._name = _compile(self._segments, is_exact=bool(tag))
        self._tag = re.compile(re.escape(tag).replace(r"\*", ".*")) if tag else None
        self.canonical = "/".join(self._segments).lower() + (f":{tag}" if tag else "")
        """The pattern in the spelling that equal patterns share; empty for every image."""

    def covers(self, image: ArtifactReference) -> bool:
        """Return True if the pattern covers an image. A reference with a digest matches no pattern with a tag.

        Runtimes ignore a tag beside a digest, so that it may be any text.
        """
        return self.measure(image) is not None

    def measure(self, image: ArtifactReference) -> Specificity | None:
        """Return how specifically the pattern covers an image, the same for all spellings; None if it does not."""
        if self._tag is not None and (image.digest or not self._tag.fullmatch(image.tag or DEFAULT_TAG)):
            return None
        is_covered = False
        for name, is_short in _spell(image):
            if self._name.match(name):
                if not is_short:
                    return self._measure(self._segments)
                is_covered = True
        return self._measure([*self._segments, _LIBRARY]) if is_covered else None

    def _measure(self, segments: list[str]) -> Specificity:
        characters = sum(len(segment.replace("*", "")) for segment in segments)
        return self._tag is not None, len(segments), characters


def _spell(image: ArtifactReference) -> Iterator[tuple[str, bool]]:
    """Yield the canonical name, and for Docker Hub those under its other hosts, which a wildcard may stand for.

    The last names are those without `library`, with True.
    """
    name = image.canonical_name
    host, _, repository = name.partition("/")
    if host != DOCKER_HUB:
        yield name, False
        return
    for other in DOCKER_HUB_NAMES:
        yield f"{other}/{repository}", False
    if repository.startswith(f"{_LIBRARY}/"):
        for other in DOCKER_HUB_NAMES:
            yield f"{other}/{repository.removeprefix(f'{_LIBRARY}/')}", True


@functools.lru_cache(maxsize=1024)
def parse_pattern(text: str) -> ImagePattern:
    """Return the pattern. Raises ValueError."""
    return ImagePattern(text)


def _split_tag(text: str) -> tuple[str, str]:
    """Return name and tag. Without a slash, a number after the colon is the port of a registry."""
    if _HOST.fullmatch(text):
        return text, ""
    head, slash, last = text.rpartition("/")
    name, colon, tag = last.partition(":")
    if colon and not tag:
        raise _error(text)
    return f"{head}{slash}{name}", tag


def _error(text: str) -> ValueError:
    return ValueError(f"{text!r} is not a pattern for images: use registry/repository, registry/team/* or name:tag")


def _complete(segments: list[str]) -> list[str]:
    """Return the segments with the registry; a name without one is an account or an image of Docker Hub."""
    if not segments:
        return []
    first = segments[0]
    # As in names of images: an account of Docker Hub has no capital letters.
    if first == "localhost" or first != first.lower() or any(character in first for character in ".:*"):
        return [canonical_registry(first), *segments[1:]]
    return [DOCKER_HUB, *segments]


def _compile(segments: list[str], *, is_exact: bool) -> re.Pattern[str]:
    if not segments:
        return re.compile("")
    parts = [re.escape(segment.lower()).replace(r"\*", _WILDCARD) for segment in segments]
    return re.compile("/".join(parts) + (r"\Z" if is_exact else r"(?:/|\Z)"))

"""References to artifacts, as `oci://registry/repository:tag`, and to images in Docker's notation, as `nginx:1.29`.

Never resolves one.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import re
from typing import Final

import msgspec

from kubekeep.model.text import visible

DIGEST: Final = r"sha256:[0-9a-f]{64}"
DEFAULT_TAG: Final = "latest"

_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_REPOSITORY: Final = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_DIGEST_STARTS: Final = ("sha256:", "sha512:")
_REFERENCE: Final = (
    r"oci://(?P<registry>(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)"
    rf"/(?P<repository>{_REPOSITORY})"
    rf"(?::(?P<tag>{_TAG}))?"
    rf"(?:@(?P<digest>{DIGEST}))?"
)
_LONGEST_REPOSITORY: Final = 255
_LAST_PORT: Final = (1 << 16) - 1
_PORT: Final = r":0*([0-9]+)\Z"
DOCKER_HUB: Final = "docker.io"
DOCKER_HUB_NAMES: Final = (DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")
"""Hosts that serve the images of Docker Hub."""


class ArtifactReference(msgspec.Struct, frozen=True):
    """An artifact in a registry; the digest takes precedence over the tag."""

    registry: str
    """Host, with the port unless it is the default."""
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Registry and repository, as used in signatures."""
        return f"{self.registry}/{self.repository}"

    @property
    def canonical_name(self) -> str:
        """Registry and repository in the spelling that equal names share; policies compare it."""
        return canonical_name(self.name)

    @property
    def version(self) -> str:
        """The digest or tag to request."""
        return self.digest or self.tag or DEFAULT_TAG

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"oci://{self.name}{tag}{'@' if self.digest else ''}{self.digest}"


def canonical_registry(host: str) -> str:
    """Return the spelling of a registry that all its names share, so that no other spelling passes a policy.

    Lower case, without the port of HTTPS, `docker.io` for each host of Docker Hub, and the short form of an IPv6 address.
    """
    name, number = host.lower(), ""
    match = re.search(_PORT, name)
    if match is not None and not name.endswith("]"):
        name, number = name[: match.start()], match[1]
    if name.startswith("["):
        with contextlib.suppress(ValueError):
            name = f"[{ipaddress.IPv6Address(name[1:-1]).compressed}]"
    name = DOCKER_HUB if name in DOCKER_HUB_NAMES else name
    return name if number in ("", "443") else f"{name}:{number}"


def canonical_name(name: str) -> str:
    """Return a registry, or a registry and a repository, in the spelling that equal names share."""
    host, slash, repository = name.partition("/")
    return f"{canonical_registry(host)}{slash}{repository}"


def get_image_key(text: str) -> str:
    """Return the key that all references to one image share: its digest, else name and tag in one spelling.

    The digest alone decides which content runs, whatever the tag beside it says. A text that names no image is its own key.
    """
    try:
        reference = parse_image_name(text)
    except ValueError:
        return visible(hide_login(text))
    return reference.digest or f"{reference.canonical_name}:{reference.version}"


def is_repository(text: str) -> bool:
    """Return True for a name that a repository may have (OCI distribution specification 1.1)."""
    return len(text) <= _LONGEST_REPOSITORY and re.fullmatch(_REPOSITORY, text) is not None


def is_tag(text: str) -> bool:
    """Return True for a name that a tag may have."""
    return re.fullmatch(_TAG, text) is not None


def is_untagged(text: str) -> bool:
    """Return True for the name of an image without a tag and a digest."""
    try:
        reference = parse_image_name(text)
    except ValueError:
        return False
    return not reference.tag and not reference.digest


def hide_login(text: str) -> str:
    """Return a reference without user and password, which do not belong there."""
    # Not a regular expression: searching one takes quadratic time in long texts.
    parts = text.split("@")
    kept = []
    for part, following in itertools.pairwise(parts):
        colon = part.find(":")
        if colon == -1 or following.startswith(_DIGEST_STARTS):
            kept.append(f"{part}@")
        else:
            kept.append(part[: part.rfind("/", 0, colon) + 1])
    return "".join([*kept, parts[-1]])


def parse_reference(text: str) -> ArtifactReference:
    """Parse a reference. Raises ValueError with the accepted syntax."""
    match = re.fullmatch(_REFERENCE, text)
    if match is None or len(match["repository"]) > _LONGEST_REPOSITORY:
        raise ValueError(
            f"{hide_login(text)}: use oci://registry/repository:tag or oci://registry/repository@sha256:..."
        )
    return ArtifactReference(match["registry"], match["repository"], match["tag"] or "", match["digest"] or "")


def parse_image_name(text: str) -> ArtifactReference:
    """Parse the name of an image in Docker's notation. Raises ValueError with the accepted syntax.

    The first part is a registry if it has a dot, a port or capital letters, or is `localhost`; the registry is Docker
    Hub otherwise, where images without an organisation belong to `library`. All names of Docker Hub become `docker.io`. The
    tag is empty if there is none.
    """
    host, slash, rest = text.partition("/")
    if not slash or not (host == "localhost" or "." in host or ":" in host or host != host.lower()):
        host, rest = DOCKER_HUB, text
    elif canonical_registry(host) == DOCKER_HUB:
        host = DOCKER_HUB
    if host == DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}"
    try:
        reference = parse_reference(f"oci://{host}/{rest}")
    except ValueError:
        raise ValueError(
            f"{hide_login(text)!r} is not an image name: use name:tag, registry/name:tag or name@sha256:..."
        ) from None
    port = reference.registry.rpartition(":")[2]
    if ":" in reference.registry and port.isdecimal() and not 0 < int(port) <= _LAST_PORT:
        raise ValueError(f"{text!r} has an invalid port")
    return reference

"""References to artifacts: `oci://registry/repository:tag` or `@sha256:...`. Never resolves one."""

from __future__ import annotations

import re
from typing import Final

import msgspec

DIGEST: Final = r"sha256:[0-9a-f]{64}"
DEFAULT_TAG: Final = "latest"

_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_REFERENCE: Final = re.compile(
    r"oci://(?P<registry>(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)"
    rf"/(?P<repository>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
    rf"(?:@(?P<digest>{DIGEST}))?"
)
_LONGEST_REPOSITORY: Final = 255


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
    def version(self) -> str:
        """The digest or tag to request."""
        return self.digest or self.tag or DEFAULT_TAG

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"oci://{self.name}{tag}{'@' if self.digest else ''}{self.digest}"


def parse_reference(text: str) -> ArtifactReference:
    """Parse a reference. Raises ValueError with the accepted syntax."""
    match = _REFERENCE.fullmatch(text)
    if match is None or len(match["repository"]) > _LONGEST_REPOSITORY:
        raise ValueError(f"{text}: use oci://registry/repository:tag or oci://registry/repository@sha256:...")
    return ArtifactReference(match["registry"], match["repository"], match["tag"] or "", match["digest"] or "")

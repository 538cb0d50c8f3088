"""Names of artifacts: `oci://registry/repository:tag` or `@sha256:...`. Never resolves one."""

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


class Reference(msgspec.Struct, frozen=True):
    """An artifact in a registry; where both are given, the digest counts and the tag is for people."""

    registry: str
    """Host, and port where it is not the usual one."""
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The repository with its registry, as signatures cite it."""
        return f"{self.registry}/{self.repository}"

    @property
    def version(self) -> str:
        """What to ask the registry for."""
        return self.digest or self.tag or DEFAULT_TAG

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"oci://{self.name}{tag}{'@' if self.digest else ''}{self.digest}"


def parse(text: str) -> Reference:
    """The reference that `text` is. Raises ValueError, which says how one is written."""
    match = _REFERENCE.fullmatch(text)
    if match is None or len(match["repository"]) > _LONGEST_REPOSITORY:
        raise ValueError(f"{text}: not oci://registry/repository:tag or oci://registry/repository@sha256:...")
    return Reference(match["registry"], match["repository"], match["tag"] or "", match["digest"] or "")

"""URLs of VEX repositories: of the manifest, and of the archives in messages. Sends nothing."""

from __future__ import annotations

from typing import Final

from kubekeep.vulnerabilities.database.download import parse_url, show_url
from kubekeep.vulnerabilities.database.errors import UpdateError
from kubekeep.vulnerabilities.database.vex_repositories.manifest import MANIFEST, ArchiveLocation

_WELL_KNOWN: Final = f"/.well-known/{MANIFEST}"
_GITHUB: Final = "github.com"
_RAW_GITHUB: Final = "https://raw.githubusercontent.com"


def get_manifest_url(url: str) -> str:
    """Return the URL of the manifest of a domain or a GitHub repository, or the URL of a manifest itself.

    Raises UpdateError for another URL.
    """
    parsed = parse_url(url)
    if parsed.path.endswith(".json"):
        return url
    parts = parsed.path.strip("/").split("/")
    if parsed.host == _GITHUB and len(parts) == 2 and all(parts):
        if parsed.userinfo:
            # They belong to another host than the one with the file.
            raise UpdateError(
                f"{show_url(url)}: credentials are sent to their own host only: for a private repository, name the URL of "
                f"its {MANIFEST}"
            )
        return f"{_RAW_GITHUB}/{parts[0]}/{parts[1].removesuffix('.git')}/main/{MANIFEST}"
    if parts != [""] or parsed.host == _GITHUB:
        raise UpdateError(
            f"{show_url(url)} is not the URL of a VEX repository: expected https://DOMAIN, https://github.com/ORG/REPOSITORY "
            f"or the URL of its {MANIFEST}"
        )
    return str(parsed.copy_with(path=_WELL_KNOWN, query=None, fragment=None))


def show_location(location: ArchiveLocation) -> str:
    """Return a location without credentials and query, for messages and for comparison with the last one."""
    return f"{show_url(location.url)}//{location.folder}" if location.folder else show_url(location.url)

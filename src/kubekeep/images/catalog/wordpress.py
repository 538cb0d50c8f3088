"""WordPress, and the plug-ins and themes installed in it. Never runs PHP."""

from __future__ import annotations

import re
from typing import Final

from kubekeep.images.catalog.documents import build_record, is_name, is_plain
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.package import Package

PATTERNS: Final = (
    "**/wp-includes/version.php",
    "**/wp-content/plugins/*/*.php",
    "**/wp-content/themes/*/style.css",
)
MAXIMUM_HEADER: Final = 8 * 1024
"""WordPress itself reads as many bytes of a file for its header (get_file_data)."""
HEADER: Final = rb"(?m)^[ \t/*#@]*(Plugin Name|Theme Name|Version):[ \t]*(.*?)[ \t\r]*$"


def read(file: LayerFile) -> CatalogRecord | None:
    """Return WordPress, or the plug-in or theme with a header in the file."""
    header = file.content[:MAXIMUM_HEADER]
    if file.path.endswith("/version.php"):
        match = re.search(rb"(?m)^\$wp_version\s?=\s?'([\w.-]+)'", header)
        packages = [_build("", "wordpress", match[1].decode("ascii", "replace"))] if match else []
        return build_record(file, "wordpress", packages)
    fields = {key.decode(): value.decode("utf-8", "replace") for key, value in re.findall(HEADER, header)}
    kind, slug = file.path.split("/")[-3:-1]
    version = fields.get("Version", "")
    is_main = ("Plugin Name" if kind == "plugins" else "Theme Name") in fields
    if not is_main or not is_name(slug) or not is_plain(version):
        return None
    return build_record(file, "wordpress", [_build(f"wordpress/{kind}", slug, version)])


def _build(namespace: str, name: str, version: str) -> Package:
    return Package(type="generic", namespace=namespace, name=name, version=version, evidence="WordPress header")

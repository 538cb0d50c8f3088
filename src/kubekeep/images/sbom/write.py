"""Formats of written SBOMs by name. Imports a format only to write it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Final, cast

from kubekeep.images.sbom.document import Sbom

FORMATS: Final = {
    "cyclonedx": ("cyclonedx", "write_1_6", ".cdx.json"),
    "cyclonedx-1.7": ("cyclonedx", "write_1_7", ".cdx.json"),
    "spdx": ("spdx", "write_json", ".spdx.json"),
    "spdx-3": ("spdx3", "write_json_ld", ".spdx.json"),
    "spdx-tag-value": ("spdx_tag_value", "write_tag_value", ".spdx"),
}
"""Names of formats, with module, function and usual end of the file name."""
DEFAULT: Final = "cyclonedx"


def write_sbom(sbom: Sbom, name: str) -> bytes:
    """Return the SBOM in the format `name` of FORMATS."""
    module_name, function_name, _ = FORMATS[name]
    module = importlib.import_module(f"kubekeep.images.sbom.{module_name}")
    return cast("Callable[[Sbom], bytes]", getattr(module, function_name))(sbom)

"""Names and file types of manifests. No I/O."""

from __future__ import annotations

from typing import Final

from kubekeep.model.source import FileType

EXTENSIONS: Final = (".yaml", ".yml", ".json")
YAML: Final = FileType("YAML")
JSON: Final = FileType("JSON")

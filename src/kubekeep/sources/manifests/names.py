"""Names and file types of manifests. No I/O."""

from __future__ import annotations

from typing import Final

from kubekeep.model.source import FileType

EXTENSIONS: Final = (".yaml", ".yml", ".json")
YAML: Final = FileType("YAML", has_open_namespaces=True)
JSON: Final = FileType("JSON", has_open_namespaces=True)

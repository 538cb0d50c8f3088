"""Names and file types of manifests. No I/O."""

from __future__ import annotations

from typing import Final

from kubekeep.model.source import FileType

EXTENSIONS: Final = (".yaml", ".yml", ".json")
COMPRESSED: Final = tuple(f"{extension}.gz" for extension in EXTENSIONS)
"""Extensions of files compressed by gzip, with one manifest each."""
YAML: Final = FileType("YAML", has_open_namespaces=True)
JSON: Final = FileType("JSON", has_open_namespaces=True)
COMPRESSED_YAML: Final = FileType("YAML", is_template=True, has_open_namespaces=True, has_excerpts=False)
COMPRESSED_JSON: Final = FileType("JSON", is_template=True, has_open_namespaces=True, has_excerpts=False)
"""Files that are read, and not edited or quoted."""

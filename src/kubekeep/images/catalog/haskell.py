"""Haskell packages in the lock files of Stack and Cabal. Read in folders; executables have no metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from kubekeep.images.catalog.bounded import read_content, read_text
from kubekeep.images.catalog.documents import as_text, build_record, read_yaml
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.package import Package

PATTERNS: Final[tuple[str, ...]] = ()
FOLDER_PATTERNS: Final = ("**/stack.yaml.lock", "**/cabal.project.freeze")
STACK: Final = r"([A-Za-z0-9][A-Za-z0-9-]*)-(\d+(?:\.\d+)*)(?:@.*)?"
CABAL: Final = r"any\.([A-Za-z0-9][A-Za-z0-9-]{0,200}) ==(\d[\d.]{0,60})"


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the packages with a fixed version."""
    if file.path.endswith(".freeze"):
        pairs = iter(re.findall(CABAL, read_text(file)))
    else:
        pairs = _list_stack(read_content(file))
    evidence = file.path.rpartition("/")[2]
    packages = (
        Package(type="hackage", name=name, version=version, evidence=evidence, declared=True) for name, version in pairs
    )
    return build_record(file, "haskell", packages)


def _list_stack(content: bytes) -> Iterator[tuple[str, str]]:
    for value in as_list(as_mapping(read_yaml(content)).get("packages")):
        text = as_text(as_mapping(as_mapping(value).get("completed")).get("hackage"))
        if match := re.fullmatch(STACK, text[:500]):
            yield match[1], match[2]

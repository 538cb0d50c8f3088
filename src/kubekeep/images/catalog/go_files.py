"""Requirements in `go.mod` files, with replacements. Read in folders, not in images; `go.sum` lists unused versions too.

Since Go 1.17 the file lists all modules of the build. The `go` line is a minimum, so only a `toolchain` line gives the
version of the standard library.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubekeep.images.catalog.bounded import read_text
from kubekeep.images.catalog.documents import MAXIMUM_SLOW_BYTES, build_record
from kubekeep.images.catalog.go import build_module, is_module, read_toolchain
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.package import Package

PATTERNS: Final[tuple[str, ...]] = ()
FOLDER_PATTERNS: Final = ("**/go.mod",)


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the modules that a `go.mod` file requires."""
    if "/testdata/" in f"/{file.path}" or "/vendor/" in f"/{file.path}":
        return None
    return build_record(file, "go_files", _list_modules(read_text(file, MAXIMUM_SLOW_BYTES)))


def _list_modules(text: str) -> Iterator[Package]:
    required: list[tuple[str, str]] = []
    replaced: dict[tuple[str, str], tuple[str, str]] = {}
    for words in _list_statements(text):
        match words:
            case ["require", path, version]:
                required.append((path, version))
            case ["replace", path, version, "=>", *target] if target:
                replaced[path, version] = (target[0], target[1] if len(target) > 1 else "")
            case ["replace", path, "=>", *target] if target:
                replaced[path, ""] = (target[0], target[1] if len(target) > 1 else "")
            case ["toolchain", name] if toolchain := read_toolchain(name):
                yield build_module("stdlib", toolchain, declared=True, evidence="go.mod")
            case _:
                pass
    for path, version in required:
        target_path, target_version = replaced.get((path, version)) or replaced.get((path, "")) or (path, version)
        # A replacement by a local folder has no version.
        if target_version and is_module(target_path, target_version):
            yield build_module(target_path, target_version, declared=True, evidence="go.mod")


def _list_statements(text: str) -> Iterator[list[str]]:
    """Yield the words of each statement; a line of a block `require ( ... )` is a statement of its own."""
    block = ""
    for line in text.splitlines():
        words = [word.strip('"`') for word in line.partition("//")[0].split()]
        if words[-1:] == ["("]:
            block = words[0]
        elif words == [")"]:
            block = ""
        elif words:
            yield [block, *words] if block else words

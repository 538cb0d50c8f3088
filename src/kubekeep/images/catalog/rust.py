"""Rust crates: executables built with cargo-auditable, and in folders `Cargo.lock`. Build dependencies are left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kubekeep.images.catalog.bounded import read_content
from kubekeep.images.catalog.documents import as_text, build_record, is_name, is_plain, read_json, read_toml
from kubekeep.images.content import CatalogRecord, Executable, LayerFile
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.package import Package

PATTERNS: Final[tuple[str, ...]] = ()
FOLDER_PATTERNS: Final = ("**/Cargo.lock",)
REGISTRY: Final = "registry+https://github.com/rust-lang/crates.io-index"
SPARSE_REGISTRY: Final = "sparse+https://index.crates.io/"


def read_executable(executable: Executable) -> CatalogRecord | None:
    """Return the crates that cargo-auditable recorded in an executable."""
    if not executable.cargo:
        return None
    packages = _list_auditable(read_json(executable.cargo))
    return build_record(LayerFile(executable.path, b""), "rust", packages)


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the crates of a `Cargo.lock`, except those of the workspace itself."""
    return build_record(file, "rust", _list_locked(read_toml(read_content(file))))


def _list_auditable(document: Any) -> Iterator[Package]:
    """Yield the runtime crates (schema of cargo-auditable, `kind` is `build` or absent)."""
    for entry in as_list(as_mapping(document).get("packages")):
        crate = as_mapping(entry)
        name, version = as_text(crate.get("name")), as_text(crate.get("version"))
        if crate.get("kind") != "build" and is_name(name) and is_plain(version):
            yield Package(type="cargo", name=name, version=version, evidence="cargo-auditable")


def _list_locked(document: dict[str, Any]) -> Iterator[Package]:
    for entry in as_list(document.get("package")):
        crate = as_mapping(entry)
        name, version, source = (as_text(crate.get(key)) for key in ("name", "version", "source"))
        if not source or not is_name(name) or not is_plain(version):
            continue
        qualifiers: tuple[tuple[str, str], ...] = ()
        if source.startswith("git+"):
            qualifiers = (("vcs_url", source.partition("?")[0].partition("#")[0] + "@" + source.rpartition("#")[2]),)
        elif source not in (REGISTRY, SPARSE_REGISTRY):
            qualifiers = (("repository_url", source.partition("+")[2]),)
        yield Package(
            type="cargo", name=name, version=version, qualifiers=qualifiers, evidence="Cargo.lock", declared=True
        )

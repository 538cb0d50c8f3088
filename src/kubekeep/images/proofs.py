"""Packages that files of the image must prove: libraries that a `deps.json` of .NET lists. No I/O.

A `deps.json` describes all assemblies of its folder, so that their own versions count elsewhere only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from kubekeep.images.content import ANY_FOLDER, CatalogRecord, LayerContent

_DEPENDENCIES: Final = ".deps.json"
_ASSEMBLY: Final = ".dll"
_RUNTIMES: Final = "/runtimes/"


def list_proofs(layers: Iterable[LayerContent]) -> set[str]:
    """Return the paths whose presence decides about packages."""
    proofs = (proof for layer in layers for record in layer.records for paths in record.proofs for proof in paths)
    return {proof for proof in proofs if not proof.startswith(ANY_FOLDER)}


def find_present(proofs: set[str], layer: LayerContent) -> set[str]:
    """Return the proofs that a layer has."""
    return proofs.intersection(layer.paths.split("\n")) if proofs else set()


def keep_proved(
    records: Sequence[CatalogRecord], present: Collection[str], layers: Sequence[LayerContent]
) -> Iterator[CatalogRecord]:
    """Yield the records with the packages that are proved. `present`: the paths of `list_proofs` that are visible."""
    described = {_folder(record.path) for record in records if record.path.endswith(_DEPENDENCIES)}
    for record in records:
        if record.proofs:
            pairs = zip(record.packages, record.proofs, strict=True)
            packages = tuple([package for package, paths in pairs if not paths or _is_proved(paths, present, layers)])
            yield replace(record, packages=packages)
        elif (
            record.catalog == "dotnet" and record.path.lower().endswith(_ASSEMBLY) and _is_described(record, described)
        ):
            yield replace(record, packages=())
        else:
            yield record


def _is_proved(paths: Iterable[str], present: Collection[str], layers: Sequence[LayerContent]) -> bool:
    elsewhere = []
    for path in paths:
        if path in present:
            return True
        if path.startswith(ANY_FOLDER):
            elsewhere.append(f"/{path.removeprefix(ANY_FOLDER)}")
    return any(f"{layer.paths}\n".find(f"{path}\n") >= 0 for path in elsewhere for layer in layers)


def _is_described(record: CatalogRecord, described: Collection[str]) -> bool:
    """Return True for an assembly in the folder of a `deps.json`, or for one of several systems below it."""
    folder = _folder(record.path)
    return folder in described or (_RUNTIMES in record.path and record.path.partition(_RUNTIMES)[0] in described)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]

"""Files that the package manager of the distribution installed, and the language packages that they prove. No I/O.

`/usr/lib` and `/lib` are one folder in distributions with a merged `/usr`, and so are `bin` and `sbin`: the lists of the
package managers use the one name, the layers of an image the other. Both names are equal here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from kubekeep.images.content import CatalogRecord, LayerContent

_MERGED: Final = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")


def find_owned(evidence: Collection[str], records: Iterable[CatalogRecord]) -> set[str]:
    """Return the paths of `evidence` that the records of package managers list as their files."""
    aliases = {alias: path for path in evidence for alias in _list_aliases(path)}
    names = frozenset(aliases)
    owned: set[str] = set()
    disowned: set[str] = set()
    for record in records:
        if record.owned:
            owned.update(names.intersection(record.owned.split("\n")))
        if record.disowned:
            disowned.update(names.intersection(record.disowned.split("\n")))
    return {aliases[name] for name in owned} - {aliases[name] for name in disowned}


def list_owners(layer: LayerContent) -> list[CatalogRecord]:
    """Return the records of a layer that list installed files."""
    return [record for record in layer.records if record.owned or record.disowned]


def _list_aliases(path: str) -> Iterator[str]:
    yield path
    prefix, _, rest = path.removeprefix("usr/").partition("/")
    if prefix not in _MERGED or not rest:
        return
    for name in ("bin", "sbin") if prefix in ("bin", "sbin") else (prefix,):
        yield f"{name}/{rest}"
        yield f"usr/{name}/{rest}"

"""Databases of packages behind symbolic links of an image: the places to read, and where their records belong. No I/O.

A link may be in another layer than the files behind it, so that links are followed in the whole image. Example:
`var/lib/dpkg -> /data` in one layer and `data/status` in another one: the file is read as `var/lib/dpkg/status`, and its record has
the path `data/status`, whose visibility decides. A link to a file (`METADATA -> ../METADATA.real`) has its record at the link.
Links behind the first one are known only in the places of databases; a database behind others is not read, which is a problem.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.images.content import LayerContent
from kubekeep.images.visibility import UpperLayers

_FOLDERS: Final = (
    "var/lib/dpkg",
    "var/lib/dpkg/status.d",
    "lib/apk/db",
    "usr/lib/apk/db",
    "var/lib/rpm",
    "usr/lib/sysimage/rpm",
    "usr/share/rpm",
    "usr/lib/opkg",
    "var/lib/opkg",
    "var/lib/pacman/local",
)
_RPM: Final = r"(?:var/lib/rpm|usr/lib/sysimage/rpm|usr/share/rpm)"
DATABASES: Final = (
    r"(?:usr/)?lib/apk/db/installed|var/lib/dpkg/status(?:\.d/[^\n]+)?"
    rf"|{_RPM}/(?:rpmdb\.sqlite|Packages\.db|Packages)"
    r"|(?:usr|var)/lib/opkg/status|var/lib/pacman/local/[^/\n]+/desc"
)
"""Pattern of the paths of databases that catalogues read."""
_FILES: Final = re.compile(
    rf"{DATABASES}|var/lib/dpkg/(?:info/[^/\n]+\.list|diversions)|{_RPM}/rpmdb\.sqlite-wal"
    r"|(?:usr|var)/lib/opkg/info/[^/\n]+\.list|var/lib/pacman/local/[^/\n]+/files"
)
_LINKED_FILES: Final = re.compile(rf"{_FILES.pattern}|(?:.*/)?[^/]+\.dist-info/METADATA")
_MOST_LINKS: Final = 40
"""Most links of one path, as in Linux."""
_MOST_FILES: Final = 100_000


def _list_folders(folder: str) -> list[str]:
    return list(itertools.accumulate(folder.split("/"), posixpath.join))


LINKED_FOLDERS: Final = tuple(dict.fromkeys(itertools.chain.from_iterable(map(_list_folders, _FOLDERS))))
"""Folders of databases and the folders above them."""


class LinkedFile(msgspec.Struct, frozen=True):
    """A file to read under another path. layer: number of its layer. alias: the path that a catalogue knows.

    record_layer and record_path: the place of its records.
    """

    layer: int
    path: str
    alias: str
    record_layer: int
    record_path: str


def list_linked_files(layers: Sequence[LayerContent]) -> list[LinkedFile]:
    """Return the files of databases that only a symbolic link leads to."""
    # The usual links lead from one database to another. To find the visible ones takes longer than all others together.
    if not _has_other_links(dict(itertools.chain.from_iterable(layer.symbolic_links for layer in layers))):
        return []
    links = _list_visible_links(layers)
    targets = {path: target for path, (_, target) in links.items()}
    files = itertools.chain(_list_in_folders(layers, targets), _list_by_links(layers, links, targets))
    return list(itertools.islice(files, _MOST_FILES))


def _has_other_links(targets: Mapping[str, str]) -> bool:
    """Return True if links lead from the places of databases to other places."""
    return any(map(_LINKED_FILES.fullmatch, targets)) or any(
        _resolve(folder, targets) not in _FOLDERS for folder in _FOLDERS
    )


def _list_visible_links(layers: Sequence[LayerContent]) -> dict[str, tuple[int, str]]:
    """Return the layer and the target of each visible link."""
    upper = UpperLayers({path for layer in layers for path, _ in layer.symbolic_links})
    links: dict[str, tuple[int, str]] = {}
    for number in reversed(range(len(layers))):
        for path, target in layers[number].symbolic_links:
            if not upper.hides(path):
                links[path] = number, target
        if number:
            upper.add(layers[number])
    return links


def _resolve(path: str, targets: Mapping[str, str]) -> str:
    """Return the path without links; empty for a cycle and for more links than Linux follows."""
    pending, resolved = path.split("/")[::-1], ""
    remaining = _MOST_LINKS
    while pending:
        part = pending.pop()
        if part in ("", "."):
            continue
        if part == "..":
            resolved = posixpath.dirname(resolved)
            continue
        current = posixpath.join(resolved, part)
        target = targets.get(current)
        if target is None:
            resolved = current
            continue
        remaining -= 1
        if not remaining or len(pending) > 10_000:
            return ""
        if target.startswith("/"):
            resolved = ""
        pending += target.split("/")[::-1]
    return resolved


def _list_in_folders(layers: Sequence[LayerContent], targets: Mapping[str, str]) -> Iterator[LinkedFile]:
    """Yield the files in folders behind links, unless another database has the same folder."""
    for folder in _FOLDERS:
        real = _resolve(folder, targets)
        if not real or real == folder or real in _FOLDERS:
            continue
        prefix = f"{real}/"
        for number, layer in enumerate(layers):
            for path in layer.paths.split("\n") if prefix in layer.paths else ():
                alias = f"{folder}/{path.removeprefix(prefix)}"
                if path.startswith(prefix) and _FILES.fullmatch(alias) and path not in targets:
                    yield LinkedFile(number, path, alias, number, path)


def _list_by_links(
    layers: Sequence[LayerContent], links: Mapping[str, tuple[int, str]], targets: Mapping[str, str]
) -> Iterator[LinkedFile]:
    """Yield the files that links in the places of files lead to."""
    for path, (link_layer, _) in links.items():
        real = _resolve(path, targets)
        if not _LINKED_FILES.fullmatch(path) or not real or _LINKED_FILES.fullmatch(real):
            continue
        for number in reversed(range(len(layers))):
            if f"\n{real}\n" in f"\n{layers[number].paths}\n":
                yield LinkedFile(number, real, path, link_layer, path)
                break

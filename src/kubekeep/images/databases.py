"""Databases of package managers that an image has, or should have, and whose packages were not read. No I/O.

A system without packages is not believed: if an image names its distribution, packages of it must have been read. Never guesses
a package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from kubekeep.images.catalog.python import TEST_DATA
from kubekeep.images.content import CatalogRecord, ContentProblem, LayerContent
from kubekeep.images.linked_databases import DATABASES

_CATALOGS: Final = frozenset(("apk", "dpkg", "pacman", "rpm"))
_STATUS: Final = re.compile(r"(var/lib/dpkg|(?:usr|var)/lib/opkg)/status")
_DATABASE: Final = re.compile(DATABASES)
_METADATA: Final = re.compile(r"[^\n]*\.dist-info/METADATA")
_FILE_LIST: Final = re.compile(r"(var/lib/dpkg|(?:usr|var)/lib/opkg)/info/([^/:]+)(?::[^/]*)?\.list")
_PACMAN_FILES: Final = re.compile(r"(var/lib/pacman/local/[^/]+)/files")


class _Manager(msgspec.Struct, frozen=True):
    """A package manager whose database is not read. folder: of the files that prove it, which match the pattern.

    Of files with an equal first group, only one is tested: a store may have hundreds of thousands.
    """

    name: str
    folder: str
    pattern: re.Pattern[str]


_UNSUPPORTED: Final = tuple(
    _Manager(name, folder, re.compile(pattern))
    for name, folder, pattern in (
        ("Portage", "var/db/pkg/", r"var/db/pkg/[^/\n]+/[^/\n]+/PF"),
        ("Nix", "nix/store/", r"(nix/store/[a-z0-9]{32}-[^/\n]*)[^\n]*"),
        ("Guix", "gnu/store/", r"(gnu/store/[a-z0-9]{32}-[^/\n]*)[^\n]*"),
        ("XBPS", "var/db/xbps/", r"var/db/xbps/pkgdb-[^/\n]+\.plist"),
        ("pkgtools of Slackware", "/packages/", r"var/(?:lib/pkgtools|log)/packages/[^/\n]+-[^/\n]+-[^/\n]+-[^/\n]+"),
        ("Chisel", "var/lib/chisel/", r"var/lib/chisel/manifest\.wall"),
    )
)
_SEARCHES: Final = (
    *(
        (part, _DATABASE)
        for part in (
            *("var/lib/dpkg/status", "lib/apk/db/installed", "rpm/rpmdb.sqlite", "rpm/Packages"),
            *("lib/opkg/status", "var/lib/pacman/local/"),
        )
    ),
    (".dist-info/METADATA", _METADATA),
    *((manager.folder, manager.pattern) for manager in _UNSUPPORTED),
)
"""Parts of paths, and the patterns of those that count. Searching a text takes a hundredth of the time of a pattern."""


def list_databases(layer: LayerContent) -> list[str]:
    """Return the paths of the layer that `list_unread` needs, as far as they are visible."""
    text = f"\n{layer.paths}\n"
    paths: dict[str, str] = {}
    for part, pattern in _SEARCHES:
        for path in _find_lines(text, part):
            match = pattern.fullmatch(path)
            if match is not None:
                paths.setdefault(match[pattern.groups], path)
    return list(paths.values())


def _find_lines(text: str, part: str) -> Iterator[str]:
    """Yield the lines that contain `part`; the text begins and ends with a line feed."""
    start = text.find(part)
    while start != -1:
        end = text.index("\n", start)
        yield text[text.rindex("\n", 0, start) + 1 : end]
        start = text.find(part, end)


def list_unread(
    visible: Iterable[str], records: Sequence[CatalogRecord], problems: Iterable[ContentProblem]
) -> Iterator[ContentProblem]:
    """Yield problems for packages that may be missing.

    visible: the visible paths of `list_databases`. records and problems: the visible ones.
    """
    paths = sorted(visible)
    unread = {problem.path for problem in problems}
    known = unread | {record.path for record in records}
    own = [*_list_unsupported(paths), *_list_irregular(paths, known)]
    yield from own
    if any(record.catalog in _CATALOGS and (record.packages or record.uninstalled) for record in records):
        yield from _compare_file_lists(records, unread)
    elif not own and not any(map(_DATABASE.fullmatch, unread)):
        yield from _require_packages(records)


def _list_unsupported(paths: Sequence[str]) -> Iterator[ContentProblem]:
    for manager in _UNSUPPORTED:
        path = next((path for path in paths if manager.pattern.fullmatch(path)), None)
        if path is not None:
            yield ContentProblem(path, f"packages of {manager.name} are not read: its database is not supported")


def _list_irregular(paths: Iterable[str], known: set[str]) -> Iterator[ContentProblem]:
    """Yield problems for files that must hold a record and were not read: links, pipes and devices."""
    distributions = {_name_distribution(path) for path in known}
    for path in paths:
        if path in known or path.endswith(".md5sums") or not (_DATABASE.fullmatch(path) or _METADATA.fullmatch(path)):
            continue
        if _DATABASE.fullmatch(path):
            yield ContentProblem(path, "packages may be missing: the database is a link or no regular file")
        elif not re.search(TEST_DATA, path) and _name_distribution(path) not in distributions:
            # The target of a link has the same name in the cache of a package manager.
            yield ContentProblem(path, "the Python distribution is not read: its metadata is a link or no regular file")


def _name_distribution(path: str) -> str:
    """Return folder and name of a metadata file: `flask-3.0.dist-info/METADATA`."""
    return "/".join(path.rsplit("/", 2)[-2:])


def _compare_file_lists(records: Sequence[CatalogRecord], unread: set[str]) -> Iterator[ContentProblem]:
    """Yield problems if the files of packages are listed that the database does not have."""
    known = unread | {record.path for record in records}
    for record in records:
        status, files = _STATUS.fullmatch(record.path), _PACMAN_FILES.fullmatch(record.path)
        if status and record.packages and record.path not in unread:
            yield from _compare_status(record, status[1], records)
        if files and f"{files[1]}/desc" not in known:
            yield ContentProblem(f"{files[1]}/desc", "packages may be missing: the folder has a list of files alone")


def _compare_status(status: CatalogRecord, folder: str, records: Iterable[CatalogRecord]) -> Iterator[ContentProblem]:
    names = {package.name for package in status.packages} | set(status.uninstalled)
    matches = filter(None, (_FILE_LIST.fullmatch(record.path) for record in records))
    missing = sorted({match[2] for match in matches if match[1] == folder} - names)
    if missing:
        others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
        text = f"packages may be missing: {folder}/info has the files of {missing[0]}{others}, the status none"
        yield ContentProblem(status.path, text)


def _require_packages(records: Iterable[CatalogRecord]) -> Iterator[ContentProblem]:
    for record in records:
        if record.distribution is not None:
            name = record.distribution.name or record.distribution.id
            yield ContentProblem(
                record.path,
                f"no packages of {name} were read: the package database is missing, empty, behind a link or no regular file",
            )
            return

"""The content of an image from the content of its layers. No I/O.

A record counts while its file is visible. Packages of the distribution get namespace and release here, because each layer
is read without the others. Never reads a layer.
"""

from __future__ import annotations

import collections
import itertools
import operator
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from kubekeep.ecosystems.shared.registry import is_distribution_type
from kubekeep.images.content import (
    CatalogRecord,
    ContentProblem,
    DetectedSecret,
    FileMode,
    ImageContent,
    LayerContent,
)
from kubekeep.images.databases import list_databases, list_unread
from kubekeep.images.distributions import distribution_qualifier, package_namespace
from kubekeep.images.package_url import format_package_url
from kubekeep.images.proofs import find_present, keep_proved, list_proofs
from kubekeep.images.visibility import UpperLayers, is_recreated
from kubekeep.model.package import NO_DISTRIBUTION, Distribution, GoSymbols, Package, PackageLocation

_RELEASE_FILES: Final = (
    "etc/os-release",
    "usr/lib/os-release",
    "etc/almalinux-release",
    "etc/centos-release",
    "etc/fedora-release",
    "etc/oracle-release",
    "etc/rocky-release",
    "etc/redhat-release",
    "etc/system-release",
    "etc/SuSE-release",
    "etc/alpine-release",
    "etc/debian_version",
)
"""Files that name a distribution, the most reliable first: derivatives keep the files of their origin."""
_RECORD: Final = operator.attrgetter("record")
_MERGED_FOLDERS: Final = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
"""Folders that distributions with a merged `/usr` have in `/usr` and in `/`, and of which `bin` and `sbin` are one.

The lists of package managers use the one name, the layers of an image the other: both names are equal here.
"""


class VisibleRecord(msgspec.Struct, frozen=True, gc=False):
    """A record whose file is visible in the image. `earlier`: same file in lower layers, the nearest first."""

    layer: int
    record: CatalogRecord
    earlier: tuple[tuple[int, CatalogRecord], ...] = ()


class PlacedPackage(msgspec.Struct, frozen=True, gc=False):
    """A package with its package URL and one location."""

    url: str
    package: Package
    layer: int
    path: str


def merge(layers: Sequence[LayerContent]) -> ImageContent:
    """Join the layers of an image, the lowest first. Raises ImageContentError if they exceed a limit."""
    databases = list(map(list_databases, layers))
    proofs = list_proofs(layers)
    present: set[str] = set()
    upper = UpperLayers(_list_tested_paths(layers).union(proofs, *databases))
    candidates: list[tuple[int, CatalogRecord, bool]] = []
    modes: list[FileMode] = []
    secrets: list[DetectedSecret] = []
    problems: list[ContentProblem] = []
    visible: set[str] = set()
    for index in reversed(range(len(layers))):
        layer = layers[index]
        candidates += [(index, record, upper.hides(_file_path(record.path))) for record in layer.records]
        modes += [replace(mode, layer=layer.diff_id) for mode in layer.modes if not upper.hides(mode.path)]
        secrets += _place_secrets(layer, upper)
        problems += [problem for problem in layer.problems if not upper.hides(_file_path(problem.path))]
        visible.update(itertools.filterfalse(upper.hides, databases[index]))
        present.update(itertools.filterfalse(upper.hides, find_present(proofs, layer)))
        if index:
            upper.add(layer)
    records = _list_proved(_list_visible(candidates, layers), present, layers)
    distribution = _choose_distribution(records)
    problems += list_unread(visible, list(map(_RECORD, records)), problems)
    owned = _find_suppressed(records, layers)
    kept = [
        entry for entry in records if not (_file_path(entry.record.path) in owned and _has_language_packages(entry))
    ]
    return ImageContent(
        distribution=distribution,
        packages=_list_packages(kept, layers, distribution),
        suppressed_count=sum(len(entry.record.packages) for entry in records)
        - sum(len(e.record.packages) for e in kept),
        modes=tuple(sorted(modes, key=lambda mode: mode.path)),
        secrets=tuple(sorted(secrets, key=lambda secret: (secret.path, secret.line, secret.kind))),
        problems=tuple(sorted(problems, key=lambda problem: problem.path)),
        go_symbols=_list_go_symbols(kept),
        fixes=tuple(dict.fromkeys(fix for entry in records for fix in entry.record.fixes)),
    )


def _list_proved(
    records: Sequence[VisibleRecord], present: Collection[str], layers: Sequence[LayerContent]
) -> list[VisibleRecord]:
    proved = keep_proved(list(map(_RECORD, records)), present, layers)
    return [
        entry if record is entry.record else replace(entry, record=record)
        for entry, record in zip(records, proved, strict=True)
    ]


def _list_go_symbols(records: Iterable[VisibleRecord]) -> tuple[GoSymbols, ...]:
    return tuple(entry.record.go_symbols for entry in records if entry.record.go_symbols)


def _place_secrets(layer: LayerContent, upper: UpperLayers) -> Iterator[DetectedSecret]:
    """Yield the secrets of a layer; a hidden file is still in the image."""
    for secret in layer.secrets:
        yield replace(secret, layer=layer.diff_id, removed=upper.hides(_file_path(secret.path)))


def _file_path(path: str) -> str:
    """Return the path of the file in the image for a path that may lead into an archive."""
    return path.partition("!/")[0]


def _list_tested_paths(layers: Iterable[LayerContent]) -> set[str]:
    """Return the paths of all entries that may be hidden."""
    records = {_file_path(record.path) for layer in layers for record in layer.records}
    modes = {mode.path for layer in layers for mode in layer.modes}
    secrets = {_file_path(secret.path) for layer in layers for secret in layer.secrets}
    return records | modes | secrets | {_file_path(problem.path) for layer in layers for problem in layer.problems}


def _list_visible(
    candidates: Iterable[tuple[int, CatalogRecord, bool]], layers: Sequence[LayerContent]
) -> list[VisibleRecord]:
    """Return the visible records from the lowest layer up. `candidates` are from the top down, with True if hidden."""
    earlier: dict[tuple[str, str], list[tuple[int, CatalogRecord]]] = collections.defaultdict(list)
    visible = []
    for index, record, is_hidden in candidates:
        if is_hidden:
            earlier[record.path, record.catalog].append((index, record))
        else:
            visible.append((index, record))
    records = []
    for index, record in reversed(visible):
        previous = earlier.get((record.path, record.catalog), ())
        records.append(VisibleRecord(index, record, _list_earlier(index, record, previous, layers)))
    return records


def _list_earlier(
    index: int,
    record: CatalogRecord,
    previous: Sequence[tuple[int, CatalogRecord]],
    layers: Sequence[LayerContent],
) -> tuple[tuple[int, CatalogRecord], ...]:
    """Return the records of the same file in lower layers, down to a layer above which the file was removed."""
    earlier = []
    path = _file_path(record.path)
    for lower, older in previous:
        if any(is_recreated(layers[between], path) for between in range(lower + 1, index + 1)):
            break
        earlier.append((lower, older))
    return tuple(earlier)


def _choose_distribution(records: Iterable[VisibleRecord]) -> Distribution:
    by_path = {entry.record.path: entry.record.distribution for entry in records if entry.record.distribution}
    matches = (by_path.get(path) for path in _RELEASE_FILES)
    return next((distribution for distribution in matches if distribution), NO_DISTRIBUTION)


def _has_language_packages(entry: VisibleRecord) -> bool:
    return bool(entry.record.packages) and not is_distribution_type(entry.record.packages[0].type)


def _find_suppressed(records: Sequence[VisibleRecord], layers: Sequence[LayerContent]) -> set[str]:
    """Return the files with language packages that a package of the distribution installed.

    A file that a layer replaced belongs to the distribution only if its package manager worked in the same layer:
    `npm install -g npm` replaces files of a package without its knowledge.
    """
    evidence = [entry for entry in records if _has_language_packages(entry)]
    if not evidence:
        return set()
    owners = [entry.record for entry in records if entry.record.owned or entry.record.disowned]
    owned = _find_owned({_file_path(entry.record.path) for entry in evidence}, owners)
    replaced: dict[int, set[str]] = collections.defaultdict(set)
    for entry in evidence:
        path = _file_path(entry.record.path)
        if entry.earlier and path in owned:
            replaced[entry.layer].add(path)
    for layer, paths in replaced.items():
        owned -= paths - _find_owned(paths, _list_owners(layers[layer]))
    return owned


def _list_packages(
    records: Sequence[VisibleRecord], layers: Sequence[LayerContent], distribution: Distribution
) -> tuple[Package, ...]:
    """Return each package once, sorted by package URL, with all its locations."""
    placed = [package for entry in records for package in _place_packages(entry, distribution)]
    installed = {_identify(entry.package) for entry in placed if not entry.package.declared}
    placed = [entry for entry in placed if not entry.package.declared or _identify(entry.package) not in installed]
    by_url: dict[str, list[PlacedPackage]] = collections.defaultdict(list)
    for entry in placed:
        by_url[entry.url].append(entry)
    licences = _list_licences(records, placed)
    urls = _list_urls(placed)
    return tuple([_join(by_url[url], layers, licences, urls) for url in sorted(by_url)])


def _place_packages(entry: VisibleRecord, distribution: Distribution) -> Iterator[PlacedPackage]:
    """Yield the packages of a record, each with the lowest layer from which on the same file has it."""
    earlier = [(layer, {_key(package) for package in record.packages}) for layer, record in entry.earlier]
    for package in entry.record.packages:
        origin = entry.layer
        for layer, keys in earlier:
            if _key(package) not in keys:
                break
            origin = layer
        if is_distribution_type(package.type):
            package = _add_distribution(package, distribution)  # noqa: PLW2901 - the first value is incomplete
        yield PlacedPackage(format_package_url(package), package, origin, entry.record.path)


def _key(package: Package) -> tuple[str, str, str, tuple[tuple[str, str], ...]]:
    return package.namespace, package.name, package.version, package.qualifiers


def _identify(package: Package) -> tuple[str, str, str, str]:
    """Return the identity without qualifiers, in which a lock file and an installed package may differ."""
    return package.type, package.namespace, package.name, package.version


def _add_distribution(package: Package, distribution: Distribution) -> Package:
    if not distribution.id:
        return package
    qualifiers = tuple(sorted((*package.qualifiers, ("distro", distribution_qualifier(distribution)))))
    return replace(package, namespace=package_namespace(distribution), qualifiers=qualifiers)


def _list_licences(
    records: Iterable[VisibleRecord], placed: Iterable[PlacedPackage]
) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Return the licences from copyright files by `("package", name)`, and by `("source", name)` for the others.

    Packages of one source have equal copyright files; some have only a link to the folder of another one.
    """
    licences = {("package", name): names for entry in records for name, names in entry.record.licences}
    if licences:
        for entry in placed:
            names = licences.get(("package", entry.package.name))
            if names and entry.package.source:
                licences.setdefault(("source", entry.package.source.name), names)
    return licences


def _list_urls(placed: Iterable[PlacedPackage]) -> dict[str, list[tuple[str, str]]]:
    """Return architecture and package URL of the packages of distributions by name."""
    urls: dict[str, list[tuple[str, str]]] = collections.defaultdict(list)
    for entry in placed:
        if is_distribution_type(entry.package.type):
            urls[entry.package.name].append((_architecture(entry.package), entry.url))
    return urls


def _architecture(package: Package) -> str:
    return next((value for key, value in package.qualifiers if key == "arch"), "")


def _join(
    group: Sequence[PlacedPackage],
    layers: Sequence[LayerContent],
    licences: Mapping[tuple[str, str], tuple[str, ...]],
    urls: Mapping[str, list[tuple[str, str]]],
) -> Package:
    """Return one package with the locations of all, which are equal but for them."""
    package = group[0].package
    positions = sorted({(entry.layer, entry.path) for entry in group})
    locations = tuple([PackageLocation(path, layers[layer].diff_id) for layer, path in positions])
    if not is_distribution_type(package.type):
        return replace(package, locations=locations)
    names = package.licences
    if package.type == "deb" and not names and licences:
        source = package.source.name if package.source else ""
        names = licences.get(("package", package.name)) or licences.get(("source", source), ())
    return replace(package, locations=locations, licences=names, dependencies=_resolve(package, group[0].url, urls))


def _resolve(package: Package, url: str, urls: Mapping[str, list[tuple[str, str]]]) -> tuple[str, ...]:
    """Return the package URLs of the required packages: those of the same architecture where there are several."""
    architecture = _architecture(package)
    resolved: set[str] = set()
    for name in package.dependencies:
        matches = urls.get(name, ())
        if len(matches) > 1:
            matches = [match for match in matches if match[0] == architecture] or matches
        resolved.update([match[1] for match in matches])
    resolved.discard(url)
    return tuple(sorted(resolved))


def _find_owned(evidence: Collection[str], records: Iterable[CatalogRecord]) -> set[str]:
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


def _list_owners(layer: LayerContent) -> list[CatalogRecord]:
    """Return the records of a layer that list installed files."""
    return [record for record in layer.records if record.owned or record.disowned]


def _list_aliases(path: str) -> Iterator[str]:
    yield path
    prefix, _, rest = path.removeprefix("usr/").partition("/")
    if prefix not in _MERGED_FOLDERS or not rest:
        return
    for name in ("bin", "sbin") if prefix in ("bin", "sbin") else (prefix,):
        yield f"{name}/{rest}"
        yield f"usr/{name}/{rest}"

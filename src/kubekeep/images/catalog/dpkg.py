"""Packages of dpkg and opkg: the status file of Debian and its derivatives, and its parts in images without a package manager.

opkg of OpenWrt and Yocto has a status file of the same form, and orders versions in the same way.

Distroless images have one file for each package in `status.d`. Packages get namespace and distribution when the layers
are merged, because the file that names the distribution may be in another layer. Until then their dependencies are
names of packages. Never reads a package archive.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from kubekeep.images.catalog.bounded import (
    MAX_FIELD,
    RecordDamage,
    collect_packages,
    find_broken_line,
    has_control_characters,
    is_cut,
    list_providers,
    read_text,
    resolve_names,
    split_paragraphs,
)
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.package import Package, SourcePackage

PATTERNS: Final = ("var/lib/dpkg/status", "var/lib/dpkg/status.d/*", "{usr,var}/lib/opkg/status")
STATES: Final = frozenset(("installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending"))
"""States of a package whose files are in place."""
_OTHER_STATES: Final = frozenset(("config-files", "half-installed", "not-installed"))
_DPKG_FIELDS: Final = ("Installed-Size", "Description")
"""Fields that each record of dpkg itself has."""
_LINE_FEED: Final = "\n"


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the installed packages of a status file. Raises ValueError if a limit is exceeded."""
    if file.path.endswith(".md5sums"):
        return None
    records = _Records(read_text(file).replace("\r\n", "\n"), is_part="/status.d/" in file.path)
    paragraphs = records.installed
    if not paragraphs:
        if records.message or records.is_part:
            raise ValueError(records.message or "the file describes no package")
        return CatalogRecord(file.path, "dpkg", uninstalled=tuple(records.uninstalled))
    provided = ((fields["Package"], [fields["Package"], *_list_names(fields.get("Provides"))]) for fields in paragraphs)
    providers = None if records.is_part else list_providers(provided)
    evidence = "opkg status" if "/opkg/" in file.path else "dpkg status"
    packages = collect_packages(_build_package(fields, providers, evidence) for fields in paragraphs)
    return CatalogRecord(file.path, "dpkg", packages, uninstalled=tuple(records.uninstalled), damage=records.message)


class _Records:
    """The records of a status file, sorted by state.

    installed: fields of the packages in place. uninstalled: names of the others. message: about damaged records.
    """

    def __init__(self, text: str, *, is_part: bool) -> None:
        self.is_part = is_part
        self.installed: list[dict[str, str]] = []
        self.uninstalled: list[str] = []
        # Most files are whole: one search in the file takes less time than one in each record.
        self._is_suspicious = has_control_characters(text) or _compile_broken_line().search(f"\n{text}") is not None
        damage = RecordDamage()
        find_fields = _compile_fields().findall
        for number, paragraph in enumerate(split_paragraphs(text), start=1):
            # The names of the fields follow a line feed: a search for a fixed text is three times as fast as for `^`.
            lines = f"\n{paragraph.strip(_LINE_FEED)}"
            if flaw := self._add(lines, find_fields(lines)):
                damage.add(number, flaw)
        self.message = damage.describe(is_cut=not is_part and is_cut(text, _DPKG_FIELDS))

    def _add(self, lines: str, pairs: list[tuple[str, str]]) -> str:
        """Add a record; return the reason if it states no package or hides another one, empty for a well-formed one."""
        fields = dict(pairs)
        name, state = fields.get("Package", "").strip(), fields.get("Status", "").strip().rpartition(" ")[2]
        # The parts of distroless images are control files of packages, which have no status.
        is_installed = state in STATES or (self.is_part and not state)
        is_valid = _is_valid(name, fields)
        if state in _OTHER_STATES:
            self.uninstalled.append(name.lower())
        elif is_installed and is_valid:
            self.installed.append(fields)
        if not _compile_name().fullmatch(name):
            return "has no valid name"
        if len(pairs) > len(fields):
            return f"of {name} holds two packages"
        if not is_installed and state not in _OTHER_STATES:
            return f"of {name} has no valid status"
        if is_installed and not is_valid:
            return f"of {name} has no valid version"
        return find_broken_line(name, lines, _compile_broken_line()) if self._is_suspicious else ""


@functools.cache
def _compile_fields() -> re.Pattern[str]:
    names = "Package|Status|Installed-Size|Version|Architecture|Source|Maintainer|Provides|Depends|Pre-Depends"
    return re.compile(rf"\n({names}):[ \t]*(.*(?:\n[ \t].*)*)")


def _is_valid(name: str, fields: dict[str, str]) -> bool:
    """Return True for the name and version of a package (Debian policy, 5.6.7 and 5.6.12)."""
    return bool(_compile_name().fullmatch(name) and _compile_version().fullmatch(fields.get("Version", "").strip()))


@functools.cache
def _compile_name() -> re.Pattern[str]:
    return re.compile(r"[A-Za-z0-9][A-Za-z0-9+.\-]*")


@functools.cache
def _compile_version() -> re.Pattern[str]:
    return re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~:\-]*")


@functools.cache
def _compile_broken_line() -> re.Pattern[str]:
    """Return the pattern of a line that is neither a field nor the continuation of one."""
    return re.compile(r"\n(?![ \t\n])[^:\n]+(?=\n|\Z)")


def _list_names(relations: str | None) -> list[str]:
    """Return the package names of a relation field, with all alternatives, without versions and architectures."""
    return _compile_names().findall(relations) if relations else []


@functools.cache
def _compile_names() -> re.Pattern[str]:
    return re.compile(r"(?:^|[,|])\s*([A-Za-z0-9][A-Za-z0-9+.\-]*)")


def _build_package(fields: dict[str, str], providers: dict[str, list[str]] | None, evidence: str) -> Package:
    name, version = fields["Package"].strip().lower(), fields["Version"].strip()
    if max(map(len, fields.values())) > MAX_FIELD:
        raise ValueError(f"package {name[:80]} has a field of more than {MAX_FIELD} characters")
    architecture = fields.get("Architecture")
    return Package(
        type="deb",
        name=name,
        version=version,
        qualifiers=(("arch", architecture),) if architecture else (),
        source=_read_source(fields.get("Source", ""), name, version),
        supplier=fields.get("Maintainer", ""),
        dependencies=_resolve(fields, providers),
        evidence=evidence,
    )


def _read_source(text: str, name: str, version: str) -> SourcePackage:
    """Return the source package of `Source: name (version)`; name and version of the package are the defaults."""
    source, _, source_version = text.partition(" (")
    return SourcePackage(source.strip() or name, source_version.rstrip(")") or version)


def _resolve(fields: dict[str, str], providers: dict[str, list[str]] | None) -> tuple[str, ...]:
    """Return the names of the packages that satisfy the dependencies, or all names in a file of one package."""
    names = _list_names(fields.get("Depends")) + _list_names(fields.get("Pre-Depends"))
    if providers is None:
        return tuple(sorted(set(names)))
    return resolve_names(fields["Package"], names, providers)

"""Packages of apk: the database of installed packages of Alpine, Wolfi, Chainguard and others.

The database has one paragraph for each package, with one letter for each field. Packages get namespace and distribution
when the layers are merged; until then their dependencies are names of packages. Never reads an archive of scripts.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Final

from kubekeep.images.catalog.bounded import (
    MAX_FIELD,
    MAX_OWNED,
    RecordDamage,
    check_file_count,
    collect_packages,
    find_broken_line,
    is_cut,
    list_providers,
    read_text,
    resolve_names,
    split_paragraphs,
)
from kubekeep.images.catalog.licence_names import read_licence
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.package import Package, SourcePackage

PATTERNS: Final = ("lib/apk/db/installed", "usr/lib/apk/db/installed")

_APK_FIELDS: Final = ("C", "I")
"""Fields that each record of apk itself has: checksum and installed size."""


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the installed packages and their files. Raises ValueError if a limit is exceeded."""
    text = read_text(file).replace("\r\n", "\n")
    check_file_count(text.count("\nR:") + text.count("\nF:"))
    find_fields = _compile_fields().findall
    damage = RecordDamage()
    paragraphs: list[dict[str, str]] = []
    for number, paragraph in enumerate(split_paragraphs(text), start=1):
        lines = "\n" + paragraph.strip("\n")
        pairs = find_fields(lines)
        fields = dict(pairs)
        if flaw := _find_flaw(lines, fields, is_single=len(pairs) == len(fields)):
            damage.add(number, flaw)
        if _is_valid(fields) and not fields["P"].startswith("."):
            # A virtual package (`apk add --virtual .build`) only groups others.
            paragraphs.append(fields)
    message = damage.describe(is_cut=is_cut(f"\n{text}", _APK_FIELDS))
    if not paragraphs:
        if message:
            raise ValueError(message)
        return CatalogRecord(file.path, "apk")
    providers = list_providers((fields["P"], [fields["P"], *_list_names(fields.get("p"))]) for fields in paragraphs)
    packages = collect_packages(_build_package(fields, providers) for fields in paragraphs)
    return CatalogRecord(file.path, "apk", packages, owned=_list_owned(text), damage=message)


@functools.cache
def _compile_fields() -> re.Pattern[str]:
    return re.compile(r"\n([CPVASITUoLmtcDp]):(.*)")


def _find_flaw(lines: str, fields: dict[str, str], *, is_single: bool) -> str:
    """Return the reason why a record states no package or hides another one; empty for a well-formed record."""
    name = fields.get("P", "")
    if not _compile_name().fullmatch(name):
        return "has no valid name"
    if not is_single:
        return f"of {name} holds two packages"
    if not _is_valid(fields):
        return f"of {name} has no valid version"
    return find_broken_line(name, lines, _compile_broken_line())


def _is_valid(fields: dict[str, str]) -> bool:
    name, version = fields.get("P", ""), fields.get("V", "")
    return bool(_compile_name().fullmatch(name) and _compile_value().fullmatch(version))


@functools.cache
def _compile_name() -> re.Pattern[str]:
    return re.compile(r"\.?[A-Za-z0-9][A-Za-z0-9+._\-]*")


@functools.cache
def _compile_value() -> re.Pattern[str]:
    return re.compile(r"[A-Za-z0-9][A-Za-z0-9._~+\-]*")


@functools.cache
def _compile_broken_line() -> re.Pattern[str]:
    return re.compile(r"\n(?![A-Za-z]:)")


def _list_names(relations: str | None) -> list[str]:
    """Return names without versions; `!name` is a conflict. A shared library is `so:libc.so`."""
    if not relations:
        return []
    return [_compile_version().split(name, maxsplit=1)[0] for name in relations.split() if not name.startswith("!")]


@functools.cache
def _compile_version() -> re.Pattern[str]:
    return re.compile(r"[=<>~@]")


def _build_package(fields: dict[str, str], providers: dict[str, list[str]]) -> Package:
    name, version = fields["P"], fields["V"]
    if max(map(len, fields.values())) > MAX_FIELD:
        raise ValueError(f"package {name[:80]} has a field of more than {MAX_FIELD} characters")
    architecture, licence = fields.get("A"), read_licence(fields.get("L", ""))
    return Package(
        type="apk",
        name=name.lower(),
        version=version,
        qualifiers=(("arch", architecture),) if architecture else (),
        # All packages of one build have the version of their origin.
        source=SourcePackage(fields.get("o") or name, version),
        licences=(licence,) if licence else (),
        supplier=fields.get("m", ""),
        dependencies=resolve_names(name, _list_names(fields.get("D")), providers),
        evidence="apk database",
    )


def _list_owned(text: str) -> str:
    """Return the installed files: a line `F:` names a folder, the lines `R:` after it the files in it."""
    paths: list[str] = []
    size = 0
    for folder, files in _iterate_folders(text):
        prefix = f"{folder}/" if folder else ""
        size += len(files) * len(prefix)
        if size > MAX_OWNED:
            raise ValueError(f"paths of files with more than {MAX_OWNED} characters")
        paths += [prefix + name for name in files]
    return "\n".join(paths)


def _iterate_folders(text: str) -> Iterable[tuple[str, list[str]]]:
    find_files = _compile_file().findall
    for part in f"\n{text}".split("\nF:")[1:]:
        # A paragraph ends with an empty line; the fields of the next package follow in the same part.
        folder, _, rest = part.partition("\n\n")[0].partition("\n")
        yield folder, find_files(f"\n{rest}")


@functools.cache
def _compile_file() -> re.Pattern[str]:
    return re.compile(r"\nR:(.*)")

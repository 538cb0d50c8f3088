"""Packages of pacman: the local database of Arch Linux and its derivatives, with one folder for each package.

The file `desc` of a folder has one section for each field: a line `%NAME%`, the values in lines of their own, and an empty
line. `files` lists the installed files in the same form. Packages get namespace and distribution when the layers are
merged; their dependencies are names. Never reads a package archive or the databases of repositories.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from kubekeep.images.catalog.bounded import MAX_FIELD, check_file_count, has_control_characters, read_text
from kubekeep.images.catalog.licence_names import read_licence
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.package import Package, SourcePackage

PATTERNS: Final = ("var/lib/pacman/local/*/{desc,files}",)
_LAST: Final = "%VALIDATION%"
"""The last section that each package has."""
_MAX_VALUES: Final = 10_000
"""Most dependencies or licences of one package."""


def read(file: LayerFile) -> CatalogRecord:
    """Return the package of `desc`, or the paths of `files`. Raises ValueError for a file that states no package."""
    text = read_text(file).replace("\r\n", "\n")
    folder, _, name = file.path.rpartition("/")
    if name == "files":
        check_file_count(text.count("\n"))
        paths = [path for path in _read_sections(text).get("FILES", ()) if not path.endswith("/")]
        return CatalogRecord(file.path, "pacman", owned="\n".join(paths))
    package = _build_package(_read_sections(text))
    # The folder has the name and the version too, so that a changed field is no other package.
    if folder.rpartition("/")[2].lower() != f"{package.name}-{package.version}".lower():
        raise ValueError(f"the package is not read: the folder is not that of {package.name} {package.version}")
    is_whole = f"\n{_LAST}\n" in text and text.endswith("\n\n") and not has_control_characters(text)
    damage = "" if is_whole else "fields of the package may be missing: the file is damaged"
    return CatalogRecord(file.path, "pacman", (package,), damage=damage)


def _read_sections(text: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for name, lines in _compile_section().findall(f"\n{text}"):
        sections.setdefault(name, []).extend(lines.strip("\n").split("\n") if lines.strip("\n") else ())
    return sections


@functools.cache
def _compile_section() -> re.Pattern[str]:
    return re.compile(r"\n%([A-Z0-9]+)%((?:\n[^%\n].*)*)")


@functools.cache
def _compile_name() -> re.Pattern[str]:
    return re.compile(r"[A-Za-z0-9@_+][A-Za-z0-9@._+\-]*")


@functools.cache
def _compile_version() -> re.Pattern[str]:
    return re.compile(r"(?:\d+:)?[A-Za-z0-9._+~^]+-[0-9.]+")


def _build_package(sections: dict[str, list[str]]) -> Package:
    name, version = _read_value(sections, "NAME"), _read_value(sections, "VERSION")
    if not _compile_name().fullmatch(name):
        raise ValueError("the package is not read: it has no valid name")
    if not _compile_version().fullmatch(version):
        raise ValueError(f"the package is not read: {name[:80]} has no valid version")
    values = [value for lines in sections.values() for value in lines]
    if len(values) > _MAX_VALUES or any(len(value) > MAX_FIELD for value in values):
        raise ValueError(
            f"package {name[:80]} has more than {_MAX_VALUES} values or one of more than {MAX_FIELD} characters"
        )
    architecture = _read_value(sections, "ARCH")
    dependencies = {_compile_operator().split(value, maxsplit=1)[0] for value in sections.get("DEPENDS", ())}
    return Package(
        type="alpm",
        name=name.lower(),
        version=version,
        qualifiers=(("arch", architecture),) if architecture else (),
        source=SourcePackage(_read_value(sections, "BASE") or name, version),
        licences=tuple(dict.fromkeys(filter(None, map(read_licence, sections.get("LICENSE", ()))))),
        supplier=_read_value(sections, "PACKAGER"),
        dependencies=tuple(sorted(dependencies - {name})),
        evidence="pacman database",
    )


@functools.cache
def _compile_operator() -> re.Pattern[str]:
    return re.compile(r"[<>=]")


def _read_value(sections: dict[str, list[str]], name: str) -> str:
    values = sections.get(name, [])
    return values[0].strip() if len(values) == 1 else ""

"""Java dependencies with a fixed version in `pom.xml`, and the lock files of Gradle. Read in folders; resolves nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from kubekeep.images.catalog.bounded import read_content, read_text
from kubekeep.images.catalog.documents import MAXIMUM_SLOW_BYTES, build_record, is_name, is_plain, read_xml
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.package import Package

PATTERNS: Final[tuple[str, ...]] = ()
FOLDER_PATTERNS: Final = ("**/pom.xml", "**/gradle.lockfile", "**/*.gradle.lockfile", "**/buildscript-gradle.lockfile")


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the dependencies of a project file or a lock file."""
    if file.path.endswith("pom.xml"):
        packages = _list_project(read_xml(read_content(file)))
    else:
        packages = _list_locked(read_text(file, MAXIMUM_SLOW_BYTES))
    return build_record(file, "maven_files", packages)


def _build(group: str, name: str, version: str, evidence: str) -> Iterator[Package]:
    if (
        is_name(group)
        and is_name(name)
        and is_plain(version)
        and not re.search(r"[$\[\](),{}/]", group + name + version)
    ):
        yield Package(type="maven", namespace=group, name=name, version=version, evidence=evidence, declared=True)


def _list_locked(text: str) -> Iterator[Package]:
    """Yield the lines `group:name:version=configurations`."""
    for line in text.splitlines():
        match line.partition("=")[0].strip().split(":"):
            case [group, name, version] if not group.startswith("#"):
                yield from _build(group, name, version, "gradle.lockfile")
            case _:
                pass


def _list_project(root: Any) -> Iterator[Package]:
    """Yield the direct dependencies outside of tests, with versions from the properties of the same file."""
    sections = {_strip(child.tag): child for child in root}
    project = {name: (element.text or "").strip() for name, element in sections.items()}
    properties = {f"project.{name}": value for name, value in project.items()}
    properties |= {_strip(child.tag): (child.text or "").strip() for child in sections.get("properties", ())}
    for dependency in sections.get("dependencies", ()):
        fields = {_strip(child.tag): (child.text or "").strip() for child in dependency}
        group, name, version = (
            _replace(fields.get(key, ""), properties) for key in ("groupId", "artifactId", "version")
        )
        if fields.get("scope") not in ("test", "system"):
            yield from _build(group, name, version, "pom.xml")


def _replace(text: str, properties: dict[str, str]) -> str:
    match = re.fullmatch(r"\$\{([\w.-]+)\}", text)
    return properties.get(match[1], text) if match else text


def _strip(tag: str) -> str:
    return tag.rpartition("}")[2]

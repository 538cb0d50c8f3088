"""Java libraries: archives (jar, war, ear, nested ones too) and the `release` files of Java runtimes.

`pom.properties` of Maven are exact. A library without them gets name and version from its file name and manifest, and
its group from `java_groups`, which compares all archives of a layer. The group stays empty if nothing names one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from kubekeep.images.catalog.bounded import read_text
from kubekeep.images.catalog.documents import build_record, is_name, is_plain
from kubekeep.images.catalog.java_archive import ArchiveFacts, Coordinates, read_facts
from kubekeep.images.catalog.java_groups import resolve_groups
from kubekeep.images.catalog.language_licences import read_licence
from kubekeep.images.content import Archive, CatalogRecord, LayerFile
from kubekeep.model.package import Package

PATTERNS: Final = ("**/release",)
RELEASE_LINE: Final = r'(?m)^([A-Z_]+)="?([^"\r\n]*)"?[ \t\r]*$'
MAXIMUM_RELEASE: Final = 256 * 1024


def read_archives(archives: Sequence[Archive]) -> list[CatalogRecord]:
    """Return a record for each archive of a layer that is a library, and for each library that is shaded into one.

    An archive that cannot be read is left out, so that the others are still read.
    """
    facts: list[ArchiveFacts] = []
    for archive in archives:
        try:
            facts.append(read_facts(archive))
        except ValueError:
            continue
    groups = resolve_groups(facts)
    return [record for archive, group in zip(facts, groups, strict=True) for record in _build_records(archive, group)]


def _build_records(facts: ArchiveFacts, group: str) -> list[CatalogRecord]:
    records = []
    if facts.name and facts.version:
        coordinates = facts.main or Coordinates(group, facts.name, facts.version)
        package = _build_package(coordinates, facts.evidence)
        qualifiers = tuple(
            (key, value)
            for key, value in (("classifier", facts.classifier), ("type", facts.packaging))
            if is_plain(value) and value != "jar"
        )
        package = msgspec.structs.replace(
            package, qualifiers=qualifiers, licences=facts.licences, supplier=facts.supplier
        )
        records.append(CatalogRecord(facts.path, "java", (package,)))
    records += [
        CatalogRecord(f"{facts.path}!/{path}", "java", (_build_package(coordinates, "Maven pom.properties"),))
        for path, coordinates in facts.shaded
    ]
    return records


def _build_package(coordinates: Coordinates, evidence: str) -> Package:
    return Package(
        type="maven",
        namespace=coordinates.group,
        name=coordinates.artifact,
        version=coordinates.version,
        evidence=evidence,
    )


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the Java runtime that a `release` file describes, or None for a file of something else."""
    if len(file.content) > MAXIMUM_RELEASE or b"JAVA_VERSION=" not in file.content:
        return None
    fields = dict(re.findall(RELEASE_LINE, read_text(file)))
    implementor = fields.get("IMPLEMENTOR", "")
    stated = fields.get("JAVA_RUNTIME_VERSION") or fields.get("FULL_VERSION") or fields.get("JAVA_VERSION", "")
    version = "".join(re.findall(r"\A[\w.+-]+", stated))
    if not is_name(version):
        raise ValueError("has no valid JAVA_VERSION")
    name = "openjdk"
    if "GRAALVM_VERSION" in fields:
        name = "graalvm"
    elif fields.get("BUILD_TYPE") == "commercial":
        name = "oracle-jdk"
    elif "OpenJ9" in fields.get("JVM_VARIANT", ""):
        name = "semeru"
    package = Package(
        type="generic",
        name=name,
        version=version,
        licences=(read_licence("GPL2 w/ CPE"),) if name == "openjdk" else (),
        supplier=implementor if implementor.isprintable() else "",
        evidence="Java release file",
    )
    return build_record(file, "java", [package])

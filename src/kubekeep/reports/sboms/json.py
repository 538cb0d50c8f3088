"""SBOMs and their comparisons as JSON, with the same fields for documents of all formats and tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

from kubekeep.images.sbom.compare import PackageChange, SbomComparison
from kubekeep.images.sbom.document import Sbom, SbomSubject
from kubekeep.images.sbom.identity import get_package_url
from kubekeep.model.package import Distribution, Package, qualify_name
from kubekeep.model.text import json_text
from kubekeep.reports.sboms.words import count_licences, count_types


def write_sbom(sbom: Sbom, packages: Sequence[Package], stream: TextIO) -> None:
    """Write the SBOM with a selection of its packages as one line."""
    licences, missing = count_licences(sbom.packages)
    document = {
        "subject": _describe_subject(sbom.subject),
        "format": sbom.format,
        "tool": {"name": sbom.tool, "version": sbom.tool_version},
        "origins": [{"name": name, "version": version} for name, version in sbom.origins],
        "created": sbom.created,
        "distribution": _describe_distribution(sbom.distribution),
        "types": dict(count_types(sbom.packages)),
        "licences": dict(licences),
        "withoutLicence": missing,
        "complete": False if sbom.problems else None,
        "problems": [{"path": problem.path, "message": problem.message} for problem in sbom.problems],
        "notRead": list(sbom.omitted),
        "parts": [
            {
                "subject": _describe_subject(part.subject),
                "distribution": _describe_distribution(part.distribution),
                "packages": list(part.packages),
            }
            for part in sbom.parts
        ],
        "packages": [_describe_package(package) for package in packages],
    }
    stream.write(json_text(document) + "\n")


def write_comparison(comparison: SbomComparison, names: tuple[str, str], stream: TextIO) -> None:
    """Write the comparison as one line."""
    stream.write(json_text(describe_comparison(comparison, names)) + "\n")


def describe_comparison(comparison: SbomComparison, names: tuple[str, str]) -> dict[str, Any]:
    """Return the comparison as a document."""
    return {
        "old": names[0],
        "new": names[1],
        "changes": [_describe_change(change) for change in comparison.changes],
        "unchanged": comparison.unchanged,
        "warnings": list(comparison.warnings),
    }


def _describe_subject(subject: SbomSubject) -> dict[str, Any]:
    return {
        "kind": subject.kind.value,
        "name": subject.name,
        "version": subject.version,
        "digest": subject.digest,
        "platform": subject.platform,
    }


def _describe_distribution(distribution: Distribution) -> dict[str, Any] | None:
    if not distribution.id:
        return None
    return {"id": distribution.id, "version": distribution.version_id, "name": distribution.name}


def _describe_package(package: Package) -> dict[str, Any]:
    source = package.source
    return {
        "purl": get_package_url(package),
        "type": package.type,
        "name": qualify_name(package),
        "version": package.version,
        "licences": list(package.licences),
        "supplier": package.supplier,
        "source": {"name": source.name, "version": source.version} if source else None,
        "declared": package.declared,
        "evidence": package.evidence,
        "dependencies": list(package.dependencies),
        "locations": [{"path": location.path, "layer": location.layer} for location in package.locations],
    }


def _describe_change(change: PackageChange) -> dict[str, Any]:
    package = change.package
    sides = {
        name: None
        if side is None
        else {"purl": get_package_url(side), "version": side.version, "licences": list(side.licences)}
        for name, side in (("old", change.old), ("new", change.new))
    }
    return {"change": change.kind.value, "type": package.type, "name": qualify_name(package), **sides}

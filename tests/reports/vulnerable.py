"""An assessment of an image and an SBOM with vulnerabilities of several kinds, made of real advisories.

The image has an exploited vulnerability in a package of the distribution and in one of Python, one without a fix, one
without a severity, one that a VEX statement covers, one under investigation, an advisory about two CVEs, and a package that
was not assessed.
"""

from __future__ import annotations

import datetime as dt
import json
from array import array
from pathlib import Path
from typing import Any

import msgspec

from kubekeep.library.load import builtin
from kubekeep.model.assessment import Assessment, SubjectResult, Target, UnreadInput
from kubekeep.model.image import Image, PackageList
from kubekeep.model.location import Location
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.scanned_source import SourceRegistry
from kubekeep.model.source import FileType, Source
from kubekeep.posture.listed_problems import add_listed_problems
from kubekeep.posture.select import Selection
from kubekeep.sources.images.document import FILE_TYPE, ImageLocations
from kubekeep.sources.sboms.locations import SbomLocations
from kubekeep.usecases.assemble import EvaluationFacts, assemble

ASSETS = Path(__file__).parent / "assets"
BASE = "/srv/shop"
_SBOM = FileType("sbom", "SBOM", fixed_files=("",), has_excerpts=False)


def read_image() -> dict[str, Any]:
    """Return the document of the image."""
    return _read("vulnerable-image.json")


def assess_vulnerable(*documents: dict[str, Any]) -> Assessment:
    """Return the assessment of documents of images and SBOMs; of the committed ones by default."""
    resources = [
        _create_resource(document)
        for document in documents or (_read("vulnerable-image.json"), _read("vulnerable-sbom.json"))
    ]
    results, selection = add_listed_problems(
        [SubjectResult(resource, {}) for resource in resources], Selection((), (), {}, {}, builtin())
    )
    facts = EvaluationFacts(
        target=Target(tuple(resource.name for resource in resources), BASE),
        started=dt.datetime(2026, 11, 24, 10, 0, 0, tzinfo=dt.UTC),
        finished=dt.datetime(2026, 11, 24, 10, 0, 2, tzinfo=dt.UTC),
        kubernetes_minor=37,
        selection=selection,
        resource_selection=ResourceSelection(),
        enforcement={},
        files=len(resources),
    )
    unread = [
        UnreadInput(Location(result.subject.name), f"{len(gap['packages'])} package not assessed: {gap['reason']}")
        for result in results
        for gap in result.subject.object["assessment"]["notAssessed"]
    ]
    source = SourceRegistry("registry.example.com")
    return msgspec.structs.replace(assemble(facts, results, unread=unread, source=source), version="0.1.0")


def _create_resource(document: dict[str, Any]) -> PackageList:
    name = document["metadata"]["name"]
    is_image = document["kind"] == "ContainerImage"
    reference = name if is_image else f"{name}.cdx.json"
    lines = range(8, 8 + 9 * len(document["packages"]), 9)
    regions = array("I", [number for line in lines for number in (line, 5, line + 1, 13)])
    locations = ImageLocations(reference) if is_image else SbomLocations(reference, regions)
    source = Source(reference, BASE, FILE_TYPE if is_image else _SBOM, 0, lazy_source_map=locations)
    if not is_image:
        return PackageList(document, source, is_compared=True)
    image = document["image"]
    return Image(document, source, digest=image["digest"], platform=image["platform"], is_compared=True)


def _read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ASSETS / name).read_text(encoding="utf-8"))
    return document

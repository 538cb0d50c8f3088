"""The document of an image that rules read, and the locations of its parts. Never opens an image."""

from __future__ import annotations

import datetime as dt
import stat
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.images.configuration import ContainerSettings, ImageConfiguration
from kubekeep.images.content import DetectedSecret, FileMode, ImageContent
from kubekeep.images.end_of_life import end_of_life
from kubekeep.images.inspected_image import InspectedImage
from kubekeep.images.sbom.identity import identify
from kubekeep.model.image import API_VERSION, KIND, Image
from kubekeep.model.json_values import as_mapping
from kubekeep.model.location import Location, Path, Position, Region
from kubekeep.model.package import Distribution, ImagePackages, Package, qualify_name
from kubekeep.model.source import FileType, Source
from kubekeep.model.vulnerability import VulnerabilityReport

FILE_TYPE: Final = FileType("image", "image", fixed_files=("",))
_FILE_LISTS: Final = frozenset({"files", "secrets", "packages"})
_MODE_KINDS: Final = ((stat.S_ISUID, "setuid"), (stat.S_ISGID, "setgid"), (stat.S_IWOTH, "worldWritable"))


class ImageLocations(msgspec.Struct, frozen=True):
    """Locations in an image: a file as `REFERENCE!/PATH`, or the reference for other parts."""

    reference: str

    def locate(self, document: Any, path: Path) -> Location:
        """Return the location of a part of the document."""
        if len(path) > 1 and path[0] in _FILE_LISTS and isinstance(path[1], int):
            entries = as_mapping(document).get(path[0])
            if isinstance(entries, list) and path[1] < len(entries):
                entry = as_mapping(entries[path[1]])
                line = entry.get("line")
                position = Position(line, 1) if isinstance(line, int) and line > 0 else None
                name = entry.get("path", "")
                return Location(
                    f"{self.reference}!{name}" if name else self.reference,
                    Region(position, position) if position else None,
                )
        return Location(self.reference)


def create_resource(
    image: InspectedImage,
    base: str,
    today: dt.date,
    report: VulnerabilityReport | None = None,
    *,
    keeps_packages: bool = False,
    location: str = "",
) -> Image:
    """Return the image with its document; `base` is the folder of the scan, `today` its day.

    report: its vulnerabilities; None if they were not requested. keeps_packages: keep its packages beside the document.
    location: by default its name.
    """
    location = location or image.reference
    source = Source(location, base, FILE_TYPE, 0, lazy_source_map=ImageLocations(location))
    document = build_document(image, today, report)
    return Image(
        document,
        source,
        digest=image.digest,
        platform=image.platform,
        is_compared=report is not None,
        packages=_encode_packages(image.content) if keeps_packages else b"",
    )


def _encode_packages(content: ImageContent) -> bytes:
    packages = ImagePackages(
        distribution=content.distribution,
        packages=content.packages,
        fixes=content.fixes,
        go_symbols=content.go_symbols,
        problems=len(content.problems),
    )
    return msgspec.msgpack.encode(packages)


def build_document(image: InspectedImage, today: dt.date, report: VulnerabilityReport | None = None) -> dict[str, Any]:
    """Return the document of an image; absent facts have no field. Paths begin with a slash, as in a container."""
    content = image.content
    document: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": image.reference},
        "scanned": today.isoformat(),
        "image": _drop_empty(
            {
                "digest": image.digest,
                "indexDigest": image.index_digest,
                "platform": image.platform,
                "names": list(image.names),
                "base": {} if image.base is None else msgspec.to_builtins(image.base),
            }
        ),
        "distribution": describe_distribution(content.distribution, today),
        "files": [_describe_mode(mode) for mode in content.modes],
        "secrets": [_describe_secret(secret) for secret in content.secrets],
        "packages": [describe_package(package) for package in content.packages],
    }
    if report is not None:
        from kubekeep.sources.images.assessed_packages import describe_assessment  # noqa: PLC0415 - only with a report

        document |= describe_assessment(report, content.packages)
    if image.configuration is not None:
        document["image"] |= _drop_empty({"created": image.configuration.created})
        document["config"] = _describe_settings(image.configuration.settings)
        document["history"] = _describe_history(image.configuration)
    return document


def describe_distribution(distribution: Distribution, today: dt.date) -> dict[str, str]:
    """Return the entry of a distribution with the end of its support, if known."""
    end = end_of_life(distribution, today)
    return _drop_empty(
        {
            "id": distribution.id,
            "versionId": distribution.version_id,
            "name": distribution.name,
            "endOfLife": end.standard.isoformat() if end else "",
        }
    )


def _describe_secret(secret: DetectedSecret) -> dict[str, Any]:
    notes = (
        "with a valid checksum" if secret.is_verified else "",
        "deleted by a later layer" if secret.removed else "",
    )
    kind = ", ".join(filter(None, (secret.kind, *notes)))
    return {"path": f"/{secret.path}", "line": secret.line, "kind": kind, "layer": secret.layer}


def _describe_settings(settings: ContainerSettings) -> dict[str, Any]:
    # Redaction masks the elements of lists only, and the encoder leaves tuples as they are.
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in msgspec.to_builtins(settings).items()
        if value is not None
    }


def _describe_history(configuration: ImageConfiguration) -> list[dict[str, str]]:
    return [
        {"createdBy": step.created_by, "layer": step.layer, **_drop_empty({"comment": step.comment})}
        for step in configuration.list_steps()
    ]


def _describe_mode(mode: FileMode) -> dict[str, Any]:
    return {
        "path": f"/{mode.path}",
        "mode": f"{stat.S_IMODE(mode.mode):04o}",
        "owner": mode.owner,
        "group": mode.group,
        "layer": mode.layer,
        "kinds": [kind for bit, kind in _MODE_KINDS if mode.mode & bit],
    }


def describe_package(package: Package) -> dict[str, Any]:
    """Return the entry of a package with its first location."""
    location = package.locations[0] if package.locations else None
    description: dict[str, Any] = {
        # Without a type, of which a package URL consists, the reference and the name identify the package.
        "purl": identify(package),
        **({} if package.type else {"name": qualify_name(package)}),
        "version": package.version,
        "licences": list(package.licences),
    }
    return description if location is None else description | {"path": f"/{location.path}", "layer": location.layer}


def _drop_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value}

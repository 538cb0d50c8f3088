"""Parts of a SARIF log that results of all kinds share: locations, suppressions and priorities. Writes nothing."""

from __future__ import annotations

from typing import Any, Final

from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.fingerprint import Identity
from kubekeep.model.image import KIND as IMAGE_KIND
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.priority import Priority
from kubekeep.model.subject import Subject
from kubekeep.model.text import utc_text, visible
from kubekeep.reports.shared.findings import describe_region, quote_path
from kubekeep.reports.shared.vulnerabilities import get_repository

ROOT: Final = "SRCROOT"
"""The base of relative paths: the folder of the scan."""
_FIRST: Final = Region(Position(1, 1), Position(1, 1))


def describe_priority(priority: Priority) -> dict[str, Any]:
    """Return the priority as properties, its score also by the name that readers rank by."""
    entry: dict[str, Any] = {"priority": priority.level.label, "priorityScore": priority.score}
    if priority.level:
        entry["security-severity"] = f"{priority.score:.1f}"
    if reasons := [visible(reason) for reason in (priority.step, *priority.reasons) if reason]:
        entry["priorityReasons"] = reasons
    return entry


def describe_suppression(exception: AppliedException) -> dict[str, Any]:
    """Return a suppression (§3.35): `inSource` for a comment or annotation, else `external`."""
    is_in_source = exception.source in {ExceptionSource.ANNOTATION, ExceptionSource.COMMENT}
    until = f"until {utc_text(exception.expires)}" if exception.expires is not None else ""
    entry: dict[str, Any] = {
        "kind": "inSource" if is_in_source else "external",
        "status": "accepted",
        "justification": visible("; ".join(filter(None, (exception.reason or exception.name, until)))),
    }
    if exception.location is not None:
        entry["location"] = {"physicalLocation": describe_physical(exception.location)}
    return entry


def format_full_name(identity: Identity) -> str:
    """Return the qualified name of a resource: `shop/Deployment/web`."""
    return f"{f'{identity.namespace}/' if identity.namespace else ''}{identity.kind}/{identity.name}"


def describe_resource(resource: Subject) -> dict[str, str]:
    """Return the logical location (§3.33) of a resource."""
    return describe_logical(resource.name, format_full_name(Identity.from_subject(resource)))


def describe_logical(name: str, full_name: str, kind: str = "resource") -> dict[str, str]:
    """Return a logical location (§3.33)."""
    return {"name": name, "fullyQualifiedName": full_name, "kind": kind}


def describe_evidence_location(resource: Subject, location: Location) -> dict[str, Any]:
    """Return the physical location of evidence on a resource.

    A file in an image is `REPOSITORY/PATH`, without tag and digest, because code scanning tracks alerts by their paths. It
    has a region, which code scanning requires.
    """
    if resource.kind != IMAGE_KIND or resource.source is None:
        return describe_physical(location)
    reference, file = resource.source.path, location.file
    if file == reference or file.startswith(f"{reference}!"):
        file = f"{get_repository(reference)}{file.removeprefix(reference).removeprefix('!')}"
    return describe_physical(Location(file, location.region or _FIRST))


def describe_physical(location: Location) -> dict[str, Any]:
    """Return a physical location (§3.29)."""
    entry: dict[str, Any] = {"artifactLocation": describe_artifact(location.file)}
    if location.region is not None:
        entry["region"] = describe_region(location.region)
    return entry


def describe_artifact(path: str) -> dict[str, str]:
    """Return an artifactLocation (§3.4): relative to the folder of the scan, or absolute for files outside it."""
    if path.startswith("/"):
        return {"uri": f"file://{quote_path(path)}"}
    return {"uri": quote_path(path), "uriBaseId": ROOT}

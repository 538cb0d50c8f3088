"""Image scans of Kubescape's operator as submissions: the parts that kubevuln posts to `/k8s/v2/containerScan`.

A scan has all vulnerabilities of one image, and only the packages that have one. It closes those of this image that it no
longer has, and nothing else. The workload that runs the image is part of the submission, so that the store can join both.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from kubekeep.images.package_url import normalise_name
from kubekeep.model.definition import FindingKind
from kubekeep.model.finding_document import Suppression
from kubekeep.model.fingerprint import create_short_fingerprint
from kubekeep.model.package import Package, PackageLocation
from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import ScannedSource
from kubekeep.model.severity import Severity
from kubekeep.model.submission import (
    ContainerEntry,
    DefinitionEntry,
    EvaluatedScope,
    GapEntry,
    SubjectEntry,
    Submission,
)
from kubekeep_server.foreign.assembly import ReceivedReport, SubjectDraft, build_submission, create_definition
from kubekeep_server.foreign.decoding import MAX_TEXT, ForeignDocumentError, shorten
from kubekeep_server.foreign.image_findings import LISTED, create_image, describe_affected, is_digest
from kubekeep_server.foreign.kubescape_evidence import read_suppression
from kubekeep_server.foreign.kubescape_resources import identify
from kubekeep_server.foreign.parts import PageMarks, decode_parts

_DESCRIPTION: Final = "an image scan of Kubescape"
_IGNORE: Final = "ignore"
_SUCCESSES: Final = ("", "Success")
_SCHEME: Final = "wlid://"
_WORKLOADS: Final = {
    kind.lower(): (api_version, kind)
    for api_version, kinds in (
        ("v1", "Pod ReplicationController"),
        ("apps/v1", "DaemonSet Deployment ReplicaSet StatefulSet"),
        ("batch/v1", "CronJob Job"),
    )
    for kind in kinds.split()
}
_PACKAGE_TYPES: Final = {
    "conda": "conda",
    "dart-pub": "pub",
    "dotnet": "nuget",
    "go-module": "golang",
    "java-archive": "maven",
    "jenkins-plugin": "maven",
    "php-composer": "composer",
    "portage": "ebuild",
    "python": "pypi",
    "rust-crate": "cargo",
}
"""Types of package URLs by Syft's types of packages; others are equal."""


class Fix(msgspec.Struct):
    """The state of a fix, and the fixed version."""

    state: str = msgspec.field(name="name", default="")
    version: str = ""


class LayerReference(msgspec.Struct):
    """A layer with a package."""

    digest: str = msgspec.field(name="layerHash", default="")


class FilePath(msgspec.Struct):
    """A file that proves a package."""

    path: str = ""


class AppliedPolicy(msgspec.Struct):
    """An exception."""

    name: str = ""
    reason: str = ""
    actions: list[str] | None = None
    expires: str | None = msgspec.field(name="expirationDate", default=None)


class ImageVulnerability(msgspec.Struct):
    """A vulnerability of a package."""

    name: str
    image: str = msgspec.field(name="imageHash", default="")
    tag: str = msgspec.field(name="imageTag", default="")
    package: str = msgspec.field(name="packageName", default="")
    package_type: str = msgspec.field(name="packageType", default="")
    version: str = msgspec.field(name="packageVersion", default="")
    link: str = ""
    links: list[str] | None = None
    description: str = ""
    severity: str = ""
    fixes: list[Fix] | None = msgspec.field(name="fixedIn", default=None)
    policies: list[AppliedPolicy] | None = msgspec.field(name="exceptionApplied", default=None)
    layer: str = msgspec.field(name="layerHash", default="")
    layers: list[LayerReference] | None = None
    files: list[FilePath] | None = msgspec.field(name="coordinates", default=None)


class ScanSummary(msgspec.Struct):
    """The image and the workload of a scan. workload: `wlid://cluster-c/namespace-shop/deployment-web`."""

    image: str = msgspec.field(name="imageHash", default="")
    tag: str = msgspec.field(name="imageTag", default="")
    workload: str = msgspec.field(name="wlid", default="")
    container: str = msgspec.field(name="containerName", default="")
    status: str = ""


class Designators(msgspec.Struct):
    """The attributes of the scanned container, such as `cluster` with the name of its cluster."""

    attributes: dict[str, str] | None = None


class ContainerScan(msgspec.Struct):
    """A part of a scan; the first one has the summary."""

    report: str = msgspec.field(name="containersScanID", default="")
    marks: PageMarks | None = msgspec.field(name="paginationInfo", default=None)
    summary: ScanSummary | None = None
    vulnerabilities: list[ImageVulnerability] | None = None
    timestamp: int = 0
    designators: Designators = msgspec.field(default_factory=Designators)


def convert(
    documents: Sequence[bytes],
    source: ScannedSource | None,
    received: dt.datetime,
    workload: SubjectEntry | None = None,
) -> Submission:
    """Return the submission of all parts of a scan.

    source: the cluster or registry of the sender. workload: the entry that the store has for `read_origin`, of which the
    submission keeps all but the digest of the container. Raises ForeignDocumentError.
    """
    parts = decode_parts(documents, ContainerScan, _DESCRIPTION)
    if source is None:
        raise ForeignDocumentError(f"{_DESCRIPTION} does not identify its cluster: name the cluster")
    summary = _find_summary(parts)
    digest = _find_digest(summary.image)
    image = create_image(summary.tag or summary.image, digest)
    vulnerabilities = [entry for part in parts for entry in part.vulnerabilities or ()]
    for vulnerability in vulnerabilities:
        _add_vulnerability(image, vulnerability)
    gaps = []
    if summary.status in _SUCCESSES:
        image.listed_kinds = LISTED
    else:
        gaps.append(GapEntry(shorten(f"the image {summary.tag} was not scanned: {summary.status}")))
    entries = [image.build((), "")]
    if (subject := _read_workload(summary.workload)) is not None:
        entries.append(_describe_workload(subject, summary, digest, workload))
    return build_submission(
        source,
        ReceivedReport(documents, received, _read_time(parts[0].timestamp)),
        entries,
        {_create_key(entry): _define(entry) for entry in vulnerabilities}.values(),
        scope=EvaluatedScope(is_partial=True),
        gaps=gaps,
    )


class ScanOrigin(msgspec.Struct, frozen=True):
    """The workload and the cluster of a scan. workload: its key. cluster: its name. Both are empty for a scan without one.

    container: whose image was scanned. image: its reference, or its digest. failure: the reason of a scan that failed.
    """

    workload: str
    cluster: str
    container: str
    image: str
    failure: str


def read_origin(documents: Sequence[bytes]) -> ScanOrigin:
    """Return the workload that runs the image, and its cluster. Raises ForeignDocumentError."""
    parts = decode_parts(documents, ContainerScan, _DESCRIPTION)
    summary = _find_summary(parts)
    subject = _read_workload(summary.workload)
    return ScanOrigin(
        workload="" if subject is None else create_short_fingerprint("", identify(subject)),
        cluster=next((name for part in parts if (name := (part.designators.attributes or {}).get("cluster"))), ""),
        container=shorten(summary.container),
        image=shorten(summary.tag or summary.image),
        failure="" if summary.status in _SUCCESSES else shorten(summary.status, MAX_TEXT),
    )


def _find_summary(parts: Sequence[ContainerScan]) -> ScanSummary:
    summary = next((part.summary for part in parts if part.summary is not None), None)
    if summary is None or not (summary.tag or summary.image):
        raise ForeignDocumentError(f"{_DESCRIPTION} has no summary with imageTag or imageHash")
    return summary


def _find_digest(image: str) -> str:
    """Return the digest of `docker-pullable://host/name@sha256:...`; empty for that of a configuration."""
    _, separator, digest = image.rpartition("@")
    return digest if separator and is_digest(digest) else ""


def _read_time(timestamp: int) -> dt.datetime | None:
    try:
        return dt.datetime.fromtimestamp(timestamp, dt.UTC) if timestamp > 0 else None
    except (OverflowError, OSError, ValueError):
        return None


def _read_workload(identifier: str) -> ResourceSubject | None:
    """Return the workload of a WLID; None if it names none."""
    parts = identifier.removeprefix(_SCHEME).split("/")
    if not identifier.startswith(_SCHEME) or len(parts) != 3:
        return None
    kind, _, name = parts[2].partition("-")
    return find_workload(kind, parts[1].removeprefix("namespace-"), name)


def find_workload(kind: str, namespace: str, name: str) -> ResourceSubject | None:
    """Return the workload with a kind in any case; None without a name, or for another kind."""
    workload = _WORKLOADS.get(kind.lower())
    if workload is None or not name:
        return None
    return ResourceSubject(workload[0], workload[1], shorten(name), shorten(namespace))


def _describe_workload(
    subject: ResourceSubject, summary: ScanSummary, digest: str, known: SubjectEntry | None
) -> SubjectEntry:
    """Return the workload with the digest of the container's image."""
    key = create_short_fingerprint("", identify(subject))
    entry = known if known is not None and known.key == key else SubjectEntry(key, subject)
    name = shorten(summary.container)
    if not digest:
        return entry
    if not any(container.name == name for container in entry.containers):
        added = ContainerEntry(name, shorten(summary.tag or summary.image), digest)
        return msgspec.structs.replace(entry, containers=(*entry.containers, added))
    containers = (
        msgspec.structs.replace(container, digest=digest) if container.name == name else container
        for container in entry.containers
    )
    return msgspec.structs.replace(entry, containers=tuple(containers))


def _add_vulnerability(image: SubjectDraft, vulnerability: ImageVulnerability) -> None:
    evidence = describe_affected(_read_package(vulnerability), *_find_fix(vulnerability.fixes or ()))
    policies = [policy for policy in vulnerability.policies or () if _IGNORE in (policy.actions or ())]
    suppression = _read_policy(policies[0]) if policies else None
    image.fail(_create_key(vulnerability)).add([evidence], suppression)


def _create_key(vulnerability: ImageVulnerability) -> str:
    return shorten(vulnerability.name)


def _read_policy(policy: AppliedPolicy) -> Suppression:
    return read_suppression({"name": policy.name, "reason": policy.reason, "expirationDate": policy.expires})


def _find_fix(fixes: Iterable[Fix]) -> tuple[str, str]:
    """Return the fixed version, and without one the state of the fix as text."""
    states = {"not-fixed": "not fixed yet", "wont-fix": "will not be fixed"}
    entries = list(fixes)
    version = next((fix.version for fix in entries if fix.version), "")
    return version, next((states[fix.state] for fix in entries if fix.state in states), "")


def _read_package(vulnerability: ImageVulnerability) -> Package:
    kind = _PACKAGE_TYPES.get(vulnerability.package_type, vulnerability.package_type.lower())
    kind = kind if kind.isascii() and kind.isalnum() else "generic"
    namespace, _, name = vulnerability.package.rpartition("/")
    namespace, name = normalise_name(kind, namespace, name)
    layers = [layer.digest for layer in vulnerability.layers or ()]
    file = vulnerability.files[0].path if vulnerability.files else ""
    layer = vulnerability.layer or (layers[0] if layers else "")
    return Package(
        type=kind,
        namespace=namespace,
        name=name,
        version=vulnerability.version,
        locations=(PackageLocation(file.removeprefix("/"), layer),),
    )


def _define(vulnerability: ImageVulnerability) -> DefinitionEntry:
    return create_definition(
        _create_key(vulnerability),
        vulnerability.name,
        _read_severity(vulnerability.severity),
        kind=FindingKind.VULNERABILITY,
        title=vulnerability.description.partition("\n")[0] or vulnerability.name,
        references=(vulnerability.link, *(vulnerability.links or ())),
    )


def _read_severity(text: str) -> Severity:
    """Return a severity; negligible ones are low."""
    try:
        return Severity.LOW if text.lower() == "negligible" else Severity[text.upper()]
    except KeyError:
        return Severity.UNKNOWN

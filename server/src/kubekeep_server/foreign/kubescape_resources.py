"""Resources of Kubescape's reports as subjects, with the identity that Kubekeep gives them. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.cluster import IDENTITY_NAMESPACE
from kubekeep.model.fingerprint import Identity
from kubekeep.model.resource import Resource, ResourceSubject
from kubekeep.model.submission import ContainerEntry
from kubekeep.model.workload import list_used_images
from kubekeep_server.foreign.assembly import SubjectDraft
from kubekeep_server.foreign.decoding import ForeignDocumentError, decode, shorten

_GENERATED: Final = frozenset({"Helm Chart", "Kustomize Directory"})
"""File types of objects that a program has generated."""
_MAX_CONTAINERS: Final = 1000
_ID_PARTS: Final = 5


class ObjectMetadata(msgspec.Struct):
    """Metadata of an object."""

    name: str = ""
    namespace: str | None = None
    uid: str = ""


class ReportedObject(msgspec.Struct):
    """An object, or a subject of RBAC with the binding and the role as related objects."""

    kind: str
    api_version: str = msgspec.field(name="apiVersion", default="")
    metadata: ObjectMetadata = msgspec.field(default_factory=ObjectMetadata)
    name: str = ""
    namespace: str | None = None
    related: list[ReportedObject] | None = msgspec.field(name="relatedObjects", default=None)

    @property
    def subject(self) -> ResourceSubject:
        """The object in findings."""
        return ResourceSubject(
            api_version=shorten(self.api_version),
            kind=shorten(self.kind),
            name=shorten(self.metadata.name or self.name),
            namespace=shorten(self.metadata.namespace or self.namespace or ""),
            related=tuple(entry.subject for entry in self.related or ()),
        )


class ObjectSource(msgspec.Struct):
    """The file of an object, or the chart or kustomization that generated it."""

    path: str = ""
    file: str = msgspec.field(name="relativePath", default="")
    file_type: str = msgspec.field(name="fileType", default="")
    chart: str = msgspec.field(name="helmPath", default="")
    values: list[str] | None = msgspec.field(name="helmValuesPaths", default=None)
    kustomization: str = msgspec.field(name="kustomizeDirectoryName", default="")


class PostureResource(msgspec.Struct):
    """An entry of `resources`; its object is decoded on demand."""

    id: str = msgspec.field(name="resourceID")
    object: msgspec.Raw = msgspec.Raw(b"null")
    source: ObjectSource | None = None

    def decode(self) -> ReportedObject:
        """Return the object. Raises ForeignDocumentError."""
        return decode(bytes(self.object), ReportedObject, f"the object of {shorten(self.id)}")


def find_cluster_uid(resources: Iterable[PostureResource]) -> str:
    """Return the UID of the Namespace that identifies a cluster; empty if the report does not have it."""
    suffix = f"/Namespace/{IDENTITY_NAMESPACE}"
    for resource in resources:
        if resource.id.endswith(suffix):
            reported = resource.decode()
            if (reported.kind, reported.metadata.name) == ("Namespace", IDENTITY_NAMESPACE):
                return shorten(reported.metadata.uid)
    return ""


class SubjectReader:
    """Reader of the resources of a report. root: folder of the repository; None for a cluster, whose objects have no files."""

    def __init__(self, resources: Iterable[PostureResource], root: str | None) -> None:
        self._root = root
        self._resources = {resource.id: resource for resource in resources}
        self._origins: dict[Identity, tuple[str, bool]] = {}
        """Origins of objects that RBAC subjects are joined with."""
        if root is not None:
            self._read_origins()

    def read(self, name: str) -> SubjectDraft | None:
        """Return the subject of a resource by its ID; None if neither tells its identity. Raises ForeignDocumentError."""
        resource = self._resources.get(name)
        if resource is None:
            return self._read_id(name)
        subject = resource.decode().subject
        identity = identify(subject)
        origin, is_generated = self._find_origin(resource, identity)
        draft = SubjectDraft(subject, identity, origin, is_generated=is_generated)
        draft.containers = _list_containers(resource, subject)
        return draft

    def _read_id(self, name: str) -> SubjectDraft | None:
        """Return the subject of an ID `group/version/namespace/kind/name`: `--omit-raw-resources` leaves out the objects."""
        if self._root is not None:
            raise ForeignDocumentError(
                f"the report has results of {shorten(name)!r}, and not the resource with its file:"
                " scan without --omit-raw-resources"
            )
        parts = name.split("/")
        if len(parts) != _ID_PARTS or not parts[-1]:
            return None
        group, version, namespace, kind, object_name = map(shorten, parts)
        api_version = "/".join(filter(None, (group, version)))
        subject = ResourceSubject(api_version, kind, object_name, namespace)
        return SubjectDraft(subject, identify(subject))

    def is_about_packages(self, name: str) -> bool:
        """Return True for the document of an image or SBOM, which only reports of Kubekeep have."""
        return "image.kubekeep.io/" in name

    def _read_origins(self) -> None:
        for resource in self._resources.values():
            if resource.source is not None:
                self._origins[identify(resource.decode().subject)] = self._describe_origin(resource.source)

    def _find_origin(self, resource: PostureResource, identity: Identity) -> tuple[str, bool]:
        if self._root is None:
            return "", False
        if resource.source is not None:
            return self._describe_origin(resource.source)
        origins = (self._origins[part] for part in identity.related if part in self._origins)
        return next(origins, ("", False))

    def _describe_origin(self, source: ObjectSource) -> tuple[str, bool]:
        """Return the path in the repository of a file or of a chart or kustomization, and true for the latter."""
        is_generated = source.file_type in _GENERATED
        folder = source.chart or source.kustomization if is_generated else ""
        path = self._locate(folder or source.file)
        values = ", ".join(source.values or ()) if is_generated else ""
        return shorten(f"{path} ({values})" if values else path), is_generated

    def _locate(self, path: str) -> str:
        """Return a path in the repository; Kubescape writes some paths of charts absolute."""
        path = path.replace("\\", "/").removeprefix("./")
        root = (self._root or "").replace("\\", "/").rstrip("/")
        return path.removeprefix(f"{root}/") if root else path


def identify(subject: ResourceSubject) -> Identity:
    """Return the identity of a resource, independent of the API version."""
    group = subject.api_version.rpartition("/")[0]
    related = tuple(map(identify, subject.related))
    return Identity(group, subject.kind, subject.namespace, subject.name, related)


def _list_containers(resource: PostureResource, subject: ResourceSubject) -> tuple[ContainerEntry, ...]:
    """Return the containers of a workload with their images, without digests, which Kubescape does not report."""
    if subject.related:
        return ()
    content: Mapping[str, Any] = decode(bytes(resource.object), dict, f"the object of {shorten(resource.id)}")
    entries = [
        ContainerEntry(shorten(image.container), shorten(image.reference), ends=not image.runs_on)
        for image in list_used_images(Resource(dict(content)))
    ]
    return tuple(dict.fromkeys(entries))[:_MAX_CONTAINERS]

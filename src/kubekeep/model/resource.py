"""Kubernetes objects with their identity and source location. Never fetches or changes an object."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep import _native
from kubekeep.model.json_values import as_mapping
from kubekeep.model.location import Location, Path, has_path
from kubekeep.model.source import Source
from kubekeep.model.subject import Subject, SubjectDocument

DEFAULT_NAMESPACE: Final = "default"
"""The namespace of a namespaced resource without `metadata.namespace`, as in kubectl."""
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


def is_builtin(group: str) -> bool:
    """Return True for an API group of Kubernetes itself (core, apps, batch, ..., *.k8s.io)."""
    return "." not in group or group.endswith(".k8s.io")


@functools.lru_cache(maxsize=1024)
def kind_names(group: str, kind: str) -> frozenset[str]:
    """Return the names that controls may use for a kind: `group/Kind`, and for a built-in kind also `Kind`."""
    full = f"{group}/{kind}"
    return frozenset((kind, full)) if is_builtin(group) else frozenset((full,))


class PackedObject(msgspec.Struct, frozen=True, gc=False, eq=False):
    """An object as compressed JSON, with the fields that reports read most often; absent fields are empty."""

    data: bytes
    size: int
    """Length of the JSON text in bytes; derived text follows it."""
    api_version: str
    kind: str
    name: str
    namespace: str
    replicas: int | None

    @property
    def text(self) -> bytes:
        """The object as JSON."""
        return self.texts[0]

    @property
    def texts(self) -> tuple[bytes, bytes]:
        """The object as JSON, and the derived text."""
        whole = _native.unpack(self.data)
        return whole[: self.size], whole[self.size :]

    def decode(self) -> dict[str, Any]:
        """Decode the object. Calls in turn return the same one, as an object may have thousands of findings."""
        return _decode_recent(self)


@functools.lru_cache(maxsize=2)
def _decode_recent(packed: PackedObject) -> dict[str, Any]:
    return _decode(packed.text)


def pack_object(content: dict[str, Any], text: bytes | None = None, derived: bytes = b"") -> PackedObject:
    """Compress `content`, an object as decoded JSON.

    `text` is its JSON, if the caller has it; `derived` is text made from it, compressed with it because the two repeat
    each other.
    """
    text = _encode(content) if text is None else text
    resource = Resource(content)
    return PackedObject(
        _native.pack(text + derived),
        len(text),
        sys.intern(resource.api_version),
        sys.intern(resource.kind),
        resource.name,
        sys.intern(resource.namespace),
        resource.replicas,
    )


class ResourceSubject(SubjectDocument, frozen=True, tag="resource", tag_field="type"):
    """A Kubernetes resource; a joined RBAC subject lists its binding and role in `related`."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    related: tuple[ResourceSubject, ...] = ()


class Resource(Subject, frozen=True, gc=False):
    """One object as submitted to the API (`object`), with its source.

    `content` is the object, or a packed object, which saves memory and costs time on each access to `object`.
    `document` is the document of the object if it holds more than the object (an item of a List).
    `release_namespace_paths` are the paths of namespaces that are chosen at installation, in addition to
    `metadata.namespace` if it is set; None if there are none. A joined resource (an RBAC subject with its binding and
    role) lists them in `related`; paths that begin with `relatedObjects[N]` refer to those. `unknown` are the paths of
    values not known yet (Terraform before `apply`): `object` does not have them, and no verdict may treat them as
    absent. `missing` is set for a related role that the input does not contain, so that its rules are unknown: the
    missing permissions to list it, empty if none is missing.
    """

    content: dict[str, Any] | PackedObject
    source: Source | None = None
    document: Any = None
    related: tuple[Resource, ...] = ()
    release_namespace_paths: tuple[Path, ...] | None = None
    unknown: tuple[Path, ...] = ()
    missing: tuple[str, ...] | None = None

    @property
    def object(self) -> dict[str, Any]:
        """The object itself."""
        content = self.content
        return content if isinstance(content, dict) else content.decode()

    def pack(self, text: bytes | None = None, derived: bytes = b"") -> Resource:
        """Return a packed copy; `text` and `derived` are passed to `pack_object`."""
        content = self.content
        if not isinstance(content, dict):
            return self
        return msgspec.structs.replace(self, content=pack_object(content, text, derived))

    def pack_in_place(self, text: bytes | None = None, derived: bytes = b"") -> None:
        """Replace the object by its packed form, as `pack`, for all that hold this resource or refer to it by its `id()`.

        Its source map is packed too. The object of a `document` is left as it is, because the document would keep it, and
        so is that of a joined resource, which consists of objects of others.
        """
        content = self.content
        if self.document is not None or self.related:
            return
        if isinstance(content, dict):
            msgspec.structs.force_setattr(self, "content", pack_object(content, text, derived))
            if self.source is not None and self.source.source_map is not None:
                self.source.source_map.pack_in_place()
        elif derived:
            text = content.text if text is None else text
            packed = msgspec.structs.replace(content, data=_native.pack(text + derived), size=len(text))
            msgspec.structs.force_setattr(self, "content", packed)

    def unpack(self) -> Resource:
        """Return a copy for frequent access to `object`."""
        return self if isinstance(self.content, dict) else msgspec.structs.replace(self, content=self.object)

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group; empty for a joined subject without one."""
        content = self.content
        return str(content.get("apiVersion") or "") if isinstance(content, dict) else content.api_version

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        content = self.content  # as in `api_version`, which takes longer: most steps of a scan read the group
        version = content.get("apiVersion") if isinstance(content, dict) else content.api_version
        return str(version or "").rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version without the group: `v1`."""
        return self.api_version.rpartition("/")[2]

    @property
    def kind(self) -> str:
        """The kind, such as `Deployment`."""
        content = self.content
        return str(content.get("kind") or "") if isinstance(content, dict) else content.kind

    @property
    def is_builtin(self) -> bool:
        """True for an API group of Kubernetes itself (core, apps, batch, ..., *.k8s.io)."""
        return is_builtin(self.group)

    @property
    def kind_names(self) -> frozenset[str]:
        """Names that controls may use for the kind; see `kind_names`."""
        return kind_names(self.group, self.kind)

    @property
    def name(self) -> str:
        """`metadata.name`, or `generateName` with a star; the subject's name for a joined resource."""
        content = self.content
        if not isinstance(content, dict):
            return content.name
        metadata = as_mapping(content.get("metadata"))
        generated = metadata.get("generateName")
        # A joined subject has no metadata.
        return str(metadata.get("name") or (f"{generated}*" if generated else content.get("name") or ""))

    @property
    def namespace(self) -> str:
        """`metadata.namespace`; empty if it is not set."""
        content = self.content
        if not isinstance(content, dict):
            return content.namespace
        return str(as_mapping(content.get("metadata")).get("namespace") or content.get("namespace") or "")

    @property
    def namespace_or_default(self) -> str:
        """`metadata.namespace`, or `default` if it is not set, also for a cluster-scoped object."""
        return self.namespace or DEFAULT_NAMESPACE

    @property
    def replicas(self) -> int | None:
        """`spec.replicas`, if it is a number."""
        content = self.content
        if not isinstance(content, dict):
            return content.replicas
        spec = content.get("spec")
        replicas = spec.get("replicas") if isinstance(spec, dict) else None
        return replicas if isinstance(replicas, int) and not isinstance(replicas, bool) else None

    @property
    def id(self) -> str:
        """Identity within a scan, in Kubescape's form: objects from files include a hash of file and document."""
        if self.related:
            subject = f"{self.api_version}/{self.namespace}/{self.kind}/{self.name}"
            return "/".join(sorted([*(part.id for part in self.related), subject]))
        if self.source is None:
            return self.identity
        end = str(self.source.document)
        if self.source.origin is not None and self.source.origin.application:
            end += f" {self.source.origin.application}"
        return f"path={_fnv1a(end, _hash_path(self.source.path))}/api={self.identity}"

    @property
    def has_problems(self) -> bool:
        """False: rules find the problems of resources."""
        return False

    def describe(self) -> SubjectDocument:
        """Return its JSON form in findings."""
        return _describe_resource(self)

    def locate(self, path: Path) -> Location | None:
        """Return the location of `path` in the original file; None for an object without a file."""
        if self.related and len(path) > 1 and path[0] == "relatedObjects":
            number = path[1]
            if isinstance(number, int) and number < len(self.related):
                return self.related[number].locate(path[2:])
        if self.source is None:
            return self.related[0].locate(()) if self.related else None
        return self.source.locate(self.object if self.document is None else self.document, path)

    def locate_line(self, path: Path, line: int) -> Location | None:
        """Return the location of a line, from 1, of the text at `path`, or of the text if its lines are unknown."""
        if self.source is None:
            return self.locate(path)
        return self.source.locate_line(self.object if self.document is None else self.document, path, line)

    def locate_fields(self, paths: Sequence[Path]) -> list[tuple[Location | None, bool]]:
        """Return for each path its location, as `locate` does, and true if `object` has it."""
        content = self.object
        if self.source is not None and not self.related:
            document = content if self.document is None else self.document
            fields = self.source.locate_fields(document, paths)
            if fields is not None:
                return fields
        return [(self.locate(path), has_path(content, path)) for path in paths]


def _describe_resource(resource: Resource) -> ResourceSubject:
    return ResourceSubject(
        api_version=resource.api_version,
        kind=resource.kind,
        name=resource.name,
        namespace=resource.namespace,
        related=tuple(map(_describe_resource, resource.related)),
    )


def join_related(subject: Mapping[str, Any], related: tuple[Resource, ...]) -> Resource:
    """Join a subject with its binding and role; rules do not see a missing role."""
    contents = [part.object for part in related if part.missing is None]
    return Resource({**subject, "relatedObjects": contents}, related=related)


@functools.lru_cache(maxsize=1024)
def _hash_path(path: str) -> int:
    """Return the hash of a path and the colon after it, which all objects of a file share."""
    return _fnv1a(f"{path}:", 0xCBF29CE484222325)


def _fnv1a(text: str, value: int) -> int:
    """Return the 64-bit FNV-1a hash of a text that follows a text with the hash `value`."""
    for byte in text.encode("utf-8", "surrogatepass"):
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value

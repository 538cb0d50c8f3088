"""A Kubernetes object with its identity and the place it came from. Never fetched, never changed here."""

from __future__ import annotations

import enum
import functools
import sys
from typing import Any, Final

import msgspec

from kubekeep import _native
from kubekeep.model.location import LazySourceMap, Location, Path, SourceMap

DEFAULT_NAMESPACE: Final = "default"
"""The namespace of a namespaced resource that names none, as with kubectl."""
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


def is_builtin(group: str) -> bool:
    """Whether an API group is Kubernetes' own (core, apps, batch, ..., *.k8s.io)."""
    return "." not in group or group.endswith(".k8s.io")


@functools.lru_cache(maxsize=1024)
def kind_names(group: str, kind: str) -> frozenset[str]:
    """What a control may call a kind: `group/Kind`, and a built-in kind by its name alone."""
    full = f"{group}/{kind}"
    return frozenset((kind, full)) if is_builtin(group) else frozenset((full,))


def format_name(kind: str, namespace: str, name: str) -> str:
    """`Deployment shop/web`, as people say it; `Node a` without a namespace."""
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


class FileType(enum.StrEnum):
    """What kind of source an object was read from, in the words reports use."""

    YAML = "YAML"
    JSON = "JSON"
    HELM = "Helm Chart"
    KUSTOMIZE = "Kustomize Directory"
    TERRAFORM = "Terraform"


class RenderOrigin(msgspec.Struct, frozen=True):
    """What an object was made from that stands in no file as it is.

    `folder` is the chart or the kustomization, as shown to people; for a chart there are its name, the values files
    it was rendered with beside its own, and the name of the innermost sub-chart the template belongs to. An
    `application` that said how is named by its file and line.
    """

    folder: str
    chart: str = ""
    subchart: str = ""
    values: tuple[str, ...] = ()
    application: str = ""


class Source(msgspec.Struct, frozen=True):
    """The file and document that an object was read from, or the template or kustomization it was made from.

    `path` is shown to people (relative to `base` when below it); `base` is the absolute folder of the scan;
    `document` counts the documents of the file from 0, an item of a List keeps its List's number. An object that
    stands in no file as it is has an `origin`, and a `trace` to the places a person wrote.
    """

    path: str
    base: str
    file_type: FileType
    document: int
    source_map: SourceMap | None = None
    root: Path = ()
    origin: RenderOrigin | None = None
    lazy_source_map: LazySourceMap | None = None

    def locate(self, document: Any, path: Path) -> Location:
        """The place of `path`, a path from the object's root; `document` is the whole document."""
        if self.lazy_source_map is not None:
            return self.lazy_source_map.locate(document, self.root + path)
        if self.source_map is None:
            return Location(self.path)
        return Location(self.path, self.source_map.region(document, self.root + path))


class PackedObject(msgspec.Struct, frozen=True, gc=False):
    """An object as compressed JSON; what stands beside it is the same as in it, empty where it is absent."""

    data: bytes
    size: int
    """How long the text of the object is; what was derived from it follows."""
    api_version: str
    kind: str
    metadata: dict[str, Any]
    """`name`, `generateName` and `namespace`."""
    replicas: int | None

    @property
    def text(self) -> bytes:
        """The object as JSON."""
        return self.texts[0]

    @property
    def texts(self) -> tuple[bytes, bytes]:
        """The object as JSON, and the text that was derived from it."""
        whole = _native.unpack(self.data)
        return whole[: self.size], whole[self.size :]

    def unpacked(self) -> dict[str, Any]:
        """The object, made anew each time."""
        return _decode(self.text)


def pack_object(content: dict[str, Any], text: bytes | None = None, derived: bytes = b"") -> PackedObject:
    """`content`, an object as JSON has it, packed.

    `text` is its JSON, if that is known already; `derived` says mostly the same again and so takes little room.
    """
    text = _encode(content) if text is None else text
    metadata, spec = content.get("metadata"), content.get("spec")
    known = metadata if isinstance(metadata, dict) else {}
    replicas = spec.get("replicas") if isinstance(spec, dict) else None
    return PackedObject(
        _native.pack(text + derived),
        len(text),
        sys.intern(str(content.get("apiVersion") or "")),
        sys.intern(str(content.get("kind") or "")),
        {key: _kept(known[key]) for key in ("name", "generateName", "namespace") if key in known},
        replicas if isinstance(replicas, int) and not isinstance(replicas, bool) else None,
    )


def _kept(value: Any) -> Any:
    return sys.intern(value) if isinstance(value, str) else value


class Resource(msgspec.Struct, frozen=True, gc=False):
    """One object: as it was sent (`object`), with where it came from.

    `content` is the object, or the same packed, which costs time for each look at `object` and saves memory.
    `document` is the document it stands in when that is more than the object itself (an item of a List).
    `release_namespace_paths` are the paths of namespaces that whoever installs the object will choose, beside its own if it
    names none; None when nothing is left to choose.
    A joined resource (an RBAC subject with its binding and role) names them in `related`; paths that begin
    with `relatedObjects[N]` lead into those. `unknown` are the paths whose value nobody knows yet (Terraform before
    `apply`): `object` lacks them, and no verdict may take them for absent.
    """

    content: dict[str, Any] | PackedObject
    source: Source | None = None
    document: Any = None
    related: tuple[Resource, ...] = ()
    release_namespace_paths: tuple[Path, ...] | None = None
    unknown: tuple[Path, ...] = ()

    @property
    def object(self) -> dict[str, Any]:
        """The object itself."""
        content = self.content
        return content if isinstance(content, dict) else content.unpacked()

    def packed(self, text: bytes | None = None, derived: bytes = b"") -> Resource:
        """The same in less memory; `text` and `derived` are for `pack`."""
        content = self.content
        if not isinstance(content, dict):
            return self
        return msgspec.structs.replace(self, content=pack_object(content, text, derived))

    def unpacked(self) -> Resource:
        """The same to look at often."""
        return self if isinstance(self.content, dict) else msgspec.structs.replace(self, content=self.object)

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group; empty for a joined subject without one."""
        content = self.content
        return str(content.get("apiVersion") or "") if isinstance(content, dict) else content.api_version

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version without the group: `v1`."""
        return self.api_version.rpartition("/")[2]

    @property
    def kind(self) -> str:
        """`Deployment`, ..."""
        content = self.content
        return str(content.get("kind") or "") if isinstance(content, dict) else content.kind

    @property
    def is_builtin(self) -> bool:
        """Whether its API group is Kubernetes' own (core, apps, batch, ..., *.k8s.io)."""
        return is_builtin(self.group)

    @property
    def kind_names(self) -> frozenset[str]:
        """What a control may call its kind, as the function of that name has it."""
        return kind_names(self.group, self.kind)

    @property
    def name(self) -> str:
        """`metadata.name`, or `generateName` with a star; the subject's name for a joined resource."""
        metadata = self._metadata()
        generated = metadata.get("generateName")
        return str(metadata.get("name") or (f"{generated}*" if generated else self._subject("name")))

    @property
    def namespace(self) -> str:
        """`metadata.namespace`; empty when the object does not say."""
        return str(self._metadata().get("namespace") or self._subject("namespace"))

    @property
    def label(self) -> str:
        """`Deployment shop/web`, as people say it; without a namespace that the object does not say."""
        return format_name(self.kind, self.namespace, self.name)

    @property
    def replicas(self) -> int | None:
        """`spec.replicas`, where it is a number."""
        content = self.content
        if not isinstance(content, dict):
            return content.replicas
        spec = content.get("spec")
        replicas = spec.get("replicas") if isinstance(spec, dict) else None
        return replicas if isinstance(replicas, int) and not isinstance(replicas, bool) else None

    def _metadata(self) -> dict[str, Any]:
        content = self.content
        metadata = content.get("metadata") if isinstance(content, dict) else content.metadata
        return metadata if isinstance(metadata, dict) else {}

    def _subject(self, key: str) -> str:
        """What a joined subject says of itself, which has no metadata."""
        content = self.content
        return str(content.get(key) or "") if isinstance(content, dict) else ""

    @property
    def identity(self) -> str:
        """`<group>/<version>/<namespace>/<kind>/<name>`, Kubescape's identity of an object."""
        return f"{self.group}/{self.version}/{self.namespace}/{self.kind}/{self.name}"

    @property
    def id(self) -> str:
        """The identity within a scan, in Kubescape's form: file objects carry a hash of file and document."""
        if self.related:
            subject = f"{self.api_version}/{self.namespace}/{self.kind}/{self.name}"
            return "/".join(sorted([*(item.id for item in self.related), subject]))
        if self.source is None:
            return self.identity
        place = f"{self.source.path}:{self.source.document}"
        if self.source.origin is not None and self.source.origin.application:
            place += f" {self.source.origin.application}"
        return f"path={_fnv1a(place.encode('utf-8', 'surrogatepass'))}/api={self.identity}"

    def locate(self, path: Path) -> Location | None:
        """The place of `path` in the file a person wrote; None for an object that came from no file."""
        match path:
            case ("relatedObjects", int(number), *rest) if number < len(self.related):
                return self.related[number].locate(tuple(rest))
            case _ if self.source is None:
                return self.related[0].locate(()) if self.related else None
            case _:
                return self.source.locate(self.object if self.document is None else self.document, path)


def _fnv1a(data: bytes) -> int:
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value

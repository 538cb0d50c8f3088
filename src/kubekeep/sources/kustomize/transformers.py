"""Transformers of a kustomization, replayed on the field tree of one object, in the order of kustomize.

Patches and generators change fields. Entries that set values by rule (images, replicas, namespace, labels, annotations,
replacements) only claim values of the built object, so that fields added by `configurations` are covered too.

Rules:

1. The replay never decides a value: kustomize has built the object, and the replay only finds the origin of its values.
   What does not fit is skipped, and nothing raises.
2. Transformers run in the order of kustomize, bases before overlays. Each has a time of its own; the latest origin that
   explains a value wins.
3. An object is known by every name, kind and namespace that it has had, so a patch for `web` still selects it after a
   prefix made it `shop-web`.
4. A strategic merge patch changes no namespace, and name or kind only if its options permit it: these fields are its
   address. It changes `apiVersion` only if it states another one.
5. A claim explains a value only if the entry would set just this value, in a field that it is known to set or that
   differs from the replay. A label with the same text elsewhere is not its work.
6. A replacement cannot compare values, because its value comes from another object. It explains only a value that
   neither a field nor an exact claim explains.
7. A prefix or suffix has no origin of its own: the name is located where the original name is.

Example: a base with `namePrefix: shop-` and a Deployment `web` (replicas 1, image web:1), and an overlay with a patch
of `web` (replicas 3) and `images: [{name: web, newTag: "2"}]`. kustomize builds `shop-web` with 3 replicas and web:2.

    time 1  AffixTransformer   names: web, shop-web
    time 2  PatchTransformer   selects by the name web; the field spec.replicas is 3, from prod/patch.yaml
    time 3  ImageTransformer   claims images
    spec.replicas              the field equals the built 3             -> prod/patch.yaml:6
    ...containers[0].image     the field is web:1, built is web:2, and
                               the claim explains the tag 2             -> prod/kustomization.yaml:6
    ...containers[0].name      the field equals the built web           -> base/web.yaml:10
    metadata.name              the field is web, and no claim explains
                               shop-web                                 -> base/web.yaml:4
"""

# Paths are text here, as kustomize takes them:
# ruff: noqa: PTH113

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

import msgspec

from kubekeep.model.json_values import as_mapping
from kubekeep.model.location import Path
from kubekeep.sources.kustomize.documents import SourceDocument, SourceFiles, SourcePath
from kubekeep.sources.kustomize.fields import Field, apply_operations, is_equal, merge
from kubekeep.sources.kustomize.graph import Kustomization
from kubekeep.sources.kustomize.selector import ResourceId, matches_expression, selects

_BUILTIN_GROUP: Final = ".k8s.io"
_LABEL_PARENTS: Final = ("labels", "matchLabels", "selector")
_TOKEN: Final = re.compile(r"\[(?P<entry>[^\]]*)\]|(?P<key>(?:\\.|[^.\[\]\\])+)")
_IMAGE: Final = re.compile(r"(?P<name>(?:[^/@]*/)*[^/@:]*)(?::(?P<tag>[^@]*))?(?:@(?P<digest>.*))?", re.DOTALL)
_UNPREFIXED: Final = frozenset({"CustomResourceDefinition", "APIService", "Namespace"})
"""Kinds that prefixes and suffixes do not rename (kustomize's PrefixTransformer)."""
_IDENTITY_PATHS: Final = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"))


class ValueQuery(msgspec.Struct, frozen=True):
    """A value of a built object, its path, and the replayed field, None if the replay has no such field."""

    document: Any
    path: Path
    value: Any
    field: Field | None

    @property
    def is_changed(self) -> bool:
        """True if the value differs from the replay of bases and patches."""
        return self.field is None or not is_equal(self.field, self.value)


class Claim(Protocol):
    """An entry of a kustomization that sets values in many objects, such as an entry of `images`."""

    @property
    def is_exact(self) -> bool:
        """True if it compares values and takes precedence over values set explicitly before."""

    def find_origin(self, query: ValueQuery, state: ReplayState) -> SourcePath | None:
        """Return the origin in the entry if it set the value, else None."""


class ReplayState:
    """One object during the replay. ids: its identities so far, the original one first.

    has_schema: the build has an OpenAPI schema, which gives lists of custom kinds merge keys too.
    """

    def __init__(self, root: Field, identity: ResourceId, *, has_schema: bool) -> None:
        self.root: Field | None = root
        self._has_schema = has_schema
        self.ids = [identity]
        self.claims: list[tuple[int, Claim]] = []
        self.labels: dict[str, str] = {}
        self.images: set[str] = set()
        self.time = 0

    @property
    def merge_kind(self) -> str | None:
        """The kind if its lists have merge keys, like lists of built-in kinds, else None."""
        group = self.ids[-1].group
        has_merge_keys = self._has_schema or "." not in group or group.endswith(_BUILTIN_GROUP)
        return self.ids[-1].kind if has_merge_keys else None

    def claim(self, claim: Claim) -> None:
        """Register a claim on values from the current time on."""
        self.claims.append((self.time, claim))

    def rename(self, **changes: str) -> None:
        """Add a changed identity; earlier ones remain valid."""
        identity = msgspec.structs.replace(self.ids[-1], **changes)
        if identity != self.ids[-1]:
            self.ids.append(identity)

    def read_metadata(self, name: str) -> dict[str, str]:
        """Return the current `labels` or `annotations`."""
        field = self.root.find_descendant("metadata", name) if self.root is not None else None
        fields = as_mapping(field.value) if field is not None else {}
        pairs = {key: child.value for key, child in fields.items() if isinstance(child.value, str)}
        return pairs | self.labels if name == "labels" else pairs


class Transformer(Protocol):
    """One transformation of a kustomization."""

    def apply(self, state: ReplayState) -> None:
        """Apply it to the object, if it selects that object."""


class PatchTransformer:
    """A strategic merge patch or JSON patch, for a target or for the object the patch names."""

    def __init__(
        self, document: SourceDocument, target: Mapping[str, Any] | None = None, options: Mapping[str, Any] = {}
    ) -> None:
        self._patch = SourcePath(document)
        self._identity = ResourceId.from_object(document.value)
        self._target = target
        self._allow_name_change = bool(options.get("allowNameChange"))
        self._allow_kind_change = bool(options.get("allowKindChange"))

    def apply(self, state: ReplayState) -> None:
        """Patch the object if it is selected."""
        if state.root is None or not self._selects(state):
            return
        value = self._patch.value
        if isinstance(value, list):
            apply_operations(state.root, self._patch, state.time)
            return
        old_names = state.root.text("kind"), state.root.text("metadata", "name")
        # `merge` takes the whole patch, its address included; the fields are restored afterwards.
        protected = self._find_protected_fields(state.root)
        state.root = merge(state.root, value, self._patch, state.time, state.merge_kind)
        if state.root is not None:
            for path, field in protected.items():
                _set_field(state.root, path, field)
            kind, name = state.root.text("kind"), state.root.text("metadata", "name")
            if (kind, name) != old_names:
                state.rename(kind=kind, name=name)

    def _selects(self, state: ReplayState) -> bool:
        value = self._patch.value
        if self._target is not None:
            return isinstance(value, list | dict) and selects(self._target, state.ids, state.read_metadata)
        return isinstance(value, dict) and any(self._identity.matches(identity) for identity in state.ids)

    def _find_protected_fields(self, root: Field) -> dict[tuple[str, ...], Field | None]:
        """Return the identity fields that a strategic merge patch only uses as address, or may not change."""
        version = as_mapping(self._patch.value).get("apiVersion")
        changeable = {
            ("apiVersion",): version is not None and version != root.text("apiVersion"),
            ("kind",): self._allow_kind_change,
            ("metadata", "name"): self._allow_name_change,
        }
        return {path: root.find_descendant(*path) for path in _IDENTITY_PATHS if not changeable.get(path)}


def _set_field(root: Field, path: tuple[str, ...], field: Field | None) -> None:
    parent = root.find_descendant(*path[:-1])
    if parent is None or not isinstance(parent.value, dict):
        return
    if field is None:
        parent.value.pop(path[-1], None)
    else:
        parent.value[path[-1]] = field


class AffixTransformer:
    """A prefix or suffix of names. The origin of a name stays the location of the original name."""

    def __init__(self, prefix: str = "", suffix: str = "") -> None:
        self._prefix = prefix
        self._suffix = suffix

    def apply(self, state: ReplayState) -> None:
        """Rename the object."""
        identity = state.ids[-1]
        if identity.kind not in _UNPREFIXED:
            state.rename(name=f"{self._prefix}{identity.name}{self._suffix}")


class GeneratedDataTransformer:
    """A generator with `behavior: merge` or `replace`, which changes an existing ConfigMap or Secret."""

    def __init__(self, identity: ResourceId, root: Field, *, replace: bool) -> None:
        self._identity = identity
        self._root = root
        self._replace = replace

    def apply(self, state: ReplayState) -> None:
        """Merge or replace the data."""
        if state.root is None or not any(self._identity.matches(identity) for identity in state.ids):
            return
        for name in ("data", "binaryData"):
            generated, old = self._root.child(name), state.root.child(name)
            if generated is None:
                continue
            previous = {} if self._replace or old is None else as_mapping(old.value)
            new_fields = {
                key: Field(field.value, field.origin, state.time) for key, field in as_mapping(generated.value).items()
            }
            mapping = generated if old is None or self._replace else old
            state.root.value[name] = Field({**previous, **new_fields}, mapping.origin, mapping.time)


class PairsTransformer:
    """Labels or annotations that a kustomization adds to every object."""

    is_exact = True

    def __init__(self, pairs: SourcePath, parents: tuple[str, ...], *, templates: bool, selectors: bool) -> None:
        self._origin = pairs
        self._pairs = as_mapping(pairs.value)
        self._parents = parents
        self._templates = templates
        self._selectors = selectors

    def apply(self, state: ReplayState) -> None:
        """Claim the pairs; add labels to the object's labels for later selectors."""
        # Selectors of later entries match these labels, but the fields do not have them: claims change no field.
        if self._parents == _LABEL_PARENTS:
            state.labels.update({key: value for key, value in self._pairs.items() if isinstance(value, str)})
        state.claim(self)

    def find_origin(self, query: ValueQuery, state: ReplayState) -> SourcePath | None:  # noqa: ARG002 - the protocol's
        """Return the pair, or all pairs for a mapping they created."""
        if not query.path:
            return None
        if isinstance(query.value, dict):
            is_created = (
                query.field is None and query.path[-1] in self._parents and self._pairs.keys() & query.value.keys()
            )
            return self._origin if is_created else None
        key = str(query.path[-1])
        if key not in self._pairs or self._pairs[key] != query.value:
            return None
        return self._origin.child(key) if self._is_covered(query.path) or query.is_changed else None

    def _is_covered(self, path: Path) -> bool:
        parent = path[-2:-1]
        if not parent or parent[0] not in self._parents:
            return False
        in_template = path[-3:-1] == ("metadata", parent[0])
        return self._selectors or path[:1] == ("metadata",) or (self._templates and in_template)


def create_label_transformer(pairs: SourcePath, *, templates: bool, selectors: bool) -> PairsTransformer:
    """Return a transformer for labels; selectors and pod templates are covered only if requested."""
    return PairsTransformer(pairs, _LABEL_PARENTS, templates=templates, selectors=selectors)


def create_annotation_transformer(pairs: SourcePath) -> PairsTransformer:
    """Return a transformer for annotations, which covers pod templates."""
    return PairsTransformer(pairs, ("annotations",), templates=True, selectors=False)


class NamespaceTransformer:
    """The `namespace` of a kustomization."""

    is_exact = True

    def __init__(self, origin: SourcePath) -> None:
        self._origin = origin

    def apply(self, state: ReplayState) -> None:
        """Claim the namespace; later patches find the object in it."""
        if isinstance(name := self._origin.value, str):
            state.rename(**({"name": name} if state.ids[-1].kind == "Namespace" else {"namespace": name}))
            state.claim(self)

    def find_origin(self, query: ValueQuery, state: ReplayState) -> SourcePath | None:  # noqa: ARG002 - the protocol's
        """Return the entry for the object's namespace and for values that changed to it."""
        is_namespace = query.path == ("metadata", "namespace") or query.is_changed
        return self._origin if is_namespace and query.value == self._origin.value else None


class ReplicasTransformer:
    """One entry of `replicas`."""

    is_exact = True

    def __init__(self, origin: SourcePath) -> None:
        self._origin = origin
        self._entry = as_mapping(origin.value)

    def apply(self, state: ReplayState) -> None:
        """Claim the count if the object has the entry's name."""
        if any(identity.name == self._entry.get("name") for identity in state.ids):
            state.claim(self)

    def find_origin(self, query: ValueQuery, state: ReplayState) -> SourcePath | None:  # noqa: ARG002 - the protocol's
        """Return the count."""
        is_count = query.path[-1:] == ("replicas",) or query.is_changed
        is_number = isinstance(query.value, int) and not isinstance(query.value, bool)
        return (
            self._origin.child("count") if is_count and is_number and self._entry.get("count") == query.value else None
        )


class ImageTransformer:
    """One entry of `images`."""

    is_exact = True

    def __init__(self, origin: SourcePath) -> None:
        self._origin = origin
        self._entry = {key: str(value) for key, value in as_mapping(origin.value).items() if value not in (None, "")}

    def apply(self, state: ReplayState) -> None:
        """Claim images; later entries see the new name."""
        state.claim(self)
        if name := self._entry.get("newName"):
            state.images.add(name)

    def find_origin(self, query: ValueQuery, state: ReplayState) -> SourcePath | None:
        """Return the tag, digest or name that the entry set in the value."""
        if not isinstance(query.value, str) or not (query.path[-1:] == ("image",) or query.is_changed):
            return None
        built = _IMAGE.fullmatch(query.value)
        previous = _IMAGE.fullmatch(query.field.value) if query.field and isinstance(query.field.value, str) else None
        if built is None or not self._selects(previous["name"] if previous else None, state):
            return None
        if built["name"] != self._entry.get("newName", built["name"]):
            return None
        key = self._find_key(built)
        return None if key is None else self._origin.child(key)

    def _selects(self, name: str | None, state: ReplayState) -> bool:
        """Return True if the entry applies to images called name, or to a new name set by an earlier entry."""
        expression = self._entry.get("name")
        return expression is not None and (name is None or matches_expression(expression, name, *state.images))

    def _find_key(self, built: re.Match[str]) -> str | None:
        tag, digest = self._entry.get("newTag"), self._entry.get("digest")
        if tag is not None or digest is not None:
            is_equal_reference = (built["tag"], built["digest"]) == (tag, digest)
            return ("newTag" if tag is not None else "digest") if is_equal_reference else None
        suffix = self._entry.get("tagSuffix")
        if suffix is not None:
            return "tagSuffix" if (built["tag"] or "").endswith(suffix) else None
        return "newName" if "newName" in self._entry else None


class ReplacementTarget:
    """One target of one entry of `replacements`; the value comes from another object."""

    is_exact = False

    def __init__(self, target: SourcePath) -> None:
        self._target = target

    def apply(self, state: ReplayState) -> None:
        """Claim the target's fields if the target selects the object."""
        target = as_mapping(as_mapping(self._target.value).get("select"))
        if any(selects(target, [identity], state.read_metadata) for identity in state.ids):
            state.claim(self)

    def find_origin(self, query: ValueQuery, state: ReplayState) -> SourcePath | None:  # noqa: ARG002 - the protocol's
        """Return the field path that addresses the value."""
        for path in self._target.child("fieldPaths").entries():
            if isinstance(path.value, str) and _is_addressed(path.value, query):
                return path
        return None


def _is_addressed(text: str, query: ValueQuery) -> bool:
    """Return True if a field path (`spec.containers.[name=web].image`) addresses the value or an ancestor."""
    value = query.document
    tokens = list(_TOKEN.finditer(text))
    if not tokens or len(tokens) > len(query.path):
        return False
    for token, step in zip(tokens, query.path, strict=False):
        try:
            value = value[step]
        except (LookupError, TypeError):
            return False
        entry, key = token["entry"], token["key"]
        if key is not None:
            if key != "*" and re.sub(r"\\(.)", r"\1", key) != str(step):
                return False
        elif isinstance(step, int):
            name, _, expected = entry.partition("=")
            if str(as_mapping(value).get(name) if name else value) != expected:
                return False
        elif entry != step:
            return False
    return True


def list_transformers(node: Kustomization, files: SourceFiles) -> tuple[Transformer, ...]:
    """Return the transformers of a kustomization in the order of kustomize.

    Built-in fields first (`configureBuiltinTransformers` in kustomize), then configured transformers.
    """
    return tuple(_TransformerReader(node, files).read())


class _TransformerReader:
    """Reads the transformers of one kustomization."""

    def __init__(self, node: Kustomization, files: SourceFiles) -> None:
        self._node = node
        self._files = files

    def read(self) -> Iterator[Transformer]:
        """Yield the transformers in the order of kustomize."""
        root = SourcePath(self._node.document)
        for entry in root.child("patchesStrategicMerge").entries():
            yield from map(PatchTransformer, self._read_documents(entry))
        for entry in root.child("patches").entries():
            yield from self._patch(entry)
        yield from _read_names(root)
        yield from _read_pairs(root)
        for entry in root.child("patchesJson6902").entries():
            yield from self._patch(entry)
        yield from map(ReplicasTransformer, root.child("replicas").entries())
        yield from map(ImageTransformer, (*root.child("images").entries(), *root.child("imageTags").entries()))
        for entry in root.child("replacements").entries():
            yield from self._read_replacements(entry)
        for entry in root.child("transformers").entries():
            for document in self._read_documents(entry):
                yield from self._read_configured(document)

    def _read_documents(self, entry: SourcePath) -> tuple[SourceDocument, ...]:
        """Return the documents of a value that is a file name or inline YAML."""
        text = entry.value
        if not isinstance(text, str) or not text:
            return ()
        path = "" if "\n" in text else self._node.resolve(text)
        return self._files.read(path).documents if path and os.path.isfile(path) else self._files.parse_inline(entry)

    def _patch(self, entry: SourcePath) -> Iterator[Transformer]:
        fields = as_mapping(entry.value)
        target = fields.get("target")
        for name in ("path", "patch", "jsonOp"):
            value = entry.child(name)
            for document in self._read_documents(value) if name == "path" else self._files.parse_inline(value):
                yield PatchTransformer(
                    document, as_mapping(target) if target is not None else None, as_mapping(fields.get("options"))
                )

    def _read_replacements(self, entry: SourcePath) -> Iterator[Transformer]:
        if isinstance(as_mapping(entry.value).get("path"), str):
            for document in self._read_documents(entry.child("path")):
                inner = SourcePath(document)
                for replacement in inner.entries() if isinstance(document.value, list) else (inner,):
                    yield from map(ReplacementTarget, replacement.child("targets").entries())
        yield from map(ReplacementTarget, entry.child("targets").entries())

    def _read_configured(self, document: SourceDocument) -> Iterator[Transformer]:
        """Read a transformer configured in its own document instead of a field of the kustomization."""
        root = SourcePath(document)
        kind = as_mapping(document.value).get("kind")
        if kind in ("PatchTransformer", "PatchJson6902Transformer"):
            yield from self._patch(root)
        elif kind == "PatchStrategicMergeTransformer":
            for entry in root.child("paths").entries():
                yield from map(PatchTransformer, self._read_documents(entry))
            yield from map(PatchTransformer, self._files.parse_inline(root.child("patches")))
        elif kind == "ReplacementTransformer":
            for entry in root.child("replacements").entries():
                yield from self._read_replacements(entry)
        elif isinstance(kind, str) and (create := _CONFIGURED_TRANSFORMERS.get(kind)) is not None:
            yield create(root)


def _read_names(root: SourcePath) -> Iterator[Transformer]:
    if root.child("namespace").value:
        yield NamespaceTransformer(root.child("namespace"))
    fields = as_mapping(root.value)
    if fields.get("namePrefix"):
        yield AffixTransformer(prefix=str(fields["namePrefix"]))
    if fields.get("nameSuffix"):
        yield AffixTransformer(suffix=str(fields["nameSuffix"]))


def _read_pairs(root: SourcePath) -> Iterator[Transformer]:
    for entry in root.child("labels").entries():
        fields = as_mapping(entry.value)
        selectors, templates = bool(fields.get("includeSelectors")), bool(fields.get("includeTemplates"))
        yield create_label_transformer(entry.child("pairs"), templates=templates, selectors=selectors)
    if root.child("commonLabels").value:
        yield create_label_transformer(root.child("commonLabels"), templates=True, selectors=True)
    if root.child("commonAnnotations").value:
        yield create_annotation_transformer(root.child("commonAnnotations"))


def _read_text(root: SourcePath, field: str) -> str:
    value: Any = root.child(field).value
    return value if isinstance(value, str) else ""


_CONFIGURED_TRANSFORMERS: Final[dict[str, Callable[[SourcePath], Transformer]]] = {
    "NamespaceTransformer": lambda root: NamespaceTransformer(root.child("metadata", "namespace")),
    "PrefixTransformer": lambda root: AffixTransformer(prefix=_read_text(root, "prefix")),
    "SuffixTransformer": lambda root: AffixTransformer(suffix=_read_text(root, "suffix")),
    "PrefixSuffixTransformer": lambda root: AffixTransformer(_read_text(root, "prefix"), _read_text(root, "suffix")),
    "LabelTransformer": lambda root: create_label_transformer(root.child("labels"), templates=True, selectors=True),
    "AnnotationsTransformer": lambda root: create_annotation_transformer(root.child("annotations")),
    "ReplicaCountTransformer": lambda root: ReplicasTransformer(root.child("replica")),
    "ImageTagTransformer": lambda root: ImageTransformer(root.child("imageTag")),
}

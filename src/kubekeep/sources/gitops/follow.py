"""Applications of Argo CD and Flux that point into the scanned repository: which chart or folder, with which values.

Pure but for one thing: it asks whether paths exist. Never renders, never fetches, never follows out of a root.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH112, PTH113, PTH117, PTH118

from __future__ import annotations

import enum
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import Unread
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import Location, Path, Position, Region, SourceMap, line_starts
from kubekeep.model.resource import Resource
from kubekeep.sources import yaml_text
from kubekeep.sources.gitops.source import ARGO, FLUX_HELM, FLUX_KUSTOMIZE, FLUX_SOURCE
from kubekeep.sources.helm.source import CHART
from kubekeep.sources.kustomize.source import KUSTOMIZATIONS
from kubekeep.sources.tree import Limits, Problem

_INLINE: Final = Limits(bytes=4 * 1024 * 1024, depth=100, aliased=10_000, documents=1, nodes=200_000)
_URL: Final = re.compile(r"^(?:[a-z+]+://)?(?:[^@/]*@)?([^/:]+)(?::\d+)?[:/](.*?)/*$", re.IGNORECASE)


class Kind(enum.StrEnum):
    """Name of the source that reads a path, detected as Argo CD detects its tools."""

    CHART = "helm"
    KUSTOMIZATION = "kustomize"
    FOLDER = "manifests"


class ScannedRepository(msgspec.Struct, frozen=True):
    """A scanned repository: the absolute folder, and the URL of its remote if that is known."""

    path: str
    remote: str = ""


class InlineValues(msgspec.Struct, frozen=True):
    """Values of a chart that stand in the application itself.

    `marks` are those of `document`, which has the values at `root`. Values that are text within the object have marks
    of their own; the first line of that text is `first_line` of `file`.
    """

    value: dict[str, Any]
    file: str
    document: Any
    source_map: SourceMap | None
    root: Path
    first_line: int = 1

    def locate(self, path: Path) -> Location:
        """The place of a value in the application's file."""
        if self.source_map is None:
            return Location(self.file)
        region = self.source_map.region(self.document, self.root + path)
        shift = self.first_line - 1
        if shift:
            start, end = region.start, region.end
            region = Region(Position(start.line + shift, start.column), Position(end.line + shift, end.column))
        return Location(self.file, region)


class Follow(msgspec.Struct, frozen=True):
    """Something in the scanned repository that an application deploys.

    `path` is absolute. For a chart: `value_files` (absolute), then `inline`, then `set`, `set_string` and `set_file`
    in Helm's form. Argo CD reads a folder with what is below it only if `recurse`. `by` is the application.
    """

    path: str
    kind: Kind
    by: Resource
    release: str = ""
    namespace: str = ""
    value_files: tuple[str, ...] = ()
    inline: tuple[InlineValues, ...] = ()
    set: tuple[str, ...] = ()
    set_string: tuple[str, ...] = ()
    set_file: tuple[str, ...] = ()
    recurse: bool = True


class Elsewhere(msgspec.Struct, frozen=True):
    """An application whose source is not in the scanned repository: no error, and not assessed."""

    location: Location
    message: str


Found = Follow | Unread | Elsewhere


def follow(resources: Iterable[Resource], roots: Sequence[ScannedRepository]) -> Iterator[Found]:
    """What the applications among `resources` deploy from the repositories at `roots`, in their order.

    What they ask for and cannot be taken over (a values file that is missing, patches, values of the cluster) is an
    Unread beside the Follow; what lies elsewhere is told once an application.
    """
    known = tuple(resources)
    remotes = {(item.namespace, item.name): _at(item.object, "spec", "url") for item in known if _is_git(item)}
    for item in known:
        match (item.group, item.kind):
            case (str(group), "Application") if group == ARGO:
                yield from _application(item, roots)
            case (str(group), "ApplicationSet") if group == ARGO:
                yield Elsewhere(
                    _place(item, ("spec",)), "the applications that an ApplicationSet makes are not followed"
                )
            case (str(group), "HelmRelease") if group == FLUX_HELM:
                yield from _helm_release(item, roots, remotes)
            case (str(group), "Kustomization") if group == FLUX_KUSTOMIZE:
                yield from _kustomization(item, roots, remotes)


def same_repository(one: str, other: str) -> bool:
    """Whether two URLs name one repository, whatever the protocol, the user and the ending."""
    return _normal(one) == _normal(other)


def _normal(url: str) -> str:
    match = _URL.match(url.strip())
    if match is None:
        return url.strip()
    path = match[2].removesuffix(".git").strip("/")
    return f"{match[1].lower()}/{path.lower()}"


def _is_git(item: Resource) -> bool:
    return item.group == FLUX_SOURCE and item.kind == "GitRepository"


def _application(item: Resource, roots: Sequence[ScannedRepository]) -> Iterator[Found]:
    spec = as_mapping(_at(item.object, "spec"))
    sources = spec.get("sources")
    if isinstance(sources, list) and sources:
        listed: list[tuple[Any, Path]] = [(source, ("spec", "sources", at)) for at, source in enumerate(sources)]
    else:
        listed = [(spec.get("source"), ("spec", "source"))]
    references = {
        f"${source['ref']}": _text(source.get("repoURL"))
        for source, _ in listed
        if isinstance(source, dict) and isinstance(source.get("ref"), str)
    }
    for source, path in listed:
        if isinstance(source, dict):
            yield from _argo_source(_Reader(item, roots, path, source), references)


def _argo_source(reader: _Reader, references: Mapping[str, str]) -> Iterator[Found]:
    source, item = reader.spec, reader.item
    url = _text(source.get("repoURL"))
    if source.get("chart"):
        yield Elsewhere(reader.place("chart"), f"the chart {_text(source['chart'])[:100]} comes from {_shown_url(url)}")
        return
    if "path" not in source:
        # A source that other sources take values files from.
        return
    root, path = reader.target(_text(source["path"]), url)
    if root is None or path is None:
        yield reader.elsewhere("path", url)
        return
    kind = _kind(path)
    for name, why in (("plugin", "the plugin is not run"), ("kustomize", "its changes are not made")):
        if source.get(name):
            yield Unread(reader.place(name), f"{name} of this application: {why}")
    helm = as_mapping(source.get("helm"))
    if kind is not Kind.CHART:
        recurse = bool(as_mapping(source.get("directory")).get("recurse"))
        yield Follow(path, kind, item, namespace=_argo_namespace(item), recurse=recurse)
        return
    problems: list[Unread] = []
    made = Follow(
        path,
        kind,
        item,
        release=_text(helm.get("releaseName")) or item.name,
        namespace=_argo_namespace(item),
        value_files=tuple(reader.value_files(helm, root, path, references, problems)),
        inline=tuple(_argo_inline(reader, helm, problems)),
        set=tuple(_parameters(helm, strings=False)),
        set_string=tuple(_parameters(helm, strings=True)),
        set_file=tuple(reader.file_parameters(helm, root, path, problems)),
    )
    yield from problems
    yield made


def _argo_namespace(item: Resource) -> str:
    return _text(_at(item.object, "spec", "destination", "namespace"))


def _argo_inline(reader: _Reader, helm: Mapping[str, Any], problems: list[Unread]) -> Iterator[InlineValues]:
    """`valuesObject`, or else the text of `values`."""
    if isinstance(helm.get("valuesObject"), dict):
        yield reader.inline(helm["valuesObject"], ("helm", "valuesObject"))
        return
    text = helm.get("values")
    if isinstance(text, str) and text.strip():
        found = reader.inline_text(text, ("helm", "values"))
        if isinstance(found, InlineValues):
            yield found
        else:
            problems.append(found)


def _parameters(helm: Mapping[str, Any], *, strings: bool) -> Iterator[str]:
    """Argo CD's parameters in the form of Helm's `--set`; a comma in a value is no separator."""
    listed = helm.get("parameters")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str) and bool(one.get("forceString")) is strings:
            value = re.sub(r"(?<!\\),", r"\\,", _text(one.get("value")))
            yield f"{one['name']}={value}"


def _helm_release(
    item: Resource, roots: Sequence[ScannedRepository], remotes: Mapping[tuple[str, str], Any]
) -> Iterator[Found]:
    chart = _at(item.object, "spec", "chart", "spec")
    if not isinstance(chart, dict):
        yield Elsewhere(_place(item, ("spec",)), "the chart of this HelmRelease is not in the scanned repository")
        return
    reader = _Reader(item, roots, ("spec", "chart", "spec"), chart)
    url = _flux_url(item, chart.get("sourceRef"), remotes)
    root, path = (None, None) if url is None else reader.target(_text(chart.get("chart")), url)
    if root is None or path is None:
        yield reader.elsewhere("chart", url or "")
        return
    spec = item.object["spec"]
    problems = [
        Unread(_place(item, ("spec", "valuesFrom")), "values that come from the cluster (valuesFrom) are not known")
        for _ in (1,)
        if spec.get("valuesFrom")
    ]
    if spec.get("postRenderers"):
        problems.append(Unread(_place(item, ("spec", "postRenderers")), "post-renderers are not run"))
    target = _text(spec.get("targetNamespace"))
    outside = _Reader(item, roots, ("spec",), spec)
    inline = (outside.inline(spec["values"], ("values",)),) if isinstance(spec.get("values"), dict) else ()
    files = [name for name in as_list(chart.get("valuesFiles")) if isinstance(name, str)]
    if not files and isinstance(chart.get("valuesFile"), str):
        files = [chart["valuesFile"]]
    found = tuple(reader.existing(files, root.path, root, "valuesFiles", problems))
    yield from problems
    yield Follow(
        path,
        Kind.CHART,
        item,
        release=_text(spec.get("releaseName")) or (f"{target}-{item.name}" if target else item.name),
        namespace=target or item.namespace,
        value_files=found,
        inline=inline,
    )


def _kustomization(
    item: Resource, roots: Sequence[ScannedRepository], remotes: Mapping[tuple[str, str], Any]
) -> Iterator[Found]:
    spec = as_mapping(_at(item.object, "spec"))
    reader = _Reader(item, roots, ("spec",), spec)
    url = _flux_url(item, spec.get("sourceRef"), remotes)
    root, path = (None, None) if url is None else reader.target(_text(spec.get("path")) or ".", url)
    if root is None or path is None:
        yield reader.elsewhere("path", url or "")
        return
    changes = ("patches", "patchesStrategicMerge", "patchesJson6902", "images", "components", "postBuild")
    for name in changes:
        if spec.get(name):
            yield Unread(reader.place(name), f"{name} of this Kustomization: its changes are not made")
    yield Follow(path, _kind(path), item, namespace=_text(spec.get("targetNamespace")))


def _flux_url(item: Resource, reference: Any, remotes: Mapping[tuple[str, str], Any]) -> str | None:
    """The URL of the repository a source reference names; empty if nobody knows, None if it is no Git repository."""
    given = as_mapping(reference)
    if given.get("kind") != "GitRepository":
        return None
    namespace = _text(given.get("namespace")) or item.namespace
    return _text(remotes.get((namespace, _text(given.get("name")))))


class _Reader(msgspec.Struct, frozen=True):
    """One source of one application: its mapping `spec`, which stands at `path` in the object."""

    item: Resource
    roots: Sequence[ScannedRepository]
    path: Path
    spec: Mapping[str, Any]

    def place(self, *steps: str | int) -> Location:
        """The place of something in the source."""
        return _place(self.item, self.path + steps)

    def elsewhere(self, name: str, url: str) -> Elsewhere | Unread:
        """What is told of a source that is not in any root; in a repository that is one, it should be."""
        where = f"{_text(self.spec.get(name))[:200]} of {_shown_url(url)}"
        if any(url and root.remote and same_repository(url, root.remote) for root in self.roots):
            return Unread(self.place(name), f"{where}: there is no such folder in the scanned repository")
        return Elsewhere(self.place(name), f"{where} is not in the scanned repository")

    def target(self, path: str, url: str) -> tuple[ScannedRepository, str] | tuple[None, None]:
        """The root that has the folder `path` and may be the repository at `url`, and the absolute path."""
        for root in self.roots:
            if url and root.remote and not same_repository(url, root.remote):
                continue
            found = _inside(root.path, root.path, path.lstrip("/") or ".")
            if found is not None and os.path.isdir(found):
                return root, found
        return None, None

    def value_files(
        self,
        helm: Mapping[str, Any],
        root: ScannedRepository,
        chart: str,
        references: Mapping[str, str],
        problems: list[Unread],
    ) -> Iterator[str]:
        """The values files of an Argo CD source; those that cannot be taken over are problems."""
        ignore = bool(helm.get("ignoreMissingValueFiles"))
        for at, name in enumerate(as_list(helm.get("valueFiles"))):
            if not isinstance(name, str):
                continue
            folder, rest = chart, name
            if name.startswith("$"):
                reference, _, rest = name.partition("/")
                url = references.get(reference, "")
                if url and root.remote and not same_repository(url, root.remote):
                    problems.append(
                        Unread(self.place("helm", "valueFiles", at), f"{name[:200]} is in another repository")
                    )
                    continue
                folder = root.path
            elif name.startswith("/"):
                folder, rest = root.path, name.lstrip("/")
            found = _inside(root.path, folder, rest)
            if found is not None and os.path.isfile(found):
                yield found
            elif not ignore or found is None:
                problems.append(self._missing(name, "helm", "valueFiles", at))

    def existing(
        self, names: Iterable[str], folder: str, root: ScannedRepository, key: str, problems: list[Unread]
    ) -> Iterator[str]:
        """The files of a list that are there."""
        for at, name in enumerate(names):
            found = _inside(root.path, folder, name)
            if found is not None and os.path.isfile(found):
                yield found
            else:
                problems.append(self._missing(name, key, at))

    def file_parameters(
        self, helm: Mapping[str, Any], root: ScannedRepository, chart: str, problems: list[Unread]
    ) -> Iterator[str]:
        """Argo CD's file parameters in the form of Helm's `--set-file`."""
        for at, one in enumerate(as_list(helm.get("fileParameters"))):
            given = as_mapping(one)
            name, path = _text(given.get("name")), _text(given.get("path"))
            found = _inside(root.path, chart, path)
            if found is not None and os.path.isfile(found):
                yield f"{name}={found}"
            else:
                problems.append(self._missing(path, "helm", "fileParameters", at))

    def inline(self, value: dict[str, Any], path: Path) -> InlineValues:
        """Values that are part of the object."""
        source = self.item.source
        document = self.item.object if self.item.document is None else self.item.document
        marks = source.source_map if source else None
        root = (source.root if source else ()) + self.path + path
        return InlineValues(value, source.path if source else "", document, marks, root)

    def inline_text(self, text: str, path: Path) -> InlineValues | Unread:
        """Values that are YAML in a text of the object: a block (`values: |`) begins on the line after its key."""
        found = next(iter(yaml_text.documents(text, line_starts(text), _INLINE)), None)
        place = self.place(*path)
        if isinstance(found, Problem):
            return Unread(place, f"the values are no YAML: {found.message}")
        value = {} if found is None else found.value
        if not isinstance(value, dict):
            return Unread(place, "the values are no mapping")
        line = place.region.start.line if place.region else 0
        marks = found.source_map if found is not None and line else None
        return InlineValues(value, place.file, value, marks, (), line + ("\n" in text))

    def _missing(self, name: str, *steps: str | int) -> Unread:
        return Unread(self.place(*steps), f"{name[:200]} is not a file of the scanned repository")


def _inside(root: str, folder: str, path: str) -> str | None:
    """`path` from `folder` as an absolute path, if that lies in `root` with its links followed."""
    if "\0" in path or "://" in path or os.path.isabs(path):
        return None
    found = os.path.normpath(os.path.join(folder, path))
    real, base = os.path.realpath(found), os.path.realpath(root)
    return found if real == base or real.startswith(base.rstrip(os.sep) + os.sep) else None


def _kind(path: str) -> Kind:
    if os.path.isfile(os.path.join(path, CHART)):
        return Kind.CHART
    if any(os.path.isfile(os.path.join(path, name)) for name in KUSTOMIZATIONS):
        return Kind.KUSTOMIZATION
    return Kind.FOLDER


def _place(item: Resource, path: Path) -> Location:
    return item.locate(path) or Location("")


def _shown_url(url: str) -> str:
    """A URL without the user and password it may carry."""
    return re.sub(r"(?<=//)[^@/]*@", "", url)[:200] or "an unknown repository"


def _at(value: Any, *steps: str) -> Any:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else "" if value is None else str(value)

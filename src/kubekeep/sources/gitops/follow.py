"""Applications of Argo CD and Flux that refer to the scanned repository: chart or folder, and values.

Checks the existence of paths. Never renders, never fetches, never leaves a repository.
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
    """A scanned repository: its absolute folder, and the URL of its remote if known."""

    path: str
    remote: str = ""


class ApplicationValues(msgspec.Struct, frozen=True):
    """Values of a chart inside the application.

    `document` has the values at `root`. Values in a text of the object have a source map of their own; `first_line` is the
    line of the text in `file`.
    """

    value: dict[str, Any]
    file: str
    document: Any
    source_map: SourceMap | None
    root: Path
    first_line: int = 1

    def locate(self, path: Path) -> Location:
        """Return the location of a value in the application's file."""
        if self.source_map is None:
            return Location(self.file)
        region = self.source_map.region(self.document, self.root + path)
        shift = self.first_line - 1
        if shift:
            start, end = region.start, region.end
            region = Region(Position(start.line + shift, start.column), Position(end.line + shift, end.column))
        return Location(self.file, region)


class Follow(msgspec.Struct, frozen=True):
    """A chart or folder of the scanned repository that an application deploys.

    path: absolute. For a chart: `value_files` (absolute), then `inline`, then `set`, `set_string` and `set_file` in Helm's
    syntax. recurse: Argo CD reads folders below too. by: the application.
    """

    path: str
    kind: Kind
    by: Resource
    release: str = ""
    namespace: str = ""
    value_files: tuple[str, ...] = ()
    inline: tuple[ApplicationValues, ...] = ()
    set: tuple[str, ...] = ()
    set_string: tuple[str, ...] = ()
    set_file: tuple[str, ...] = ()
    recurse: bool = True


class Elsewhere(msgspec.Struct, frozen=True):
    """An application whose source is not in the scanned repository: no error, and not assessed."""

    location: Location
    message: str


FollowResult = Follow | Unread | Elsewhere


def follow(resources: Iterable[Resource], roots: Sequence[ScannedRepository]) -> Iterator[FollowResult]:
    """Yield the deployments of the applications among `resources` from the repositories at `roots`, in order.

    Yields an Unread for settings that are not supported (a missing values file, patches, values of the cluster), and an
    Elsewhere for each source outside of the repositories.
    """
    known = tuple(resources)
    remotes = {
        (application.namespace, application.name): _at(application.object, "spec", "url")
        for application in known
        if _is_git(application)
    }
    for application in known:
        match (application.group, application.kind):
            case (str(group), "Application") if group == ARGO:
                yield from _application(application, roots)
            case (str(group), "ApplicationSet") if group == ARGO:
                yield Elsewhere(
                    _place(application, ("spec",)), "the applications that an ApplicationSet makes are not followed"
                )
            case (str(group), "HelmRelease") if group == FLUX_HELM:
                yield from _helm_release(application, roots, remotes)
            case (str(group), "Kustomization") if group == FLUX_KUSTOMIZE:
                yield from _kustomization(application, roots, remotes)


def same_repository(one: str, other: str) -> bool:
    """Return True if two URLs name one repository, regardless of protocol, user and extension."""
    return _normal(one) == _normal(other)


def _normal(url: str) -> str:
    match = _URL.match(url.strip())
    if match is None:
        return url.strip()
    path = match[2].removesuffix(".git").strip("/")
    return f"{match[1].lower()}/{path.lower()}"


def _is_git(application: Resource) -> bool:
    return application.group == FLUX_SOURCE and application.kind == "GitRepository"


def _application(application: Resource, roots: Sequence[ScannedRepository]) -> Iterator[FollowResult]:
    spec = as_mapping(_at(application.object, "spec"))
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
            yield from _argo_source(_SourceReader(application, roots, path, source), references)


def _argo_source(reader: _SourceReader, references: Mapping[str, str]) -> Iterator[FollowResult]:
    source, application = reader.spec, reader.application
    url = _text(source.get("repoURL"))
    if source.get("chart"):
        yield Elsewhere(reader.place("chart"), f"the chart {_text(source['chart'])[:100]} comes from {_shown_url(url)}")
        return
    if "path" not in source:
        # A source that only provides values files for other sources.
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
        yield Follow(path, kind, application, namespace=_argo_namespace(application), recurse=recurse)
        return
    problems: list[Unread] = []
    made = Follow(
        path,
        kind,
        application,
        release=_text(helm.get("releaseName")) or application.name,
        namespace=_argo_namespace(application),
        value_files=tuple(reader.value_files(helm, root, path, references, problems)),
        inline=tuple(_argo_inline(reader, helm, problems)),
        set=tuple(_parameters(helm, strings=False)),
        set_string=tuple(_parameters(helm, strings=True)),
        set_file=tuple(reader.file_parameters(helm, root, path, problems)),
    )
    yield from problems
    yield made


def _argo_namespace(application: Resource) -> str:
    return _text(_at(application.object, "spec", "destination", "namespace"))


def _argo_inline(reader: _SourceReader, helm: Mapping[str, Any], problems: list[Unread]) -> Iterator[ApplicationValues]:
    """Yield `valuesObject`, or else the text of `values`."""
    if isinstance(helm.get("valuesObject"), dict):
        yield reader.inline(helm["valuesObject"], ("helm", "valuesObject"))
        return
    text = helm.get("values")
    if isinstance(text, str) and text.strip():
        parsed = reader.inline_text(text, ("helm", "values"))
        if isinstance(parsed, ApplicationValues):
            yield parsed
        else:
            problems.append(parsed)


def _parameters(helm: Mapping[str, Any], *, strings: bool) -> Iterator[str]:
    """Yield the parameters of Argo CD in the syntax of Helm's `--set`; a comma in a value is no separator."""
    listed = helm.get("parameters")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str) and bool(one.get("forceString")) is strings:
            value = re.sub(r"(?<!\\),", r"\\,", _text(one.get("value")))
            yield f"{one['name']}={value}"


def _helm_release(
    application: Resource, roots: Sequence[ScannedRepository], remotes: Mapping[tuple[str, str], Any]
) -> Iterator[FollowResult]:
    chart = _at(application.object, "spec", "chart", "spec")
    if not isinstance(chart, dict):
        yield Elsewhere(
            _place(application, ("spec",)), "the chart of this HelmRelease is not in the scanned repository"
        )
        return
    reader = _SourceReader(application, roots, ("spec", "chart", "spec"), chart)
    url = _flux_url(application, chart.get("sourceRef"), remotes)
    root, path = (None, None) if url is None else reader.target(_text(chart.get("chart")), url)
    if root is None or path is None:
        yield reader.elsewhere("chart", url or "")
        return
    spec = application.object["spec"]
    problems = [
        Unread(
            _place(application, ("spec", "valuesFrom")), "values that come from the cluster (valuesFrom) are not known"
        )
        for _ in (1,)
        if spec.get("valuesFrom")
    ]
    if spec.get("postRenderers"):
        problems.append(Unread(_place(application, ("spec", "postRenderers")), "post-renderers are not run"))
    target = _text(spec.get("targetNamespace"))
    outside = _SourceReader(application, roots, ("spec",), spec)
    inline = (outside.inline(spec["values"], ("values",)),) if isinstance(spec.get("values"), dict) else ()
    files = [name for name in as_list(chart.get("valuesFiles")) if isinstance(name, str)]
    if not files and isinstance(chart.get("valuesFile"), str):
        files = [chart["valuesFile"]]
    value_files = tuple(reader.existing(files, root.path, root, "valuesFiles", problems))
    yield from problems
    yield Follow(
        path,
        Kind.CHART,
        application,
        release=_text(spec.get("releaseName")) or (f"{target}-{application.name}" if target else application.name),
        namespace=target or application.namespace,
        value_files=value_files,
        inline=inline,
    )


def _kustomization(
    application: Resource, roots: Sequence[ScannedRepository], remotes: Mapping[tuple[str, str], Any]
) -> Iterator[FollowResult]:
    spec = as_mapping(_at(application.object, "spec"))
    reader = _SourceReader(application, roots, ("spec",), spec)
    url = _flux_url(application, spec.get("sourceRef"), remotes)
    root, path = (None, None) if url is None else reader.target(_text(spec.get("path")) or ".", url)
    if root is None or path is None:
        yield reader.elsewhere("path", url or "")
        return
    changes = ("patches", "patchesStrategicMerge", "patchesJson6902", "images", "components", "postBuild")
    for name in changes:
        if spec.get(name):
            yield Unread(reader.place(name), f"{name} of this Kustomization: its changes are not made")
    yield Follow(path, _kind(path), application, namespace=_text(spec.get("targetNamespace")))


def _flux_url(application: Resource, reference: Any, remotes: Mapping[tuple[str, str], Any]) -> str | None:
    """Return the URL of the repository of a source reference; empty if unknown, None if it is no Git repository."""
    mapping = as_mapping(reference)
    if mapping.get("kind") != "GitRepository":
        return None
    namespace = _text(mapping.get("namespace")) or application.namespace
    return _text(remotes.get((namespace, _text(mapping.get("name")))))


class _SourceReader(msgspec.Struct, frozen=True):
    """One source of an application: its mapping `spec`, at `path` in the object."""

    application: Resource
    roots: Sequence[ScannedRepository]
    path: Path
    spec: Mapping[str, Any]

    def place(self, *steps: str | int) -> Location:
        """Return the location of a value of the source."""
        return _place(self.application, self.path + steps)

    def elsewhere(self, name: str, url: str) -> Elsewhere | Unread:
        """Return the result for a source in no root: an Unread if the repository was scanned, else an Elsewhere."""
        where = f"{_text(self.spec.get(name))[:200]} of {_shown_url(url)}"
        if any(url and root.remote and same_repository(url, root.remote) for root in self.roots):
            return Unread(self.place(name), f"{where}: there is no such folder in the scanned repository")
        return Elsewhere(self.place(name), f"{where} is not in the scanned repository")

    def target(self, path: str, url: str) -> tuple[ScannedRepository, str] | tuple[None, None]:
        """Return the root with the folder `path` that may be the repository at `url`, and the absolute path."""
        for root in self.roots:
            if url and root.remote and not same_repository(url, root.remote):
                continue
            resolved = _inside(root.path, root.path, path.lstrip("/") or ".")
            if resolved is not None and os.path.isdir(resolved):
                return root, resolved
        return None, None

    def value_files(
        self,
        helm: Mapping[str, Any],
        root: ScannedRepository,
        chart: str,
        references: Mapping[str, str],
        problems: list[Unread],
    ) -> Iterator[str]:
        """Yield the values files of an Argo CD source; add unsupported ones to `problems`."""
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
            resolved = _inside(root.path, folder, rest)
            if resolved is not None and os.path.isfile(resolved):
                yield resolved
            elif not ignore or resolved is None:
                problems.append(self._missing(name, "helm", "valueFiles", at))

    def existing(
        self, names: Iterable[str], folder: str, root: ScannedRepository, key: str, problems: list[Unread]
    ) -> Iterator[str]:
        """Yield the existing files of a list; add others to `problems`."""
        for at, name in enumerate(names):
            resolved = _inside(root.path, folder, name)
            if resolved is not None and os.path.isfile(resolved):
                yield resolved
            else:
                problems.append(self._missing(name, key, at))

    def file_parameters(
        self, helm: Mapping[str, Any], root: ScannedRepository, chart: str, problems: list[Unread]
    ) -> Iterator[str]:
        """Yield the file parameters of Argo CD in the syntax of Helm's `--set-file`."""
        for at, one in enumerate(as_list(helm.get("fileParameters"))):
            mapping = as_mapping(one)
            name, path = _text(mapping.get("name")), _text(mapping.get("path"))
            resolved = _inside(root.path, chart, path)
            if resolved is not None and os.path.isfile(resolved):
                yield f"{name}={resolved}"
            else:
                problems.append(self._missing(path, "helm", "fileParameters", at))

    def inline(self, value: dict[str, Any], path: Path) -> ApplicationValues:
        """Return values that are part of the object."""
        source = self.application.source
        document = self.application.object if self.application.document is None else self.application.document
        marks = source.source_map if source else None
        root = (source.root if source else ()) + self.path + path
        return ApplicationValues(value, source.path if source else "", document, marks, root)

    def inline_text(self, text: str, path: Path) -> ApplicationValues | Unread:
        """Return values in a YAML text of the object: a block (`values: |`) begins on the line after its key."""
        resolved = next(iter(yaml_text.parse_documents(text, line_starts(text), _INLINE)), None)
        place = self.place(*path)
        if isinstance(resolved, Problem):
            return Unread(place, f"the values are no YAML: {resolved.message}")
        value = {} if resolved is None else resolved.value
        if not isinstance(value, dict):
            return Unread(place, "the values are no mapping")
        line = place.region.start.line if place.region else 0
        marks = resolved.source_map if resolved is not None and line else None
        return ApplicationValues(value, place.file, value, marks, (), line + ("\n" in text))

    def _missing(self, name: str, *steps: str | int) -> Unread:
        return Unread(self.place(*steps), f"{name[:200]} is not a file of the scanned repository")


def _inside(root: str, folder: str, path: str) -> str | None:
    """Return `path` from `folder` as an absolute path, if it is in `root` with links resolved."""
    if "\0" in path or "://" in path or os.path.isabs(path):
        return None
    resolved = os.path.normpath(os.path.join(folder, path))
    real, base = os.path.realpath(resolved), os.path.realpath(root)
    return resolved if real == base or real.startswith(base.rstrip(os.sep) + os.sep) else None


def _kind(path: str) -> Kind:
    if os.path.isfile(os.path.join(path, CHART)):
        return Kind.CHART
    if any(os.path.isfile(os.path.join(path, name)) for name in KUSTOMIZATIONS):
        return Kind.KUSTOMIZATION
    return Kind.FOLDER


def _place(application: Resource, path: Path) -> Location:
    return application.locate(path) or Location("")


def _shown_url(url: str) -> str:
    """Return a URL without credentials."""
    return re.sub(r"(?<=//)[^@/]*@", "", url)[:200] or "an unknown repository"


def _at(value: Any, *steps: str) -> Any:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else "" if value is None else str(value)

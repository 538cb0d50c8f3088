"""Charts and folders of the scanned repository that applications of Argo CD and Flux deploy, and their values.

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

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import Location, Path, line_starts
from kubekeep.model.resource import Resource
from kubekeep.sources import yaml_text
from kubekeep.sources.gitops.source import ARGO, FLUX_HELM, FLUX_KUSTOMIZE, FLUX_SOURCE
from kubekeep.sources.helm.source import CHART
from kubekeep.sources.kustomize.source import KUSTOMIZATIONS
from kubekeep.sources.options import InlineValues
from kubekeep.sources.tree import Limits, Problem

_INLINE_LIMITS: Final = Limits(bytes=4 * 1024 * 1024, depth=100, aliased=10_000, documents=1, nodes=200_000)
_URL: Final = re.compile(r"^(?:[a-z+]+://)?(?:[^@/]*@)?([^/:]+)(?::\d+)?[:/](.*?)/*$", re.IGNORECASE)


class DeploymentKind(enum.StrEnum):
    """Name of the source that reads a deployed path."""

    CHART = "helm"
    KUSTOMIZATION = "kustomize"
    FOLDER = "manifests"


class ScannedRepository(msgspec.Struct, frozen=True):
    """A scanned repository: its absolute folder, and the URL of its remote if known."""

    path: str
    remote: str = ""


class Deployment(msgspec.Struct, frozen=True):
    """A chart or folder of the scanned repository that an application deploys.

    path: absolute. For a chart: `value_files` (absolute), then `inline`, then `set`, `set_string` and `set_file` in Helm's
    syntax. is_recursive: for a folder, files in folders below are read too.
    """

    path: str
    kind: DeploymentKind
    application: Resource
    release: str = ""
    namespace: str = ""
    value_files: tuple[str, ...] = ()
    inline: tuple[InlineValues, ...] = ()
    set: tuple[str, ...] = ()
    set_string: tuple[str, ...] = ()
    set_file: tuple[str, ...] = ()
    is_recursive: bool = True


class ExternalSource(msgspec.Struct, frozen=True):
    """A source of an application outside of the scanned repository: not read, and no error."""

    location: Location
    message: str


DeploymentResult = Deployment | UnreadInput | ExternalSource


def find_deployments(resources: Iterable[Resource], roots: Sequence[ScannedRepository]) -> Iterator[DeploymentResult]:
    """Yield the deployments of the applications among `resources` from the repositories `roots`, in order.

    Yields an UnreadInput for settings that are not supported (a missing values file, patches, values of the cluster), and an
    ExternalSource for each source outside of the repositories.
    """
    applications = tuple(resources)
    remotes = {
        (application.namespace, application.name): _get_value(application.object, "spec", "url")
        for application in applications
        if _is_git_repository(application)
    }
    for application in applications:
        match (application.group, application.kind):
            case (str(group), "Application") if group == ARGO:
                yield from _follow_application(application, roots)
            case (str(group), "ApplicationSet") if group == ARGO:
                yield ExternalSource(
                    _locate(application, ("spec",)), "the applications that an ApplicationSet makes are not followed"
                )
            case (str(group), "HelmRelease") if group == FLUX_HELM:
                yield from _follow_helm_release(application, roots, remotes)
            case (str(group), "Kustomization") if group == FLUX_KUSTOMIZE:
                yield from _follow_kustomization(application, roots, remotes)


def is_same_repository(one: str, other: str) -> bool:
    """Return True if two URLs name one repository, regardless of protocol, user and extension."""
    return _normalise_url(one) == _normalise_url(other)


def _normalise_url(url: str) -> str:
    match = _URL.match(url.strip())
    if match is None:
        return url.strip()
    path = match[2].removesuffix(".git").strip("/")
    return f"{match[1].lower()}/{path.lower()}"


def _is_git_repository(application: Resource) -> bool:
    return application.group == FLUX_SOURCE and application.kind == "GitRepository"


def _follow_application(application: Resource, roots: Sequence[ScannedRepository]) -> Iterator[DeploymentResult]:
    spec = as_mapping(_get_value(application.object, "spec"))
    sources = spec.get("sources")
    if isinstance(sources, list) and sources:
        entries: list[tuple[Any, Path]] = [(source, ("spec", "sources", index)) for index, source in enumerate(sources)]
    else:
        entries = [(spec.get("source"), ("spec", "source"))]
    references = {
        f"${source['ref']}": _to_text(source.get("repoURL"))
        for source, _ in entries
        if isinstance(source, dict) and isinstance(source.get("ref"), str)
    }
    for source, path in entries:
        if isinstance(source, dict):
            yield from _follow_argo_source(_SourceReader(application, roots, path, source), references)


def _follow_argo_source(reader: _SourceReader, references: Mapping[str, str]) -> Iterator[DeploymentResult]:
    source, application = reader.spec, reader.application
    url = _to_text(source.get("repoURL"))
    if source.get("chart"):
        yield ExternalSource(
            reader.locate("chart"), f"the chart {_to_text(source['chart'])[:100]} comes from {_remove_credentials(url)}"
        )
        return
    if "path" not in source:
        # Such a source provides values files for other sources only.
        return
    root, path = reader.find_target(_to_text(source["path"]), url)
    if root is None or path is None:
        yield reader.report_outside("path", url)
        return
    kind = _detect_kind(path)
    for name, why in (("plugin", "the plugin is not run"), ("kustomize", "its changes are not made")):
        if source.get(name):
            yield UnreadInput(reader.locate(name), f"{name} of this application: {why}")
    helm = as_mapping(source.get("helm"))
    if kind is not DeploymentKind.CHART:
        is_recursive = bool(as_mapping(source.get("directory")).get("recurse"))
        yield Deployment(path, kind, application, namespace=_get_namespace(application), is_recursive=is_recursive)
        return
    problems: list[UnreadInput] = []
    deployment = Deployment(
        path,
        kind,
        application,
        release=_to_text(helm.get("releaseName")) or application.name,
        namespace=_get_namespace(application),
        value_files=tuple(reader.list_value_files(helm, root, path, references, problems)),
        inline=tuple(_list_inline_values(reader, helm, problems)),
        set=tuple(_list_parameters(helm, strings=False)),
        set_string=tuple(_list_parameters(helm, strings=True)),
        set_file=tuple(reader.list_file_parameters(helm, root, path, problems)),
    )
    yield from problems
    yield deployment


def _get_namespace(application: Resource) -> str:
    return _to_text(_get_value(application.object, "spec", "destination", "namespace"))


def _list_inline_values(
    reader: _SourceReader, helm: Mapping[str, Any], problems: list[UnreadInput]
) -> Iterator[InlineValues]:
    """Yield the values in `valuesObject`, or else in the text `values`."""
    if isinstance(helm.get("valuesObject"), dict):
        yield reader.get_values(helm["valuesObject"], ("helm", "valuesObject"))
        return
    text = helm.get("values")
    if isinstance(text, str) and text.strip():
        parsed = reader.parse_values(text, ("helm", "values"))
        if isinstance(parsed, InlineValues):
            yield parsed
        else:
            problems.append(parsed)


def _list_parameters(helm: Mapping[str, Any], *, strings: bool) -> Iterator[str]:
    """Yield the parameters of Argo CD in the syntax of Helm's `--set`; a comma in a value is no separator."""
    entries = helm.get("parameters")
    for parameter in entries if isinstance(entries, list) else ():
        if (
            isinstance(parameter, dict)
            and isinstance(parameter.get("name"), str)
            and bool(parameter.get("forceString")) is strings
        ):
            value = re.sub(r"(?<!\\),", r"\\,", _to_text(parameter.get("value")))
            yield f"{parameter['name']}={value}"


def _follow_helm_release(
    application: Resource, roots: Sequence[ScannedRepository], remotes: Mapping[tuple[str, str], Any]
) -> Iterator[DeploymentResult]:
    chart = _get_value(application.object, "spec", "chart", "spec")
    if not isinstance(chart, dict):
        yield ExternalSource(
            _locate(application, ("spec",)), "the chart of this HelmRelease is not in the scanned repository"
        )
        return
    reader = _SourceReader(application, roots, ("spec", "chart", "spec"), chart)
    url = _find_flux_url(application, chart.get("sourceRef"), remotes)
    root, path = (None, None) if url is None else reader.find_target(_to_text(chart.get("chart")), url)
    if root is None or path is None:
        yield reader.report_outside("chart", url or "")
        return
    spec = application.object["spec"]
    problems: list[UnreadInput] = []
    if spec.get("valuesFrom"):
        location = _locate(application, ("spec", "valuesFrom"))
        problems.append(UnreadInput(location, "values that come from the cluster (valuesFrom) are not known"))
    if spec.get("postRenderers"):
        problems.append(UnreadInput(_locate(application, ("spec", "postRenderers")), "post-renderers are not run"))
    namespace = _to_text(spec.get("targetNamespace"))
    release_reader = _SourceReader(application, roots, ("spec",), spec)
    inline = (release_reader.get_values(spec["values"], ("values",)),) if isinstance(spec.get("values"), dict) else ()
    files = [name for name in as_list(chart.get("valuesFiles")) if isinstance(name, str)]
    if not files and isinstance(chart.get("valuesFile"), str):
        files = [chart["valuesFile"]]
    value_files = tuple(reader.filter_existing(files, root.path, root, "valuesFiles", problems))
    yield from problems
    yield Deployment(
        path,
        DeploymentKind.CHART,
        application,
        release=_to_text(spec.get("releaseName"))
        or (f"{namespace}-{application.name}" if namespace else application.name),
        namespace=namespace or application.namespace,
        value_files=value_files,
        inline=inline,
    )


def _follow_kustomization(
    application: Resource, roots: Sequence[ScannedRepository], remotes: Mapping[tuple[str, str], Any]
) -> Iterator[DeploymentResult]:
    spec = as_mapping(_get_value(application.object, "spec"))
    reader = _SourceReader(application, roots, ("spec",), spec)
    url = _find_flux_url(application, spec.get("sourceRef"), remotes)
    root, path = (None, None) if url is None else reader.find_target(_to_text(spec.get("path")) or ".", url)
    if root is None or path is None:
        yield reader.report_outside("path", url or "")
        return
    changes = ("patches", "patchesStrategicMerge", "patchesJson6902", "images", "components", "postBuild")
    for name in changes:
        if spec.get(name):
            yield UnreadInput(reader.locate(name), f"{name} of this Kustomization: its changes are not made")
    yield Deployment(path, _detect_kind(path), application, namespace=_to_text(spec.get("targetNamespace")))


def _find_flux_url(application: Resource, reference: Any, remotes: Mapping[tuple[str, str], Any]) -> str | None:
    """Return the URL of the repository of a source reference; empty if unknown, None if it is no Git repository."""
    mapping = as_mapping(reference)
    if mapping.get("kind") != "GitRepository":
        return None
    namespace = _to_text(mapping.get("namespace")) or application.namespace
    return _to_text(remotes.get((namespace, _to_text(mapping.get("name")))))


class _SourceReader(msgspec.Struct, frozen=True):
    """One source of an application: its mapping `spec`, at `path` in the object."""

    application: Resource
    roots: Sequence[ScannedRepository]
    path: Path
    spec: Mapping[str, Any]

    def locate(self, *steps: str | int) -> Location:
        """Return the location of a value of the source."""
        return _locate(self.application, self.path + steps)

    def report_outside(self, name: str, url: str) -> ExternalSource | UnreadInput:
        """Return the result for a missing path: an UnreadInput if its repository was scanned, else an ExternalSource."""
        source_text = f"{_to_text(self.spec.get(name))[:200]} of {_remove_credentials(url)}"
        if any(url and root.remote and is_same_repository(url, root.remote) for root in self.roots):
            return UnreadInput(self.locate(name), f"{source_text}: there is no such folder in the scanned repository")
        return ExternalSource(self.locate(name), f"{source_text} is not in the scanned repository")

    def find_target(self, path: str, url: str) -> tuple[ScannedRepository, str] | tuple[None, None]:
        """Return the first root that has a folder `path` and may be the repository at `url`, and the absolute path."""
        for root in self.roots:
            if url and root.remote and not is_same_repository(url, root.remote):
                continue
            resolved = _resolve_path(root.path, root.path, path.lstrip("/") or ".")
            if resolved is not None and os.path.isdir(resolved):
                return root, resolved
        return None, None

    def list_value_files(
        self,
        helm: Mapping[str, Any],
        root: ScannedRepository,
        chart: str,
        references: Mapping[str, str],
        problems: list[UnreadInput],
    ) -> Iterator[str]:
        """Yield the values files of an Argo CD source; add unsupported ones to `problems`."""
        ignore = bool(helm.get("ignoreMissingValueFiles"))
        for index, name in enumerate(as_list(helm.get("valueFiles"))):
            if not isinstance(name, str):
                continue
            folder, rest = chart, name
            if name.startswith("$"):
                reference, _, rest = name.partition("/")
                url = references.get(reference, "")
                if url and root.remote and not is_same_repository(url, root.remote):
                    problems.append(
                        UnreadInput(self.locate("helm", "valueFiles", index), f"{name[:200]} is in another repository")
                    )
                    continue
                folder = root.path
            elif name.startswith("/"):
                folder, rest = root.path, name.lstrip("/")
            resolved = _resolve_path(root.path, folder, rest)
            if resolved is not None and os.path.isfile(resolved):
                yield resolved
            elif not ignore or resolved is None:
                problems.append(self._report_missing(name, "helm", "valueFiles", index))

    def filter_existing(
        self, names: Iterable[str], folder: str, root: ScannedRepository, key: str, problems: list[UnreadInput]
    ) -> Iterator[str]:
        """Yield the existing files of a list; add others to `problems`."""
        for index, name in enumerate(names):
            resolved = _resolve_path(root.path, folder, name)
            if resolved is not None and os.path.isfile(resolved):
                yield resolved
            else:
                problems.append(self._report_missing(name, key, index))

    def list_file_parameters(
        self, helm: Mapping[str, Any], root: ScannedRepository, chart: str, problems: list[UnreadInput]
    ) -> Iterator[str]:
        """Yield the file parameters of Argo CD in the syntax of Helm's `--set-file`."""
        for index, parameter in enumerate(as_list(helm.get("fileParameters"))):
            mapping = as_mapping(parameter)
            name, path = _to_text(mapping.get("name")), _to_text(mapping.get("path"))
            resolved = _resolve_path(root.path, chart, path)
            if resolved is not None and os.path.isfile(resolved):
                yield f"{name}={resolved}"
            else:
                problems.append(self._report_missing(path, "helm", "fileParameters", index))

    def get_values(self, values: dict[str, Any], path: Path) -> InlineValues:
        """Return values that are part of the object."""
        source = self.application.source
        if source is None:
            return InlineValues(values, "")
        document = self.application.object if self.application.document is None else self.application.document
        source_map = source.source_map
        if source_map is not None:
            source_map = source_map.extract(document, source.root + self.path + path)
        return InlineValues(values, source.path, source_map)

    def parse_values(self, text: str, path: Path) -> InlineValues | UnreadInput:
        """Return values in a YAML text of the object: a block (`values: |`) begins on the line after its key."""
        document = next(iter(yaml_text.parse_documents(text, line_starts(text), _INLINE_LIMITS)), None)
        location = self.locate(*path)
        if isinstance(document, Problem):
            return UnreadInput(location, f"the values are no YAML: {document.message}")
        values = {} if document is None else document.value
        if not isinstance(values, dict):
            return UnreadInput(location, "the values are no mapping")
        if document is None or location.region is None:
            return InlineValues(values, location.file)
        first_line = location.region.start.line + ("\n" in text)
        return InlineValues(values, location.file, document.source_map.shift(first_line - 1))

    def _report_missing(self, name: str, *steps: str | int) -> UnreadInput:
        return UnreadInput(self.locate(*steps), f"{name[:200]} is not a file of the scanned repository")


def _resolve_path(root: str, folder: str, path: str) -> str | None:
    """Return `path` from `folder` as an absolute path, if it is in `root` with links resolved."""
    if "\0" in path or "://" in path or os.path.isabs(path):
        return None
    resolved = os.path.normpath(os.path.join(folder, path))
    real, base = os.path.realpath(resolved), os.path.realpath(root)
    return resolved if real == base or real.startswith(base.rstrip(os.sep) + os.sep) else None


def _detect_kind(path: str) -> DeploymentKind:
    if os.path.isfile(os.path.join(path, CHART)):
        return DeploymentKind.CHART
    if any(os.path.isfile(os.path.join(path, name)) for name in KUSTOMIZATIONS):
        return DeploymentKind.KUSTOMIZATION
    return DeploymentKind.FOLDER


def _locate(application: Resource, path: Path) -> Location:
    return application.locate(path) or Location("")


def _remove_credentials(url: str) -> str:
    """Return a URL without credentials."""
    return re.sub(r"(?<=//)[^@/]*@", "", url)[:200] or "an unknown repository"


def _get_value(value: Any, *steps: str) -> Any:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else "" if value is None else str(value)

"""Detection of Helm charts: folders with a Chart.yaml, parts of charts, and packed charts. Renders nothing itself."""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH113, PTH118

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePath
from typing import Final

import msgspec

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.helm.names import CHART
from kubekeep.sources.notes import count_noun, list_first
from kubekeep.sources.options import ChartValues, HelmOptions
from kubekeep.sources.source import ReadContext, Root, SourceType

_FOLDERS: Final = frozenset({"templates", "charts", "crds"})
_FILES: Final = frozenset({CHART, "Chart.lock", "values.yaml", "values.yml", "values.schema.json"})


class HelmSource(SourceType):
    """Charts, rendered by Helm after everything else has been read.

    A chart that a kustomization or an application renders is not rendered again with its own values.
    """

    name = "helm"
    order = 80
    is_folder = True
    has_data = True

    def matches_file(self, name: str) -> bool:
        """Return True for Chart.yaml."""
        return name == CHART

    def matches_folder(self, names: AbstractSet[str]) -> bool:
        """Return True for folders with a Chart.yaml."""
        return CHART in names

    def owns_entry(self, name: str, *, is_folder: bool) -> bool:
        """Return True for the templates, sub-charts and definitions of a chart, and for Chart.yaml and values files."""
        return name in (_FOLDERS if is_folder else _FILES)

    def find_root(self, path: str) -> str:
        """Return the chart whose `templates` folder is, or contains, `path`."""
        for parent in (PurePath(path), *PurePath(path).parents):
            if parent.name == "templates" and os.path.isfile(parent.parent / CHART):
                return str(parent.parent)
        return ""

    def matches_archive(self, path: str) -> bool:
        """Return True for a packed chart."""
        from kubekeep.sources.archive.unpack import is_chart  # noqa: PLC0415 - only archives need it

        return is_chart(path)

    def read(self, roots: Sequence[Root], context: ReadContext) -> Iterator[Resource | UnreadInput]:
        """Yield the objects that the templates of charts print."""
        independent_roots = [root for root in roots if root.helm is None and not context.has_read(root.path, CHART)]
        if independent_roots:
            helm = context.options.helm
            options = msgspec.structs.replace(helm, namespace=helm.namespace or context.options.namespace)
            yield from _read_charts(independent_roots, options, context)
        for root in roots:
            if root.helm is not None:
                context.read_paths.add(os.path.realpath(os.path.join(root.path, CHART)))
                yield from _read_charts([root], root.helm, context)


def _read_charts(roots: Sequence[Root], options: HelmOptions, context: ReadContext) -> Iterator[Resource | UnreadInput]:
    # The renderer is loaded only for scans with charts.
    import shutil  # noqa: PLC0415

    from kubekeep.sources.git.root import find_repository_root  # noqa: PLC0415
    from kubekeep.sources.helm.reader import ChartReader  # noqa: PLC0415

    for root in roots:
        chart_values = options.per_chart.get(os.path.abspath(root.path), ChartValues())
        context.changed_files.record_changes(root.shown_path, (root.path, *chart_values.files, *options.values.files))
    # A chart may include another of its repository, by a dependency or a link.
    helm, find_boundary = shutil.which("helm"), lambda base: find_repository_root(base) or base
    with ChartReader(
        options,
        helm=helm,
        find_boundary=find_boundary,
        yaml_limits=context.limits,
        rendering_time=context.rendering_time,
        unsaved=context.options.unsaved,
        scanned=[root for root in context.roots if root.source == SOURCE.name],
    ) as charts:
        templates: set[str] = set()
        for resource in charts.read(root for root in roots if not root.part):
            if isinstance(resource, Resource) and resource.source is not None:
                templates.add(resource.source.path)
            yield resource
        for root in roots:
            if root.part:
                templates.add(os.path.join(root.path, root.part))
                yield from (resource for resource in charts.read([root]) if _is_selected(resource, root))
        context.files += len(templates)
    if charts.used_dependencies:
        names = list_first(f"{name} from {path}" for name, path in sorted(charts.used_dependencies.items()))
        count = count_noun(len(charts.used_dependencies), "chart")
        context.notes.append(f"dependencies: {count} of the scanned folders used as a dependency ({names})")


def _is_selected(resource: Resource | UnreadInput, root: Root) -> bool:
    """Return True if a resource comes from the selected part of a chart; always for an UnreadInput."""
    if isinstance(resource, UnreadInput) or resource.source is None:
        return True
    part = os.path.normpath(os.path.join(root.shown_path, root.part))
    return resource.source.path == part or resource.source.path.startswith(part + os.sep)


SOURCE: Final = HelmSource()

"""Files of a workspace of an editor, and the evaluation that each belongs to: manifests, a chart, kustomizations, modules.

Detects by names and reads kustomizations and Terraform modules only; never renders and never evaluates.
"""

# Paths are real paths as text, as documents of an editor name them:
# ruff: noqa: PTH113, PTH118, PTH120

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from kubekeep.sources.dockerfile.names import is_dockerfile_name
from kubekeep.sources.helm.names import CHART
from kubekeep.sources.ignore import Ignores
from kubekeep.sources.inputs import read
from kubekeep.sources.kustomize.documents import SourceFiles
from kubekeep.sources.kustomize.graph import build_graph, find_kustomization_file
from kubekeep.sources.manifests.names import EXTENSIONS
from kubekeep.sources.options import ReadOptions
from kubekeep.sources.sboms.address import ENDINGS
from kubekeep.sources.source import Root
from kubekeep.sources.terraform.names import EXTENSIONS as TERRAFORM_EXTENSIONS
from kubekeep.sources.terraform.names import VALUES_EXTENSIONS
from kubekeep.sources.tree import DEFAULT_LIMITS, MAXIMUM_BYTES
from kubekeep.usecases.editor_images import MAX_SBOMS

MAX_FILES: Final = 2000
"""Maximum number of manifests of a workspace that open documents are related to."""
_MAX_SECONDS: Final = 10.0
"""Time limit of one walk: a workspace may be a whole home folder."""
_MAX_KUSTOMIZATIONS: Final = 200
_MAX_MODULES: Final = 500
_MAX_CHARTS: Final = 20
"""Maximum number of charts rendered for a values file of all charts."""
_FILES: Final = ("manifests", "dockerfile")
"""Sources of files that are read one by one."""
_PART: Final = re.compile(
    r"(?:Chart\.(?:yaml|lock)|values(?:[-_.][^/]*)?\.ya?ml|values\.schema\.json|\.helmignore|(?:templates|charts|crds)/.*)"
)
"""Paths in a chart that belong to it."""


class EvaluationUnit(msgspec.Struct, frozen=True):
    """Files that are evaluated together: the folders of one chart or of kustomizations, or files that select Terraform modules.

    There are none for manifests.
    """

    roots: tuple[str, ...] = ()

    @property
    def is_rendered(self) -> bool:
        """True if the resources come from a chart, kustomizations or Terraform modules."""
        return bool(self.roots)

    @property
    def is_terraform(self) -> bool:
        """True for Terraform modules."""
        return any(map(is_terraform_name, self.roots))


MANIFESTS: Final = EvaluationUnit()
"""The manifests of the workspace."""


class WorkspaceFiles:
    """The files below the folder of a workspace, as of the last `refresh`.

    folder: real path; empty for documents outside of any workspace, beside which no other file is read.
    """

    def __init__(self, folder: str, options: ReadOptions) -> None:
        self.manifests: list[str] = []
        """Real paths of manifests and Dockerfiles that belong to no chart and no kustomization."""
        self.charts: list[str] = []
        """Real paths of the folders of charts."""
        self.sboms: list[str] = []
        """Real paths of SBOMs, by their names."""
        self.is_complete = True
        """False if the workspace has more files than the limits allow."""
        self._folder = folder
        self._options = options
        self._ignores = self._read_exclusions()
        self._kustomizations: dict[str, frozenset[str]] = {}
        """Real paths of the files of each kustomization, by folder."""
        self._modules: dict[str, tuple[str, ...]] = {}
        """One file of each root module that a module is a part of, by folder."""

    @property
    def modules(self) -> list[str]:
        """One file of each Terraform module of the workspace."""
        return sorted({file for files in self._modules.values() for file in files})

    @property
    def kustomizations(self) -> list[str]:
        """Folders of the kustomizations that no other one includes."""
        return [folder for folder in self._kustomizations if not self._is_base(folder)]

    def refresh(self, unsaved: Mapping[str, bytes]) -> None:
        """Walk the folder. unsaved: contents by real path that replace those of files."""
        self._ignores = self._read_exclusions()
        roots = list(self._walk()) if self._folder else []
        self.charts = [os.path.realpath(root.path) for root in roots if root.source == "helm"]
        folders = [os.path.realpath(root.path) for root in roots if root.source == "kustomize"]
        files = SourceFiles(DEFAULT_LIMITS, unsaved)
        self._kustomizations = {}
        for folder in folders[:_MAX_KUSTOMIZATIONS]:
            graph = build_graph(folder, files, max_bytes=MAXIMUM_BYTES, allow_helm=self._options.kustomize_helm)
            node = graph.nodes.get(folder)
            if node is not None and not node.is_custom_resource:
                self._kustomizations[folder] = frozenset({*graph.files, *graph.resources, node.file})
        included = frozenset[str]().union(*self._kustomizations.values())
        self._modules = self._find_modules(roots, unsaved)
        self.sboms = list(self._list_sboms()) if self._folder and self._options.vulnerabilities is not None else []
        paths = (os.path.realpath(root.path) for root in roots if root.source in _FILES)
        self.manifests = [path for path in dict.fromkeys(paths) if path not in included]

    def find_unit(self, path: str) -> EvaluationUnit:
        """Return the unit that a file belongs to."""
        chart = self._find_chart(path)
        if chart:
            return EvaluationUnit((chart,))
        folder = os.path.dirname(path)
        if is_terraform_name(path):
            return EvaluationUnit(self._modules.get(folder, (path,)))
        including = [root for root, files in self._kustomizations.items() if path in files and not self._is_base(root)]
        if including:
            return EvaluationUnit(tuple(including))
        if find_kustomization_file(folder) == path:
            return EvaluationUnit((folder,))
        helm = self._options.helm
        if path in map(os.path.realpath, helm.values.files):
            return EvaluationUnit(tuple(self.charts[:_MAX_CHARTS]))
        charts = [root for root, values in helm.per_chart.items() if path in map(os.path.realpath, values.files)]
        return EvaluationUnit(tuple(map(os.path.realpath, charts))) if charts else MANIFESTS

    def is_excluded(self, path: str) -> bool:
        """Return True if an ignore file or a pattern excludes the file."""
        return self._ignores is not None and self._contains(path) and self._ignores.ignored(path, is_folder=False)

    def _read_exclusions(self) -> Ignores | None:
        options = self._options
        return Ignores(self._folder, options.exclude, files=options.ignore_files) if self._folder else None

    def _contains(self, path: str) -> bool:
        return path.startswith(os.path.join(self._folder, ""))

    def _walk(self) -> Iterator[Root]:
        deadline = time.monotonic() + _MAX_SECONDS
        inputs = read((), options=self._options)
        count = 0
        self.is_complete = True
        with inputs:
            for root in inputs.find(self._folder):
                if count >= MAX_FILES or time.monotonic() > deadline:
                    self.is_complete = False
                    return
                if isinstance(root, Root):
                    count += 1
                    yield root

    def _list_sboms(self) -> Iterator[str]:
        """Yield the SBOMs below the folder that no ignore file excludes, up to the limit."""
        deadline, count = time.monotonic() + _MAX_SECONDS, 0
        for folder, folders, names in os.walk(self._folder):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "node_modules")
            for name in sorted(names):
                path = os.path.join(folder, name)
                if name.endswith(ENDINGS) and not self.is_excluded(path):
                    yield os.path.realpath(path)
                    count += 1
            if count >= MAX_SBOMS or time.monotonic() > deadline:
                return

    def _find_modules(self, roots: list[Root], unsaved: Mapping[str, bytes]) -> dict[str, tuple[str, ...]]:
        folders = [os.path.realpath(root.path) for root in roots if root.source == "terraform"][:_MAX_MODULES]
        if not folders:
            return {}
        # Loaded only for workspaces with Terraform.
        from kubekeep.sources.terraform.files import list_module_files  # noqa: PLC0415
        from kubekeep.sources.terraform.read import find_root_modules  # noqa: PLC0415

        first = {folder: next(iter(list_module_files(folder, unsaved)), "") for folder in folders}
        return {
            folder: tuple(os.path.join(root, first[root]) for root in callers)
            for folder, callers in find_root_modules(folders, self._folder, unsaved).items()
        }

    def _is_base(self, folder: str) -> bool:
        file = find_kustomization_file(folder)
        return any(file in files for other, files in self._kustomizations.items() if other != folder)

    def _find_chart(self, path: str) -> str:
        """Return the outermost chart that a file is a part of; empty if there is none."""
        chart, folder = "", os.path.dirname(path)
        while folder and folder != os.path.dirname(folder):
            relative = os.path.relpath(path, folder).replace(os.sep, "/")
            if _PART.fullmatch(relative) and os.path.isfile(os.path.join(folder, CHART)):
                chart = folder
            if folder == self._folder:
                break
            folder = os.path.dirname(folder)
        return chart


def is_terraform_name(path: str) -> bool:
    """Return True if a file with this name belongs to a Terraform module."""
    return path.endswith((*TERRAFORM_EXTENSIONS, *VALUES_EXTENSIONS))


def is_manifest_name(path: str) -> bool:
    """Return True if a file with this name is read as a manifest or a Dockerfile."""
    return path.lower().endswith(EXTENSIONS) or is_dockerfile_name(path.rpartition(os.sep)[2])

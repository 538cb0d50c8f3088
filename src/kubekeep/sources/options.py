"""Options for reading sources: charts, kustomizations, paths and repositories. Values only; reads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.images.options import ImageOptions
from kubekeep.images.registries.options import RegistryOptions
from kubekeep.model.location import SourceMap
from kubekeep.vulnerabilities.options import VulnerabilityOptions

DEFAULT_RELEASE: Final = "release-name"
"""Name of a release without a name, as in `helm template`."""


class InlineValues(msgspec.Struct, frozen=True):
    """Values of a chart inside another document: the mapping, the displayed file, and their source map."""

    value: dict[str, Any]
    file: str
    source_map: SourceMap | None = None


class ChartValues(msgspec.Struct, frozen=True):
    """Values of charts by Helm option; later ones have precedence within an option.

    Helm's order of options: files, then `set_json`, `set`, `set_string` and `set_file`; `inline` counts as further files.
    names: display names of files by path.
    """

    files: tuple[str, ...] = ()
    inline: tuple[InlineValues, ...] = ()
    set_json: tuple[str, ...] = ()
    set: tuple[str, ...] = ()
    set_string: tuple[str, ...] = ()
    set_file: tuple[str, ...] = ()
    names: Mapping[str, str] = {}


class HelmOptions(msgspec.Struct, frozen=True):
    """Options for rendering charts.

    values: for every chart. per_chart: further values by the absolute path of a chart's folder or archive, with lower
    precedence than `values`. kube_version: version in templates (`v1.34.0`), empty for the default of the renderer.
    namespace: empty if the installation sets it; templates then see `default`. application: file and line of the Argo CD
    or Flux application that deploys the chart. application_values: values in it; they have the lowest precedence.
    """

    values: ChartValues = ChartValues()
    per_chart: Mapping[str, ChartValues] = {}
    release: str = DEFAULT_RELEASE
    namespace: str = ""
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    application: str = ""
    application_values: ChartValues = ChartValues()


TOKEN_VARIABLES: Final = (
    "GITHUB_TOKEN",
    "GITHUB_SERVER_URL",
    "GITLAB_TOKEN",
    "GITLAB_HOST",
    "AZURE_TOKEN",
    "BITBUCKET_TOKEN",
)
"""Names of variables with tokens of Git hosts, and with the hosts of self-hosted servers."""


class Access(msgspec.Struct, frozen=True):
    """Credentials for repositories: the environment of this process, and tokens by the names of their variables."""

    environment: Mapping[str, str] = {}
    tokens: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return "Access(...)"


class ReadOptions(msgspec.Struct, frozen=True):
    """Options for reading.

    namespace: namespace of objects without one, also of charts without a namespace of their own. exclude: patterns in gitignore's syntax, relative to each scanned folder. ignore_files: read `.kubekeepignore` and
    `.kubescapeignore`. kustomize_helm: allow kustomizations to inflate charts. branch: branch, tag or commit of fetched
    repositories, empty for the default branch. changed_since: Git revision; only later changes are evaluated. blame: add
    the last commit of failed lines. unsaved: contents by real path that replace those of files, for the open documents of
    an editor. images: options for images; with `workload_images`, the images that workloads use are read as well.
    registries: options for patterns of images in registries. vulnerabilities: options for finding the vulnerabilities of
    images and SBOMs; None to leave them out.
    """

    helm: HelmOptions = HelmOptions()
    namespace: str = ""
    exclude: tuple[str, ...] = ()
    ignore_files: bool = True
    kustomize_helm: bool = False
    branch: str = ""
    changed_since: str = ""
    blame: bool = False
    access: Access = Access()
    unsaved: Mapping[str, bytes] = {}
    images: ImageOptions = ImageOptions()
    workload_images: bool = False
    vulnerabilities: VulnerabilityOptions | None = None
    registries: RegistryOptions = RegistryOptions()

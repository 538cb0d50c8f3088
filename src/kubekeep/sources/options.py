"""How sources are read: what the user chose for charts, kustomizations and paths. Values only; reads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.location import SourceMap

DEFAULT_RELEASE: Final = "release-name"
"""What `helm template` calls a release that nobody named."""


class InlineValues(msgspec.Struct, frozen=True):
    """Values that stand in another document: the mapping, the file as it is shown to people, and its places there."""

    value: dict[str, Any]
    file: str
    source_map: SourceMap | None = None


class ChartValues(msgspec.Struct, frozen=True):
    """Values for charts, each as Helm's option of that name takes it; later ones win within an option.

    Helm's order between them: files, then `set_json`, `set`, `set_string` and `set_file`; `inline` is a file more.
    `names` is what people call files whose path they did not type.
    """

    files: tuple[str, ...] = ()
    inline: tuple[InlineValues, ...] = ()
    set_json: tuple[str, ...] = ()
    set: tuple[str, ...] = ()
    set_string: tuple[str, ...] = ()
    set_file: tuple[str, ...] = ()
    names: Mapping[str, str] = {}


class HelmOptions(msgspec.Struct, frozen=True):
    """How charts are rendered.

    `values` go to every chart; `per_chart` are values for one more, by the absolute path of its folder or archive,
    and come before `values`. `kube_version` is the one that templates see (`v1.34.0`), empty for the renderer's own.
    Without a `namespace` it is left to whoever installs the chart, and templates see Helm's `default`. An
    `application` that says how a chart is deployed is named by its file and line; the values that it gives, `deployed`,
    are weaker than all others.
    """

    values: ChartValues = ChartValues()
    per_chart: Mapping[str, ChartValues] = {}
    release: str = DEFAULT_RELEASE
    namespace: str = ""
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    application: str = ""
    deployed: ChartValues = ChartValues()


TOKEN_VARIABLES: Final = (
    "GITHUB_TOKEN",
    "GITHUB_SERVER_URL",
    "GITLAB_TOKEN",
    "GITLAB_HOST",
    "AZURE_TOKEN",
    "BITBUCKET_TOKEN",
)
"""The names under which a face hands in tokens, and the hosts of one's own that two of them belong to."""


class Access(msgspec.Struct, frozen=True):
    """What this process may use to reach repositories: its environment, and tokens by the names of their variables."""

    environment: Mapping[str, str] = {}
    tokens: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return "Access(...)"


class ReadOptions(msgspec.Struct, frozen=True):
    """What the user chose for reading.

    `exclude` are patterns in gitignore's syntax, relative to each scanned folder; without `ignore_files`,
    `.kubekeepignore` and `.kubescapeignore` are not looked for. `kustomize_helm` lets kustomizations inflate charts.
    `branch` is for repositories that are fetched, empty for their default. With `changed_since`, a Git revision,
    only what changed since is judged; with `blame` each failing line is given its last commit.
    """

    helm: HelmOptions = HelmOptions()
    exclude: tuple[str, ...] = ()
    ignore_files: bool = True
    kustomize_helm: bool = False
    branch: str = ""
    changed_since: str = ""
    blame: bool = False
    access: Access = Access()

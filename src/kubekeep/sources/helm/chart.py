"""Load a chart with its sub-charts by Helm's rules: templates, values, custom resource definitions and dependencies.

Packed sub-charts are unpacked in memory. Dependencies on local folders (`file://`) that are not vendored in `charts/`
are loaded from the folder, as `helm dependency build` would do. Never renders, never downloads.
"""

# ruff: noqa: PTH112, PTH113, PTH118 - paths stay as the user typed them

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.json_values import as_list
from kubekeep.model.location import Location, Path, Region
from kubekeep.model.paths import display_path
from kubekeep.sources.helm.files import read_archive, read_file, read_folder
from kubekeep.sources.helm.limits import ChartBudget, ChartError, ChartLimits
from kubekeep.sources.helm.yaml_mapping import MappingError, YamlMapping, read_mapping
from kubekeep.sources.tree import Limits

METADATA: Final = "Chart.yaml"
REQUIREMENTS: Final = "requirements.yaml"
VALUES: Final = "values.yaml"
SCHEMA: Final = "values.schema.json"
_SCHEMA_STANDARDS: Final = ("http://json-schema.org/", "https://json-schema.org/")
_ALLOWED_TARGETS: Final = ("#", *_SCHEMA_STANDARDS)
_REFERENCES: Final = {
    "$ref": _ALLOWED_TARGETS,
    "$dynamicRef": _ALLOWED_TARGETS,
    "$recursiveRef": _ALLOWED_TARGETS,
    "$schema": _SCHEMA_STANDARDS,
}
_TOO_DEEP: Final = "nested too deeply"
TEMPLATES: Final = "templates/"
LIBRARY: Final = "library"
_CHARTS: Final = "charts/"
_CRDS: Final = "crds/"
_LOCAL: Final = "file://"
_PACKED: Final = ".tgz"
_TEXTS: Final = ("name", "alias", "version", "repository", "condition")


class Dependency(msgspec.Struct, frozen=True):
    """An entry of `dependencies` with its location and its position in the list."""

    name: str
    alias: str
    version: str
    repository: str
    file: str
    region: Region | None
    imports: tuple[tuple[Path, Path], ...] = ()
    """Paths of `import-values`: the path in the sub-chart, and the path in this chart."""
    number: int = 0
    condition: str = ""
    tags: tuple[str, ...] = ()


class Chart(msgspec.Struct, frozen=True):
    """One chart, without the files of its sub-charts.

    `shown_path` is the path of its folder or archive in reports. `archive_folder` is its folder in the archive passed to
    Helm ("" for the root). `files` maps paths within the chart to contents. `local_dependencies` are the dependencies
    loaded from a folder outside `charts/`, each with the version of the chart in that folder. `unread` lists omitted
    files.
    """

    name: str
    version: str
    type: str
    shown_path: str
    archive_folder: str
    files: Mapping[str, bytes]
    dependencies: tuple[Dependency, ...]
    subcharts: tuple[Chart, ...]
    local_dependencies: tuple[tuple[Dependency, str], ...]
    unread: tuple[UnreadInput, ...] = ()

    @property
    def is_library(self) -> bool:
        """True for a library chart; the type is compared without case, as Helm does for sub-charts."""
        return self.type.lower() == LIBRARY

    def get_shown_path(self, name: str) -> str:
        """Return the path of one of its files for reports."""
        return display_path(posixpath.join(self.shown_path, name))

    def list_templates(self) -> Iterator[str]:
        """Return the paths of its templates, including partials and notes; a library chart has only partials."""
        names = (name for name in self.files if name.startswith(TEMPLATES))
        return (name for name in names if posixpath.basename(name).startswith("_")) if self.is_library else names

    def list_crds(self) -> list[str]:
        """Return the paths of its custom resource definitions, sorted."""
        extensions = (".yaml", ".yml", ".json")
        return sorted(name for name in self.files if name.startswith(_CRDS) and name.endswith(extensions))


class ChartInstance(msgspec.Struct, frozen=True):
    """A chart at one position of a release.

    `template_prefix` is Helm's prefix of its template names. `scope` is the path of its values: the names (or aliases)
    of the sub-charts from the root.
    """

    chart: Chart
    template_prefix: str
    scope: tuple[str, ...] = ()


def list_instances(chart: Chart, limits: ChartLimits) -> list[ChartInstance]:
    """List the chart and its sub-charts, parents first, a sub-chart once for each alias. Raises ChartError."""
    all_instances = [ChartInstance(chart, chart.name)]
    for instance in all_instances:
        for subchart in instance.chart.subcharts:
            names = [entry.alias or entry.name for entry in instance.chart.dependencies if entry.name == subchart.name]
            for name in dict.fromkeys(names or [subchart.name]):
                all_instances.append(
                    ChartInstance(subchart, f"{instance.template_prefix}/charts/{name}", (*instance.scope, name))
                )
                if len(all_instances) > limits.instances:
                    raise ChartError(
                        chart.get_shown_path(METADATA), f"more than {limits.instances} sub-charts: not read"
                    )
    return all_instances


def load_chart(
    path: str,
    shown_path: str,
    root: str,
    limits: ChartLimits,
    yaml_limits: Limits,
    *,
    unsaved: Mapping[str, bytes] = {},
) -> Chart:
    """Load the chart from a folder or a packed chart.

    root: absolute folder of the scan; links and `file://` dependencies must stay within it. unsaved: contents by real
    path that replace those of files. Raises ChartError.
    """
    return _ChartLoader(os.path.realpath(root), limits, yaml_limits, unsaved).load_top(path, shown_path)


def add_dependency(
    chart: Chart,
    entry: Dependency,
    source: ChartFolder,
    limits: ChartLimits,
    yaml_limits: Limits,
    *,
    unsaved: Mapping[str, bytes] = {},
) -> Chart:
    """Return the chart with a dependency that is loaded from a folder outside of it. Raises ChartError."""
    loader = _ChartLoader(os.path.realpath(source.root), limits, yaml_limits, unsaved)
    subchart = loader.load_dependency(source.path, source.shown_path, entry)
    return msgspec.structs.replace(chart, subcharts=(*chart.subcharts, subchart))


class ChartFolder(msgspec.Struct, frozen=True):
    """The folder of a chart: its path, its path in reports, and the folder that its links must stay in."""

    path: str
    shown_path: str
    root: str


class _ChartLocation(msgspec.Struct, frozen=True):
    """Location of a chart during loading: path in reports, folder in Helm's archive, and source folder if there is one.

    `ancestors` are the real paths of the folders of the charts that contain it, used to detect cycles.
    """

    shown_path: str
    archive_folder: str
    folder: str = ""
    ancestors: tuple[str, ...] = ()
    depth: int = 0


class _ChartLoader:
    def __init__(self, root: str, limits: ChartLimits, yaml_limits: Limits, unsaved: Mapping[str, bytes]) -> None:
        self._unsaved = unsaved
        self._root = root
        self._limits = limits
        self._yaml_limits = yaml_limits
        self._budget = ChartBudget(limits)

    def load_top(self, path: str, shown_path: str) -> Chart:
        if os.path.isdir(path):
            real = os.path.realpath(path)
            return self._load_chart(self._folder(path, shown_path), _ChartLocation(shown_path, "", real, (real,)))
        return self._load_chart(
            self._read_archive(read_file(path, shown_path, self._budget), shown_path), _ChartLocation(shown_path, "")
        )

    def load_dependency(self, path: str, shown_path: str, entry: Dependency) -> Chart:
        real = os.path.realpath(path)
        archive_folder = posixpath.join(_CHARTS, f"{entry.number}.fetched")
        location = _ChartLocation(shown_path, archive_folder, real, (real,), 1)
        return self._load_chart(self._folder(path, shown_path), location)

    def _folder(self, path: str, shown_path: str) -> dict[str, bytes]:
        return read_folder(path, shown_path, self._root, self._budget, self._unsaved)

    def _read_archive(self, archive: bytes, shown_path: str) -> dict[str, bytes]:
        return read_archive(archive, shown_path, self._budget)

    def _load_chart(self, files: dict[str, bytes], location: _ChartLocation) -> Chart:
        if location.depth > self._limits.depth:
            raise ChartError(
                location.shown_path, f"sub-charts nested deeper than {self._limits.depth} levels: not read"
            )
        own_files, subchart_files = _split_subcharts(files)
        shown_path = posixpath.join(location.shown_path, METADATA)
        if METADATA not in own_files:
            raise ChartError(location.shown_path, f"{METADATA} file is missing")
        metadata = self._parse_mapping(own_files[METADATA], shown_path)
        name = _read_name(metadata.value, shown_path)
        dependencies = _read_dependencies(metadata, shown_path)
        if REQUIREMENTS in own_files:
            shown_path = posixpath.join(location.shown_path, REQUIREMENTS)
            dependencies = _read_dependencies(self._parse_mapping(own_files[REQUIREMENTS], shown_path), shown_path)
        unread = tuple(_drop_schema(own_files, location))
        subcharts = list(self._load_vendored(own_files, subchart_files, location))
        local_dependencies = list(self._load_local_dependencies(dependencies, subcharts, location))
        return Chart(
            name,
            _read_text(metadata.value, "version"),
            _read_text(metadata.value, "type"),
            location.shown_path,
            location.archive_folder,
            own_files,
            dependencies,
            (*subcharts, *(chart for _, chart in local_dependencies)),
            tuple((entry, chart.version) for entry, chart in local_dependencies),
            unread,
        )

    def _parse_mapping(self, content: bytes, shown_path: str) -> YamlMapping:
        try:
            return read_mapping(content, self._yaml_limits)
        except MappingError as error:
            raise ChartError(
                shown_path, f"cannot load {posixpath.basename(shown_path)}: {error}", error.region
            ) from error

    def _load_vendored(
        self, own_files: dict[str, bytes], subchart_files: dict[str, dict[str, bytes]], location: _ChartLocation
    ) -> Iterator[Chart]:
        """Load the charts in `charts/`. Other entries are added to `own_files`, so that Helm reports errors in them."""
        for entry, files in sorted(subchart_files.items()):
            shown_path = posixpath.join(location.shown_path, _CHARTS, entry)
            if entry.endswith(_PACKED) and files.keys() == {""}:
                archive_folder = posixpath.join(
                    location.archive_folder, _CHARTS, entry.removesuffix(_PACKED) + ".packed"
                )
                sub_location = _ChartLocation(shown_path, archive_folder, depth=location.depth + 1)
                yield self._load_chart(self._read_archive(files[""], shown_path), sub_location)
            elif METADATA in files and not entry.endswith(_PACKED):
                folder = os.path.join(location.folder, _CHARTS, entry) if location.folder else ""
                archive_folder = posixpath.join(location.archive_folder, _CHARTS, entry)
                yield self._load_chart(
                    files, _ChartLocation(shown_path, archive_folder, folder, location.ancestors, location.depth + 1)
                )
            else:
                own_files.update(
                    (posixpath.join(_CHARTS, entry, name).rstrip("/"), content) for name, content in files.items()
                )

    def _load_local_dependencies(
        self, dependencies: tuple[Dependency, ...], vendored: list[Chart], location: _ChartLocation
    ) -> Iterator[tuple[Dependency, Chart]]:
        """Load the `file://` dependencies that are not in `charts/`."""
        loaded_names = {chart.name for chart in vendored}
        for number, entry in enumerate(dependencies):
            if not (location.folder and entry.repository.startswith(_LOCAL)) or entry.name in loaded_names:
                continue
            loaded_names.add(entry.name)
            path = os.path.join(location.folder, entry.repository.removeprefix(_LOCAL))
            real = os.path.realpath(path)
            if os.path.commonpath((self._root, real)) != self._root:
                message = f"dependency {entry.name!r} is in {entry.repository}, outside the scanned folder: not read"
                raise ChartError(entry.file, f"{message}; scan a folder that contains both", entry.region)
            if real in location.ancestors:
                raise ChartError(entry.file, f"dependency {entry.name!r} refers back to this chart", entry.region)
            if not os.path.isfile(os.path.join(real, METADATA)):
                message = f"dependency {entry.name!r}: no chart in {entry.repository}"
                raise ChartError(entry.file, message, entry.region)
            shown_path = posixpath.normpath(posixpath.join(location.shown_path, os.path.relpath(real, location.folder)))
            archive_folder = posixpath.join(location.archive_folder, _CHARTS, f"{number}.fetched")
            sub_location = _ChartLocation(
                shown_path, archive_folder, real, (*location.ancestors, real), location.depth + 1
            )
            chart = self._load_chart(self._folder(real, shown_path), sub_location)
            if chart.name != entry.name:
                message = f"dependency {entry.name!r}: the chart in {entry.repository} has the name {chart.name!r}"
                raise ChartError(entry.file, message, entry.region)
            yield entry, chart


def _split_subcharts(files: dict[str, bytes]) -> tuple[dict[str, bytes], dict[str, dict[str, bytes]]]:
    """Split the files into the chart's own and those below `charts/`, grouped by entry, by Helm's rules."""
    own_files: dict[str, bytes] = {}
    subchart_files: dict[str, dict[str, bytes]] = {}
    for name, content in files.items():
        entry, _, rest = name.removeprefix(_CHARTS).partition("/")
        if not name.startswith(_CHARTS) or name.endswith(".prov"):
            own_files[name] = content
        elif not entry.startswith(("_", ".")):
            subchart_files.setdefault(entry, {})[rest] = content
    return own_files, subchart_files


def _drop_schema(own_files: dict[str, bytes], location: _ChartLocation) -> Iterator[UnreadInput]:
    """Remove a schema that refers to another file or address, and yield an UnreadInput. The rendered output is the same."""
    target = find_outside_reference(own_files.get(SCHEMA, b""))
    if target is not None:
        del own_files[SCHEMA]
        message = (
            f"refers to {display_path(target)[:200]!r}, which is not read: values were not validated by this schema"
        )
        yield UnreadInput(Location(display_path(posixpath.join(location.shown_path, SCHEMA))), message)


def _read_name(metadata: dict[str, Any], shown_path: str) -> str:
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        raise ChartError(shown_path, "chart.metadata.name is required")
    if "/" in name or "\\" in name or name in (".", "..") or not name.isprintable():
        raise ChartError(shown_path, f"chart.metadata.name {display_path(name)[:100]!r} is invalid")
    return name


def _read_text(metadata: dict[str, Any], key: str) -> str:
    value = metadata.get(key)
    return value if isinstance(value, str) else ""


def _read_dependencies(metadata: YamlMapping, file: str) -> tuple[Dependency, ...]:
    """Read the entries of `dependencies` that have a name; Helm itself rejects any other entry."""
    entries = metadata.value.get("dependencies")
    dependencies: list[Dependency] = []
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict) and _read_text(entry, "name"):
            name, alias, version, repository, condition = (_read_text(entry, key) for key in _TEXTS)
            region = metadata.region(("dependencies", number, "name"))
            imports = tuple(_read_imports(entry.get("import-values")))
            tags = tuple(tag for tag in as_list(entry.get("tags")) if isinstance(tag, str))
            dependencies.append(
                Dependency(name, alias, version, repository, file, region, imports, number, condition, tags)
            )
    return tuple(dependencies)


def _read_imports(entries: Any) -> Iterator[tuple[Path, Path]]:
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, str):
            yield ("exports", *entry.split(".")), ()
        elif isinstance(entry, dict) and isinstance(entry.get("child"), str) and isinstance(entry.get("parent"), str):
            parent = entry["parent"]
            yield tuple(entry["child"].split(".")), () if parent == "." else tuple(parent.split("."))


def find_outside_reference(content: bytes) -> str | None:
    """Return the first reference of a JSON schema that leads out of the document; None for none or invalid JSON.

    Helm would read any file and fetch any address that a reference names. References within the schema and to the JSON
    Schema standard are allowed.
    """
    text = content.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        # Numbers are kept as text: Python rejects very long integers, and the rest of the schema would not be checked.
        todo: list[Any] = [json.loads(text, parse_int=str, parse_float=str)]
    except RecursionError:
        return _TOO_DEEP
    except ValueError:
        return None
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            for key, allowed in _REFERENCES.items():
                target = value.get(key)
                if isinstance(target, str) and not target.startswith(allowed):
                    return target
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
    return None

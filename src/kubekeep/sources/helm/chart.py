"""A chart with its sub-charts, as Helm loads it: what is a template, what a sub-chart, what it depends on.

Packed sub-charts are unpacked in memory, and dependencies on folders (`file://`) that nobody vendored are taken from
there as `helm dependency build` would. Never renders, never fetches.
"""

# ruff: noqa: PTH112, PTH113, PTH118 - paths stay the text that people typed

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location, Path, Region
from kubekeep.model.paths import display_path
from kubekeep.sources.helm import files as chart_files
from kubekeep.sources.helm import schema
from kubekeep.sources.helm.limits import Budget, ChartError, ChartLimits
from kubekeep.sources.helm.parsed import Mapping as Parsed
from kubekeep.sources.helm.parsed import MappingError, mapping
from kubekeep.sources.tree import Limits

METADATA: Final = "Chart.yaml"
REQUIREMENTS: Final = "requirements.yaml"
VALUES: Final = "values.yaml"
TEMPLATES: Final = "templates/"
LIBRARY: Final = "library"
_CHARTS: Final = "charts/"
_CRDS: Final = "crds/"
_LOCAL: Final = "file://"
_PACKED: Final = ".tgz"
_TEXTS: Final = ("name", "alias", "version", "repository")


class Dependency(msgspec.Struct, frozen=True):
    """An entry of `dependencies`, and where it stands."""

    name: str
    alias: str
    version: str
    repository: str
    file: str
    region: Region | None
    imports: tuple[tuple[Path, Path], ...] = ()
    """Paths of `import-values`: in the sub-chart, in this chart."""


class Chart(msgspec.Struct, frozen=True):
    """One chart. `shown` is its folder or archive, `place` its folder in the archive that Helm gets ("" for the root).

    `files` are its own by their path in it; those of `subcharts` are not among them. `fetched` are the dependencies
    that were taken from a folder outside `charts/`, with the version found there; `unread` is what was left out of it.
    """

    name: str
    version: str
    type: str
    shown: str
    place: str
    files: Mapping[str, bytes]
    dependencies: tuple[Dependency, ...]
    subcharts: tuple[Chart, ...]
    fetched: tuple[tuple[Dependency, str], ...]
    unread: tuple[Unread, ...] = ()

    @property
    def is_library(self) -> bool:
        """Whether it has nothing to render by itself: as a sub-chart Helm asks for no case, alone it does."""
        return self.type.lower() == LIBRARY

    def shown_file(self, name: str) -> str:
        """A file of it, as it is shown to people."""
        return display_path(posixpath.join(self.shown, name))

    def templates(self) -> Iterator[str]:
        """The paths of its templates, partials and notes too; a library has only partials."""
        names = (name for name in self.files if name.startswith(TEMPLATES))
        return (name for name in names if posixpath.basename(name).startswith("_")) if self.is_library else names

    def crds(self) -> list[str]:
        """The paths of its custom resource definitions, in order."""
        endings = (".yaml", ".yml", ".json")
        return sorted(name for name in self.files if name.startswith(_CRDS) and name.endswith(endings))


class Instance(msgspec.Struct, frozen=True):
    """A chart at one place of a release: `full` is what Helm calls it in template names, `scope` where its values are.

    The name is the alias that its parent gives it, if any.
    """

    chart: Chart
    full: str
    scope: tuple[str, ...] = ()


def instances(chart: Chart, limits: ChartLimits) -> list[Instance]:
    """The chart and its sub-charts, parents first, a sub-chart once for each alias. Raises ChartError."""
    found = [Instance(chart, chart.name)]
    for at in found:
        for sub in at.chart.subcharts:
            given = [entry.alias or entry.name for entry in at.chart.dependencies if entry.name == sub.name]
            for name in dict.fromkeys(given or [sub.name]):
                found.append(Instance(sub, f"{at.full}/charts/{name}", (*at.scope, name)))
                if len(found) > limits.instances:
                    raise ChartError(chart.shown_file(METADATA), f"more than {limits.instances} sub-charts: not read")
    return found


def load(path: str, shown: str, root: str, limits: ChartLimits, yaml_limits: Limits) -> Chart:
    """The chart in the folder or packed chart `path`.

    Links and `file://` dependencies may not lead out of `root`, the absolute folder of the scan. Raises ChartError.
    """
    return _Loader(os.path.realpath(root), limits, yaml_limits).top(path, shown)


class _Home(msgspec.Struct, frozen=True):
    """Where a chart is from: shown, in the archive, and its folder if it has one; `above` are the folders around it."""

    shown: str
    place: str
    folder: str = ""
    above: tuple[str, ...] = ()
    depth: int = 0


class _Loader:
    def __init__(self, root: str, limits: ChartLimits, yaml_limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._yaml_limits = yaml_limits
        self._budget = Budget(limits)

    def top(self, path: str, shown: str) -> Chart:
        if os.path.isdir(path):
            real = os.path.realpath(path)
            return self._chart(self._folder(path, shown), _Home(shown, "", real, (real,)))
        return self._chart(self._archive(chart_files.read_file(path, shown, self._budget), shown), _Home(shown, ""))

    def _folder(self, path: str, shown: str) -> dict[str, bytes]:
        return chart_files.folder(path, shown, self._root, self._budget)

    def _archive(self, data: bytes, shown: str) -> dict[str, bytes]:
        return chart_files.archive(data, shown, self._budget)

    def _chart(self, files: dict[str, bytes], home: _Home) -> Chart:
        if home.depth > self._limits.depth:
            raise ChartError(home.shown, f"charts within charts deeper than {self._limits.depth}: not read")
        own, below = _sorted(files)
        shown = posixpath.join(home.shown, METADATA)
        if METADATA not in own:
            raise ChartError(home.shown, f"{METADATA} file is missing")
        metadata = self._parsed(own[METADATA], shown)
        name = _name(metadata.value, shown)
        dependencies = _dependencies(metadata, shown)
        if REQUIREMENTS in own:
            shown = posixpath.join(home.shown, REQUIREMENTS)
            dependencies = _dependencies(self._parsed(own[REQUIREMENTS], shown), shown)
        unread = tuple(_without_schema(own, home))
        subcharts = list(self._vendored(own, below, home))
        fetched = list(self._fetched(dependencies, subcharts, home))
        return Chart(
            name,
            _text(metadata.value, "version"),
            _text(metadata.value, "type"),
            home.shown,
            home.place,
            own,
            dependencies,
            (*subcharts, *(chart for _, chart in fetched)),
            tuple((entry, chart.version) for entry, chart in fetched),
            unread,
        )

    def _parsed(self, data: bytes, shown: str) -> Parsed:
        try:
            return mapping(data, self._yaml_limits)
        except MappingError as error:
            raise ChartError(shown, f"cannot load {posixpath.basename(shown)}: {error}", error.region) from error

    def _vendored(self, own: dict[str, bytes], below: dict[str, dict[str, bytes]], home: _Home) -> Iterator[Chart]:
        """The charts in `charts/`; what is there and no chart stays with `own`, so that Helm says what it thinks."""
        for entry, files in sorted(below.items()):
            shown = posixpath.join(home.shown, _CHARTS, entry)
            if entry.endswith(_PACKED) and files.keys() == {""}:
                place = posixpath.join(home.place, _CHARTS, entry.removesuffix(_PACKED) + ".packed")
                inner = _Home(shown, place, depth=home.depth + 1)
                yield self._chart(self._archive(files[""], shown), inner)
            elif METADATA in files and not entry.endswith(_PACKED):
                folder = os.path.join(home.folder, _CHARTS, entry) if home.folder else ""
                place = posixpath.join(home.place, _CHARTS, entry)
                yield self._chart(files, _Home(shown, place, folder, home.above, home.depth + 1))
            else:
                own.update((posixpath.join(_CHARTS, entry, name).rstrip("/"), data) for name, data in files.items())

    def _fetched(
        self, dependencies: tuple[Dependency, ...], vendored: list[Chart], home: _Home
    ) -> Iterator[tuple[Dependency, Chart]]:
        """The dependencies on folders that are not in `charts/`."""
        have = {chart.name for chart in vendored}
        for number, entry in enumerate(dependencies):
            if not (home.folder and entry.repository.startswith(_LOCAL)) or entry.name in have:
                continue
            have.add(entry.name)
            path = os.path.join(home.folder, entry.repository.removeprefix(_LOCAL))
            real = os.path.realpath(path)
            if os.path.commonpath((self._root, real)) != self._root:
                message = f"dependency {entry.name!r} is in {entry.repository}, outside of the scanned folder: not read"
                raise ChartError(entry.file, f"{message}; scan a folder that holds both", entry.region)
            if real in home.above:
                raise ChartError(entry.file, f"dependency {entry.name!r} leads back to this chart", entry.region)
            if not os.path.isfile(os.path.join(real, METADATA)):
                message = f"dependency {entry.name!r}: there is no chart in {entry.repository}"
                raise ChartError(entry.file, message, entry.region)
            shown = posixpath.normpath(posixpath.join(home.shown, os.path.relpath(real, home.folder)))
            place = posixpath.join(home.place, _CHARTS, f"{number}.fetched")
            inner = _Home(shown, place, real, (*home.above, real), home.depth + 1)
            chart = self._chart(self._folder(real, shown), inner)
            if chart.name != entry.name:
                message = f"dependency {entry.name!r}: the chart in {entry.repository} is called {chart.name!r}"
                raise ChartError(entry.file, message, entry.region)
            yield entry, chart


def _sorted(files: dict[str, bytes]) -> tuple[dict[str, bytes], dict[str, dict[str, bytes]]]:
    """The chart's own files, and those of `charts/` by entry there and path below it, as Helm tells them apart."""
    own: dict[str, bytes] = {}
    below: dict[str, dict[str, bytes]] = {}
    for name, data in files.items():
        entry, _, rest = name.removeprefix(_CHARTS).partition("/")
        if not name.startswith(_CHARTS) or name.endswith(".prov"):
            own[name] = data
        elif not entry.startswith(("_", ".")):
            below.setdefault(entry, {})[rest] = data
    return own, below


def _without_schema(own: dict[str, bytes], home: _Home) -> Iterator[Unread]:
    """Take the schema out of a chart's files if it leads outside, and say so: what it renders is the same."""
    target = schema.outside(own.get(schema.NAME, b""))
    if target is not None:
        del own[schema.NAME]
        told = (
            f"refers to {display_path(target)[:200]!r}, which is not read: the values were not held against this schema"
        )
        yield Unread(Location(display_path(posixpath.join(home.shown, schema.NAME))), told)


def _name(metadata: dict[str, Any], shown: str) -> str:
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        raise ChartError(shown, "chart.metadata.name is required")
    if "/" in name or "\\" in name or name in (".", "..") or not name.isprintable():
        raise ChartError(shown, f"chart.metadata.name {display_path(name)[:100]!r} is invalid")
    return name


def _text(metadata: dict[str, Any], key: str) -> str:
    value = metadata.get(key)
    return value if isinstance(value, str) else ""


def _dependencies(metadata: Parsed, file: str) -> tuple[Dependency, ...]:
    """The entries of `dependencies` that have a name; what else is in there Helm refuses itself."""
    entries = metadata.value.get("dependencies")
    found: list[Dependency] = []
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict) and _text(entry, "name"):
            name, alias, version, repository = (_text(entry, key) for key in _TEXTS)
            region = metadata.region(("dependencies", number, "name"))
            imports = tuple(_imports(entry.get("import-values")))
            found.append(Dependency(name, alias, version, repository, file, region, imports))
    return tuple(found)


def _imports(entries: Any) -> Iterator[tuple[Path, Path]]:
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, str):
            yield ("exports", *entry.split(".")), ()
        elif isinstance(entry, dict) and isinstance(entry.get("child"), str) and isinstance(entry.get("parent"), str):
            parent = entry["parent"]
            yield tuple(entry["child"].split(".")), () if parent == "." else tuple(parent.split("."))

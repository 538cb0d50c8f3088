"""What a kustomization refers to: resources, bases, components, patches, data files, plugins; and what is remote.

Knows the fields of a kustomization (https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/), never
whether what they name exists.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.sources.kustomize.written import Spot, Written
from kubekeep.sources.walk import KUSTOMIZATIONS

FILES: Final = KUSTOMIZATIONS
"""Names of the file that makes a folder a kustomization, as kustomize looks for them."""

_GIT: Final = re.compile(
    r"(?:git::)?(?:[a-z][a-z0-9+.-]*://|[a-z][a-z0-9-]*@[^/:]+[/:][^/]+/|github\.com[/:])|gh:", re.IGNORECASE
)
_WEB: Final = re.compile(r"https?://", re.IGNORECASE)
_REVISION: Final = re.compile(r"[^?]+/[^?]+\?(?:.*&)?(?:ref|version)=")


class Role(enum.Enum):
    """What a reference is for."""

    RESOURCE = enum.auto()
    """A file of objects, or the folder of a base."""
    COMPONENT = enum.auto()
    """The folder of a component."""
    PLUGIN = enum.auto()
    """A configured generator, transformer or validator: a file, a folder or the YAML itself."""
    PATCH = enum.auto()
    """A file of a patch, or the YAML itself in fields that take both."""
    DATA = enum.auto()
    """Another file that the build reads."""


class Reference(msgspec.Struct, frozen=True):
    """What a kustomization names, and where it does."""

    text: str
    spot: Spot
    role: Role

    @property
    def remote(self) -> bool:
        """Whether kustomize would fetch it (`NewRepoSpecFromURL`, `IsRemoteFile`), or a person plainly means that."""
        if self.role in (Role.PATCH, Role.DATA):
            return _WEB.match(self.text) is not None
        return "\n" not in self.text and any(form.match(self.text) for form in (_GIT, _REVISION))


_LISTS: Final = {
    "resources": Role.RESOURCE,
    "bases": Role.RESOURCE,
    "components": Role.COMPONENT,
    "generators": Role.PLUGIN,
    "transformers": Role.PLUGIN,
    "validators": Role.PLUGIN,
    "patchesStrategicMerge": Role.PATCH,
    "crds": Role.DATA,
    "configurations": Role.DATA,
}
_PATHS: Final = {"patches": Role.PATCH, "patchesJson6902": Role.PATCH, "replacements": Role.DATA}
_GENERATORS: Final = ("configMapGenerator", "secretGenerator")
_CHARTS: Final = ("helmCharts", "helmChartInflationGenerator")


def references(written: Written) -> Iterator[Reference]:
    """What a kustomization refers to, in the order of its fields."""
    root = Spot(written)
    for field, role in _LISTS.items():
        yield from _named(root.below(field), role)
    for field, role in _PATHS.items():
        for item in entries(root.below(field)):
            yield from _named(item.below("path"), role)
    for field in _GENERATORS:
        for item in entries(root.below(field)):
            yield from data_files(item)
    for field in _CHARTS:
        for item in entries(root.below(field)):
            yield from chart_values(item)
    yield from _named(root.below("openapi", "path"), Role.DATA)


def entries(spot: Spot) -> Iterator[Spot]:
    """The places of the items of a list; none if there is no list."""
    value = spot.value
    if isinstance(value, list):
        for index in range(len(value)):
            yield spot.below(index)


def charts(written: Written) -> Iterator[Spot]:
    """Where a kustomization names charts to inflate."""
    for field in _CHARTS:
        yield from entries(Spot(written, (field,)))


def chart_values(chart: Spot) -> Iterator[Reference]:
    """The values files of a chart to inflate."""
    yield from _named(chart.below("valuesFile"), Role.DATA)
    yield from _named(chart.below("additionalValuesFiles"), Role.DATA)
    yield from _named(chart.below("values"), Role.DATA)


def data_files(generator: Spot) -> Iterator[Reference]:
    """The files that a generator of a ConfigMap or Secret reads; `key=path` is taken apart."""
    for item in entries(generator.below("files")):
        if isinstance(item.value, str):
            yield Reference(item.value.partition("=")[2] or item.value, item, Role.DATA)
    yield from _named(generator.below("envs"), Role.DATA)
    yield from _named(generator.below("env"), Role.DATA)


def _named(spot: Spot, role: Role) -> Iterator[Reference]:
    value = spot.value
    if isinstance(value, str) and value:
        yield Reference(value, spot, role)
    elif isinstance(value, list):
        yield from (Reference(item.value, item, role) for item in entries(spot) if isinstance(item.value, str))

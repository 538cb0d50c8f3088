"""What tracing needs of a loaded chart: its texts and its values. Never loads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kubekeep.model.location import Path, SourceMap


class ValuesLayer(msgspec.Struct, frozen=True):
    """One source of values.

    `scope` is where its root is put in the release's values: () for the chart's own values.yaml, `-f` files and
    `--set`; ("redis",) for the values.yaml of sub-chart redis. `file` is its path as shown to people, or the option
    (`--set`). `value` is the whole parsed document and `marks` are the places in it, None for an option. `root` is
    where in the document the layer begins: not () for values that a chart imports from a sub-chart.
    """

    scope: tuple[str, ...]
    file: str
    value: Any
    source_map: SourceMap | None = None
    root: Path = ()


class ChartTexts(msgspec.Struct, frozen=True):
    """The templates and values of a chart and of all sub-charts that take part in the release.

    `templates` has every template by Helm's own name (`web/charts/redis/templates/_helpers.tpl`), with those that
    only define. `values` go from the weakest to the strongest. `shown` has the path of a template as people know it.
    """

    templates: Mapping[str, str]
    values: Sequence[ValuesLayer]
    shown: Mapping[str, str]

"""Time rendering a tree of charts with and without a source map: `python benchmarks/tracing.py [CHARTS]`.

With the source map, every path of every object is located, more than any scan needs. Prints the median wall time of
five alternating runs with the helm program, if it is installed, and with the SDK. Asserts nothing, because machines
differ.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import charts

from kubekeep.model.resource import Resource
from kubekeep.sources.helm import rendering
from kubekeep.sources.helm.reader import ChartReader
from kubekeep.sources.helm.trace import ChartTexts, Instrumentation
from kubekeep.sources.options import HelmOptions
from kubekeep.sources.source import Root

RUNS = 5


def list_paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield every path of a document."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in entries:
        yield from list_paths(child, (*path, step))


def time_rendering(folder: Path, helm: str | None, *, traced: bool) -> float:
    """Return the seconds to render all charts in `folder`, and to locate every path if `traced`."""
    roots = [Root("helm", str(chart), chart.name, str(folder)) for chart in sorted(folder.iterdir())]
    started = time.perf_counter()
    with (
        mock.patch.object(rendering, "Instrumentation", Instrumentation if traced else skip_instrumentation),
        ChartReader(HelmOptions(), helm=helm) as reader,
    ):
        for resource in reader.read(roots):
            if traced and isinstance(resource, Resource):
                for path in list_paths(resource.object):
                    resource.locate(path)
    return time.perf_counter() - started


def skip_instrumentation(texts: ChartTexts) -> Instrumentation:
    """Return no instrumented copies, to exclude the cost of tracing."""
    return Instrumentation(ChartTexts({}, texts.values, texts.shown_paths))


def main() -> None:
    """Measure both renderers."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as scratch:
        charts.write(count, Path(scratch))
        print("| renderer | without | with | ratio |\n| --- | ---: | ---: | ---: |")
        for name, helm in (("helm", shutil.which("helm")), ("SDK", None)):
            if name == "helm" and helm is None:
                continue
            pairs = [
                [time_rendering(Path(scratch), helm, traced=traced) for traced in (False, True)] for _ in range(RUNS)
            ]
            untraced_seconds, traced = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(
                f"| {name}, {count} charts | {untraced_seconds:.2f} s | {traced:.2f} s | {traced / untraced_seconds:.2f} |"
            )


if __name__ == "__main__":
    main()

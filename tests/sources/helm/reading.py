"""Read charts in tests, and run plain `helm template` for comparison. Never asserts on results."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from kubekeep.model.assessment import UnassessedInput, UnreadInput
from kubekeep.model.location import line_starts, value_at
from kubekeep.model.resource import DEFAULT_NAMESPACE, Resource
from kubekeep.sources import yaml_text
from kubekeep.sources.helm.limits import DEFAULT_CHART_LIMITS, ChartLimits
from kubekeep.sources.helm.reader import ChartReader
from kubekeep.sources.objects import DocumentObject, find_objects
from kubekeep.sources.options import ChartValues, HelmOptions
from kubekeep.sources.source import Root
from kubekeep.sources.tree import DEFAULT_LIMITS
from tests.oracles.program import program

CHARTS: Final = Path(__file__).parent / "charts"
KUBERNETES: Final = "v1.34.0"
OPTIONS: Final = HelmOptions(kube_version=KUBERNETES)


def helm_program() -> str:
    """Return the path of the program helm, v3.22.0, built if necessary. Skips the test if Go is not installed."""
    return str(program("helm"))


def read_chart(
    chart: Path,
    helm: str | None,
    options: HelmOptions = OPTIONS,
    limits: ChartLimits = DEFAULT_CHART_LIMITS,
    base: Path | None = None,
) -> tuple[list[Resource], list[UnreadInput]]:
    """Read a chart: its resources and unread inputs, with paths relative to `base`, the folder of the scan."""
    base = base or chart.parent
    with ChartReader(options, helm=helm, limits=limits) as charts:
        results = list(charts.read([Root("helm", str(chart), str(chart.relative_to(base)), str(base))]))
    return [result for result in results if isinstance(result, Resource)], [
        result for result in results if isinstance(result, UnreadInput)
    ]


def render_plain(chart: Path, helm: str, options: HelmOptions = OPTIONS) -> list[str]:
    """Return the objects printed by `helm template`, each as JSON, sorted."""
    values = options.values
    argv = [
        helm,
        "template",
        options.release,
        str(chart),
        "--include-crds",
        f"--namespace={options.namespace or DEFAULT_NAMESPACE}",
    ]
    argv += [f"--kube-version={options.kube_version}"] * bool(options.kube_version)
    argv += [f"--api-versions={name}" for name in options.api_versions]
    argv += [f"--values={path}" for path in values.files]
    for field in ("set_json", "set", "set_string", "set_file"):
        argv += [f"--{field.replace('_', '-')}={text}" for text in getattr(values, field)]
    text = subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout.decode()
    printed: list[str] = []
    for document in yaml_text.parse_documents(text, line_starts(text), DEFAULT_LIMITS):
        assert not hasattr(document, "at"), document
        if document is not None:
            matches = find_objects(getattr(document, "value", None))
            printed += [
                json.dumps(match.object, sort_keys=True) for match in matches if isinstance(match, DocumentObject)
            ]
    return sorted(printed)


def as_json(resources: list[Resource]) -> list[str]:
    """Return the objects as they were rendered, each as JSON, sorted."""
    return sorted(json.dumps(_get_rendered(resource), sort_keys=True) for resource in resources)


def _get_rendered(resource: Resource) -> Any:
    """Return an object without the namespace of the release, which Helm leaves to the API server."""
    if resource.document is None or resource.source is None:
        return resource.object
    return value_at(resource.document, resource.source.root)


def build_options(**values: Any) -> HelmOptions:
    """Build options with these values."""
    return HelmOptions(values=ChartValues(**values), kube_version=KUBERNETES)


def list_errors(unread: list[UnreadInput]) -> list[UnreadInput]:
    """Return the parts that are errors; a scan names others for information."""
    return [part for part in unread if not isinstance(part, UnassessedInput)]


def write_chart(
    folder: Path, files: dict[str, str | bytes], metadata: str = "apiVersion: v2\nname: c\nversion: 1.0.0\n"
) -> Path:
    """Write a chart with these files to `folder`."""
    for name, text in {"Chart.yaml": metadata, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return folder

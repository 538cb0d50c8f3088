"""Public charts: each location is the line of its key or of an action, and each setting has the value."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubekeep.model.location import parse_path, value_at
from tests.library.kubescape import SHARED
from tests.sources.helm.trace.charts import list_paths, parse_document, trace_chart

_CHARTS = [
    "corpora/microservices-demo/helm-chart",
    "corpora/kubernetes-goat/infrastructure/helm-tiller/pwnchart",
    "corpora/kubernetes-goat/scenarios/metadata-db",
]


@pytest.mark.parametrize("chart", _CHARTS)
def test_location_shows_key_or_action(chart: str, tmp_path: Path) -> None:
    folder = SHARED / chart
    if not folder.is_dir():
        pytest.skip("the corpora are not here")
    values, _ = parse_document((folder / "values.yaml").read_text())
    checked = 0
    for document in trace_chart(folder, tmp_path / "copy"):
        for path, value in list_paths(document.value):
            location = document.locate(*path)
            assert location.region is not None, (document.template, path)
            source = (folder / location.file).read_text().split("\n")
            line = source[location.region.start.line - 1]
            key = next((step for step in reversed(path) if isinstance(step, str)), "apiVersion")
            located_text = line[location.region.start.column - 1 :].lstrip("\"'")
            assert located_text.startswith((key, "{{")) or (path and isinstance(path[-1], int)), (
                document.template,
                path,
                line,
            )
            if location.setting is not None and not isinstance(value, dict | list):
                assert location.setting.region is not None
                assert str(value_at(values, parse_path(location.setting.key))).lower() in str(value).lower()
            checked += 1
    assert checked > 10

"""Locations of credentials in documents within ConfigMaps: the line in the file that people edit, in all kinds of input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  literal.yaml: |
    # users of the shop
    users:
      - name: ann
        password: hunter2
      - name: bob
        password: hunter3
  folded.yaml: >-
    level: info

    clientSecret: 4f53cda18c2baa0c
  quoted.env: "LEVEL=info\\nDB_PASSWORD=hunter4\\n"
"""
LINES = {
    'data["literal.yaml"].users[0].password': "        password: hunter2",
    'data["literal.yaml"].users[1].password': "        password: hunter3",
    'data["folded.yaml"].clientSecret': "    clientSecret: 4f53cda18c2baa0c",
    'data["quoted.env"].DB_PASSWORD': '  quoted.env: "LEVEL=info\\nDB_PASSWORD=hunter4\\n"',
}


def write_manifest(folder: Path) -> Path:
    """Write a manifest and return it."""
    (folder / "settings.yaml").write_text(MANIFEST)
    return folder / "settings.yaml"


def write_overlay(folder: Path) -> Path:
    """Write an overlay that changes the name of the ConfigMap, and return the file of its base."""
    (folder / "base").mkdir()
    (folder / "base" / "kustomization.yaml").write_text("resources: [settings.yaml]\n")
    (folder / "kustomization.yaml").write_text("resources: [base]\nnamePrefix: shop-\n")
    return write_manifest(folder / "base")


def write_chart(folder: Path) -> Path:
    """Write a chart that prints a line and values into the document, and return its template."""
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.0.0\n")
    (folder / "values.yaml").write_text("level: info\nusers: 'ann'\n")
    file = folder / "templates" / "settings.yaml"
    template = MANIFEST.replace(
        "    # users of the shop\n", "    {{- range list 1 2 }}\n    # {{ . }}\n    {{- end }}\n"
    )
    file.write_text(template.replace("name: ann", "name: {{ .Values.users }}"))
    return file


@pytest.mark.parametrize("write", [write_manifest, write_overlay, write_chart])
def test_credential_is_located_at_its_line(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    file = write(tmp_path)
    rows = file.read_text().split("\n")
    assessment = scan(ScanRequest(ScanInput(paths=(str(tmp_path),)), rules=RuleOptions(controls=("C-0012",))))
    for result in assessment.results:
        (verdict,) = result.verdicts.values()
        regions = {entry.path: entry.location for entry in verdict.evidence}
        lines = {
            path: rows[location.region.start.line - 1]
            for path, location in regions.items()
            if location is not None and location.region is not None and Path(location.file).name == file.name
        }
        assert lines == LINES
    assert assessment.results

"""Names and file type of Helm charts. No I/O."""

from __future__ import annotations

from typing import Final

from kubekeep.model.source import CommentSyntax, FileType

CHART: Final = "Chart.yaml"
HELM: Final = FileType(
    "Helm Chart",
    origin="chart",
    is_template=True,
    comments=(("", CommentSyntax.TEMPLATE),),
    fields=(
        ("helmPath", "folder"),
        ("helmChartName", "chart"),
        ("helmTemplateFile", "file"),
        ("helmValuesPaths", "values"),
        ("helmTemplateLine", "line"),
        ("helmSubchart", "subchart"),
    ),
)

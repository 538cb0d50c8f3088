"""Report and ClusterReport (openreports.io/v1alpha1), the successors of policy reports.

The output can be applied by `kubectl apply -f` if the two kinds are installed. `shared.policy_reports` has the content.
"""

from __future__ import annotations

from typing import Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.reports.format import ReportFormat, ReportOptions
from kubekeep.reports.shared.policy_reports import Dialect, write

_DIALECT: Final = Dialect("openreports.io/v1alpha1", "Report", "ClusterReport", names_source=True)


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the reports as YAML documents."""
    write(assessment, stream, _DIALECT)


FORMAT: Final = ReportFormat(
    name="openreports",
    extension=".yaml",
    owns_extension=False,
    media_type="application/yaml",
    description="Report objects (openreports.io/v1alpha1) for each namespace and the cluster",
    render=render,
)

"""Report and ClusterReport (openreports.io/v1alpha1), the successors of policy reports.

`kubectl apply -f` takes the file where the two kinds are installed. See `shared.policy_reports` for what is in them.
"""

from __future__ import annotations

from typing import Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.reports.format import Format, Options
from kubekeep.reports.shared.policy_reports import Dialect, write

_DIALECT: Final = Dialect("openreports.io/v1alpha1", "Report", "ClusterReport", names_source=True)


def render(assessment: Assessment, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - for people only
    """Write the reports as YAML documents."""
    write(assessment, stream, _DIALECT)


FORMAT: Final = Format(
    name="openreports",
    extension=".yaml",
    media_type="application/yaml",
    description="Report objects (openreports.io/v1alpha1) for each namespace and the cluster",
    render=render,
)

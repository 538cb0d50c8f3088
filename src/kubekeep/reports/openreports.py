"""Report and ClusterReport (openreports.io/v1alpha1), the successors of policy reports.

The output can be applied by `kubectl apply -f` if the two kinds are installed. `shared.policy_reports` has the content.
"""

from __future__ import annotations

from typing import Final

from kubekeep.reports.shared.policy_reports import Dialect, create_format

_DIALECT: Final = Dialect("openreports.io/v1alpha1", "Report", "ClusterReport", names_source=True)
FORMAT: Final = create_format(
    "openreports", "Report objects (openreports.io/v1alpha1) for each namespace and the cluster", _DIALECT
)

"""PolicyReport and ClusterPolicyReport (wgpolicyk8s.io/v1alpha2), for Policy Reporter and other dashboards.

The output can be applied by `kubectl apply -f` if the two kinds are installed. `shared.policy_reports` has the content.
"""

from __future__ import annotations

from typing import Final

from kubekeep.reports.shared.policy_reports import Dialect, create_format

_DIALECT: Final = Dialect("wgpolicyk8s.io/v1alpha2", "PolicyReport", "ClusterPolicyReport", names_source=False)
FORMAT: Final = create_format(
    "policyreport", "PolicyReport objects (wgpolicyk8s.io/v1alpha2) for each namespace and the cluster", _DIALECT
)

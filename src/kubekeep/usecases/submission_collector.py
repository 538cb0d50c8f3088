"""Objects of an input that only a submission needs: its identity, and its roles and bindings. Collected while they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kubekeep.model.cluster import IDENTITY_NAMESPACE, CoverageGap
from kubekeep.model.json_values import as_mapping
from kubekeep.model.permissions import ClusterPermissions
from kubekeep.model.resource import Resource
from kubekeep.posture.cluster_permissions import describe_permissions, has_permissions
from kubekeep.reports.format import Extra
from kubekeep.usecases.request import ScanRequest


class SubmissionCollector:
    """Collects from the objects of a scan; nothing for a scan without a submission."""

    def __init__(self, request: ScanRequest) -> None:
        self.uid = ""
        """UID of the Namespace kube-system, once it was read."""
        self._is_active = Extra.SOURCE in request.needs.extras
        self._has_whole_input = request.has_whole_input
        self._is_whole_cluster = request.input.is_whole_cluster
        self._permissions: list[Resource] = []

    def collect(self, resources: Iterator[Resource]) -> Iterator[Resource]:
        """Return the same resources; those that are needed are kept when they are read."""
        return self._collect(resources) if self._is_active else resources

    def describe_permissions(self, gaps: Sequence[CoverageGap]) -> ClusterPermissions | None:
        """Return the roles and bindings that were read. None if the scan selects a part of its input: some would be missing."""
        if not self._has_whole_input:
            return None
        return describe_permissions(self._permissions, gaps, is_whole_cluster=self._is_whole_cluster)

    def _collect(self, resources: Iterator[Resource]) -> Iterator[Resource]:
        for resource in resources:
            if resource.kind == "Namespace" and resource.name == IDENTITY_NAMESPACE and not resource.group:
                self.uid = str(as_mapping(resource.object.get("metadata")).get("uid") or "")
            elif has_permissions(resource):
                self._permissions.append(resource)
            yield resource

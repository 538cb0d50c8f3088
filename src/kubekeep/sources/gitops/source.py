"""Source of the applications of Argo CD and Flux among the scanned resources. Renders nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.subject import Subject
from kubekeep.sources.gitops.names import ARGO, FLUX_HELM, FLUX_KUSTOMIZE, FLUX_SOURCE
from kubekeep.sources.source import ReadContext, Root, SourceType


class GitopsSource(SourceType):
    """Charts and folders of the scanned repository, read with the values in their applications.

    Runs before the source of charts, which does not read these charts again.
    """

    name = "gitops"
    order = 70
    followed_groups = frozenset({ARGO, FLUX_HELM, FLUX_KUSTOMIZE, FLUX_SOURCE})

    def read(self, roots: Sequence[Root], context: ReadContext) -> Iterator[Subject | UnreadInput]:
        """Yield the resources of kustomizations and folders that applications deploy, then of their charts."""
        del roots
        applications = context.followed.get(self.name)
        if not applications:
            return
        from kubekeep.sources.gitops.deployed_roots import find_deployed_roots  # noqa: PLC0415 - most scans have none

        environment = context.options.access.environment
        charts: list[Root] = []
        for root in find_deployed_roots(applications, context.options.helm, environment, context.temporary):
            if isinstance(root, UnreadInput):
                yield root
            elif root.helm is not None:
                charts.append(root)
            else:
                yield from context.read_root(root)
        for root in charts:
            yield from context.read_root(root)


SOURCE: Final = GitopsSource()

"""Attack paths through files or a cluster: a scan of the controls that break such paths. Never prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import msgspec

from kubekeep.attackpaths.control_slugs import EVIDENCE_CONTROLS
from kubekeep.attackpaths.find import fails_gate
from kubekeep.attackpaths.tracks import load_tracks
from kubekeep.exceptions.load import ExceptionOptions
from kubekeep.model.assessment import Assessment
from kubekeep.model.attack import ALL_PATHS, AttackQuery
from kubekeep.reports.format import Extra
from kubekeep.usecases.package_request import PackageRequest
from kubekeep.usecases.package_scan import add_packages
from kubekeep.usecases.request import EvaluationOptions, ReportNeeds, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan


class PathsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The input, the paths to find in it, and the exceptions: an excepted finding does not open a step.

    packages: of the images that workloads use, for a query for paths through them.
    """

    input: ScanInput
    query: AttackQuery = ALL_PATHS
    kubernetes_version: str = ""
    exceptions: ExceptionOptions = ExceptionOptions()
    packages: PackageRequest | None = None


def scan_attack_paths(
    request: PathsRequest, *, stdin: BinaryIO | None = None, on_progress: Callable[[int], None] = lambda _: None
) -> Assessment:
    """Scan the input and return an assessment of the controls that break paths, with the paths in `attacks`.

    Raises the errors of `scan`, and UnknownNameError for an unknown source or target.
    """
    scan_request = ScanRequest(
        request.input,
        # Controls that are named one by one are evaluated on files even if they need a cluster.
        RuleOptions(controls=(*EVIDENCE_CONTROLS, *load_tracks().memberships)),
        EvaluationOptions(kubernetes_version=request.kubernetes_version, exceptions=request.exceptions),
        ReportNeeds(extras=frozenset({Extra.ATTACK_PATHS}), attack_query=request.query),
    )
    if request.packages is not None:
        scan_request = add_packages(scan_request, request.packages, workloads=request.query.images)
    return scan(scan_request, stdin=stdin, on_progress=on_progress)


def has_open_path(assessment: Assessment, query: AttackQuery) -> bool:
    """Return True if a path without assumptions ends at a target of the query; by default, only cluster-admin counts."""
    return assessment.attacks is not None and fails_gate(assessment.attacks, query)

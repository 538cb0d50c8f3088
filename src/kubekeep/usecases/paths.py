"""Find the attack paths through what is at some paths. Never prints and never decides a gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import msgspec

from kubekeep.attackpaths.cited import CITED
from kubekeep.attackpaths.tracks import tracks
from kubekeep.model.assessment import Assessment
from kubekeep.model.attack import ALL_PATHS, AttackQuery
from kubekeep.reports.format import Extra
from kubekeep.sources.options import ReadOptions
from kubekeep.usecases.request import EvaluationOptions, ReportNeeds, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan


class PathsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look and what for; a `snapshot` is all objects of a cluster."""

    paths: tuple[str, ...]
    question: AttackQuery = ALL_PATHS
    kubernetes_version: str
    snapshot: bool = False
    read: ReadOptions = ReadOptions()


def attack_paths(
    request: PathsRequest, *, stdin: BinaryIO | None = None, note: Callable[[int], None] = lambda _: None
) -> Assessment:
    """An assessment of only the controls that would break paths, with the paths in `attacks`.

    Raises what `scan` raises, and UnknownNameError for a source or target that nothing is called.
    """
    # Named one by one, controls that only a cluster can answer are evaluated on files too.
    wanted = ScanRequest(
        ScanInput(paths=request.paths, snapshot=request.snapshot, read=request.read),
        rules=RuleOptions(controls=(*CITED, *tracks().members)),
        evaluation=EvaluationOptions(kubernetes_version=request.kubernetes_version),
        needs=ReportNeeds(extras=frozenset({Extra.ATTACK_PATHS}), attack_query=request.question),
    )
    return scan(wanted, stdin=stdin, on_progress=note)

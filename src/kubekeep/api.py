"""The Python API: scan files or a cluster, get an assessment with typed findings, and use a server of results.

Loaded on first use by `kubekeep`; the command line uses the same functions. Never prints.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from kubekeep.exceptions.load import ExceptionOptions
from kubekeep.library.extra import load_rules
from kubekeep.model.assessment import Assessment
from kubekeep.model.control import Provider
from kubekeep.model.errors import RequestError
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.text import visible
from kubekeep.reports import load
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.submission import FORMAT as SUBMISSION
from kubekeep.sources.images.settings import select_read_options
from kubekeep.sources.pattern import expand
from kubekeep.sources.registry import load_sources
from kubekeep.usecases.cluster_access import ClusterSelection, request_cluster
from kubekeep.usecases.request import EvaluationOptions, ReportNeeds, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan as scan_request
from kubekeep.usecases.server import Server
from kubekeep.vulnerabilities.options import VulnerabilityOptions

__all__ = ["Server", "render", "scan", "scan_cluster", "scan_request"]

PathLike = str | os.PathLike[str]
_STDIN: Final = "-"


def scan(  # noqa: PLR0913 - one argument per option
    *paths: PathLike | Mapping[str, Any],
    # Options of the command line, written by scripts/api_arguments.py:
    exceptions: Iterable[PathLike] = (),
    frameworks: Iterable[str] = (),
    kubernetes_version: str = "",
    snapshot: bool = False,
    provider: Provider | None = None,
    exclude_controls: Iterable[str] = (),
    custom_rules: Iterable[PathLike] = (),
    # Other arguments:
    controls: Iterable[str] = (),
    params: Mapping[str, Iterable[str]] | None = None,
    vulnerabilities: VulnerabilityOptions | None = None,
    stdin: BinaryIO | None = None,
    identify: bool = False,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Assessment:
    """Scan files, folders, charts, kustomizations, URLs or images (`image:nginx:1.29`) and return the assessment.

    A path can also be an object: a mapping such as `{"apiVersion": "v1", "kind": "Pod", ...}`. `-` is `stdin`. Without
    `frameworks` and `controls`, the framework `recommended` is evaluated. `exceptions` and `custom_rules` are files or
    folders. With `snapshot`, the files contain all objects of one cluster. With `vulnerabilities`, the packages of
    images and of SBOMs (`sbom:image.cdx.json`) are compared with these advisories. With `identify`,
    `Assessment.source` names the cluster, repository or registry of the input, which `Server.submit` requires. `on_progress`
    receives the number of resources read so far. Raises KubekeepError for a path that does not exist, for unknown names and versions, and for
    unreadable rules or exceptions; files that cannot be read are in `Assessment.unread`.
    """
    if not paths:
        raise RequestError("scan() requires a path; use scan_cluster() for a live cluster")
    objects = [path for path in paths if isinstance(path, Mapping)]
    names = tuple([os.fsdecode(path) for path in paths if not isinstance(path, Mapping)])
    _check_existence(names)
    if objects:
        if stdin is not None or _STDIN in names:
            raise RequestError("objects and standard input cannot be scanned together")
        names, stdin = (*names, _STDIN), io.BytesIO("\n---\n".join(map(json.dumps, objects)).encode())
    read = msgspec.structs.replace(select_read_options(names), vulnerabilities=vulnerabilities)
    source = ScanInput(paths=names, snapshot=snapshot, read=read)
    rules = _rules(frameworks, controls, exclude_controls, params, custom_rules, provider)
    evaluation = _evaluation(exceptions, kubernetes_version)
    return scan_request(ScanRequest(source, rules, evaluation, _needs(identify)), stdin=stdin, on_progress=on_progress)


def _check_existence(names: Iterable[str]) -> None:
    """Raise RequestError for a path or pattern without a file."""
    addresses = [source.matches_address for source in load_sources().values()]
    for name in names:
        if any(matches(name) for matches in addresses):
            continue
        paths = expand(name)
        if paths == []:
            raise RequestError(f"{visible(name)}: no file matches this pattern")
        if paths is None and not os.path.lexists(name):
            raise RequestError(f"{visible(name)}: no such file or folder")


def scan_cluster(  # noqa: PLR0913 - one argument per option
    context: str = "",
    *,
    # Options of the command line, written by scripts/api_arguments.py:
    kubeconfig: PathLike = "",
    exceptions: Iterable[PathLike] = (),
    frameworks: Iterable[str] = (),
    exclude_controls: Iterable[str] = (),
    namespaces: Iterable[str] = (),
    custom_rules: Iterable[PathLike] = (),
    # Other arguments:
    controls: Iterable[str] = (),
    params: Mapping[str, Iterable[str]] | None = None,
    identify: bool = False,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Assessment:
    """Scan the cluster of a kubeconfig `context` (default: the current one) and return the assessment.

    The default `kubeconfig` is the one that kubectl uses. With `namespaces`, only their resources get verdicts.
    With `identify`, the assessment can be submitted to a server. Raises
    KubeError, a KubekeepError, if the cluster cannot be reached; resources that could not be listed are in
    `Assessment.unread`.
    """
    cluster = request_cluster(ClusterSelection(kubeconfig=os.fspath(kubeconfig), context=context))
    rules = _rules(frameworks, controls, exclude_controls, params, custom_rules)
    selection = ResourceSelection(include_namespaces=tuple(namespaces))
    evaluation = msgspec.structs.replace(_evaluation(exceptions, ""), resource_selection=selection)
    return scan_request(
        ScanRequest(ScanInput(cluster=cluster), rules, evaluation, _needs(identify)), on_progress=on_progress
    )


def _rules(
    frameworks: Iterable[str],
    controls: Iterable[str],
    exclude_controls: Iterable[str],
    params: Mapping[str, Iterable[str]] | None,
    custom_rules: Iterable[PathLike],
    provider: Provider | None = None,
) -> RuleOptions:
    paths = [Path(path) for path in custom_rules]
    return RuleOptions(
        frameworks=_names(frameworks),
        controls=_names(controls),
        excluded=_names(exclude_controls),
        params={name: _names(values) for name, values in (params or {}).items()},
        extra=load_rules(paths) if paths else None,
        provider=provider,
    )


def _evaluation(exceptions: Iterable[PathLike], kubernetes_version: str) -> EvaluationOptions:
    files = tuple(os.fspath(path) for path in exceptions)
    return EvaluationOptions(kubernetes_version=kubernetes_version, exceptions=ExceptionOptions(files=files))


def _needs(identify: bool) -> ReportNeeds:  # noqa: FBT001 - of the public functions
    return ReportNeeds(extras=SUBMISSION.extras if identify else frozenset())


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def render(assessment: Assessment, format_name: str = "json", options: ReportOptions | None = None) -> str | bytes:
    """Return `assessment` as a report: text, or bytes for a binary format. Raises LookupError for unknown formats."""
    report_format = load(format_name)
    if report_format.binary:
        buffer = io.BytesIO()
        report_format.render(assessment, buffer, options or ReportOptions())
        return buffer.getvalue()
    text = io.StringIO()
    report_format.render(assessment, text, options or ReportOptions())
    return text.getvalue()

"""Variants of the canonical assessment: with excerpts, exceptions and attack paths, many findings, or none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Final

import msgspec

from kubekeep.model.assessment import Assessment, Counts, SubjectResult
from kubekeep.model.attack import (
    AttackNode,
    AttackNodeKind,
    AttackPath,
    Attacks,
    Cut,
    Edge,
    EdgeKind,
    Opening,
    PrioritisedResource,
    PriorityVector,
    TrackStep,
)
from kubekeep.model.control import Control
from kubekeep.model.exception import AppliedException, ExceptionSource, ExceptionStatus, ExceptionUse
from kubekeep.model.git import GitRepository
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.source import Source
from kubekeep.model.verdict import PASSED, Evidence, Excerpt, Status, Verdict
from kubekeep.sources.manifests.names import YAML

HOSTILE: Final = "</script><img src=x onerror=alert(1)>&amp;<!--{{7*7}}"
EXCEPTION: Final = AppliedException(
    name="legacy-web",
    source=ExceptionSource.FILE,
    reason=f"moves in spring {HOSTILE}",
    expires=dt.datetime(2027, 3, 1, tzinfo=dt.UTC),
    location=Location("exceptions.json"),
)
REPOSITORY: Final = GitRepository("/srv/shop", f"https://git.example.com/shop {HOSTILE}", "main")
UNUSED: Final = AppliedException(name="gone", source=ExceptionSource.COMMENT, location=Location("deploy/old.yaml"))


def add_extras(assessment: Assessment) -> Assessment:
    """Return the assessment with excerpts, exceptions for web-6 and for one location of web-0, and attack paths."""
    results = tuple(_add_excerpts(_add_exceptions(result)) for result in assessment.results)
    uses = (
        ExceptionUse(exception=EXCEPTION, status=ExceptionStatus.MATCHED),
        ExceptionUse(exception=UNUSED, status=ExceptionStatus.UNUSED, text="it covers no finding"),
    )
    return msgspec.structs.replace(
        assessment, results=results, exceptions=uses, attacks=attacks(assessment), repository=REPOSITORY
    )


def _add_exceptions(result: SubjectResult) -> SubjectResult:
    name, verdict = result.subject.name, result.verdicts.get("privileged")
    if verdict is None or name not in ("web-0", "web-6"):
        return result
    evidence = tuple(
        msgspec.structs.replace(evidence, exception=EXCEPTION) if name == "web-6" or index == 0 else evidence
        for index, evidence in enumerate(verdict.evidence)
    )
    status = Status.PASSED if name == "web-6" else Status.FAILED
    return SubjectResult(result.subject, {**result.verdicts, "privileged": Verdict(status, evidence)})


def _add_excerpts(result: SubjectResult) -> SubjectResult:
    return SubjectResult(result.subject, {slug: _shown(verdict) for slug, verdict in result.verdicts.items()})


def _shown(verdict: Verdict) -> Verdict:
    return msgspec.structs.replace(verdict, evidence=tuple(map(_with_excerpt, verdict.evidence)))


def _with_excerpt(evidence: Evidence) -> Evidence:
    if evidence.location is None or evidence.location.region is None:
        return evidence
    line = evidence.location.region.start.line
    lines = (
        "      containers:",
        "      - name: app",
        "        securityContext:",
        f"          privileged: true # {HOSTILE}",
    )
    return msgspec.structs.replace(evidence, excerpt=Excerpt(line - 3, (*lines, "", "        image: shop/web:1.4")))


def attacks(assessment: Assessment) -> Attacks:
    """Return a path from the internet over a workload to a node."""
    by_slug = {
        summary.definition.slug: summary.definition
        for summary in assessment.summaries
        if isinstance(summary.definition, Control)
    }
    privileged = assessment.results[2].subject
    assert isinstance(privileged, Resource)
    place = Location("deploy/web-0.yaml", Region(Position(21, 13), Position(21, 29)))
    internet = AttackNode("internet", AttackNodeKind.INTERNET, "internet")
    web = AttackNode("web", AttackNodeKind.WORKLOAD, f"Deployment default/web-0 {HOSTILE}", place)
    host = AttackNode("node", AttackNodeKind.HOST, "a node")
    exposed = Edge(internet, web, EdgeKind.EXPOSURE, (Opening("a load balancer leads to it", "Service web"),))
    opening = Opening(
        f"container app is privileged {HOSTILE}", "Deployment web-0", place, (by_slug["privileged"],), "the pod runs"
    )
    escape = Edge(web, host, EdgeKind.ESCAPE, (opening,))
    step = TrackStep(by_slug["privileged"], "Privilege escalation", ("security",))
    vector = PriorityVector("workload-external-track", (step,), 1250.4, Severity.HIGH)
    return Attacks(
        prioritised=(PrioritisedResource(privileged, (vector,), 1250.4, Severity.HIGH),),
        paths=(AttackPath((exposed, escape), Severity.CRITICAL),),
        unlisted_path_count=3,
        cuts=(Cut(escape, (0,), unlisted_path_count=2, detours=1),),
        notes=(f"RBAC is not in the input {HOSTILE}",),
    )


def multiply_findings(assessment: Assessment, count: int) -> Assessment:
    """Return the assessment with `count` findings of two controls in a hundred namespaces."""

    def result(number: int) -> SubjectResult:
        file = f"teams/team-{number % 100}/app-{number}.yaml"
        metadata = {"name": f"app-{number}", "namespace": f"team-{number % 100}"}
        source = Source(path=file, base="/srv/shop", file_type=YAML, document=0)
        kind = "Deployment" if number % 3 else "StatefulSet"
        resource = Resource({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata}, source)
        region = Region(Position(20 + number % 40, 9), Position(20 + number % 40, 29))
        path = f"spec.template.spec.containers[{number % 4}].securityContext.privileged"
        evidence = Evidence(path, exists=True, location=Location(file, region), fix="false")
        slug = "privileged" if number % 2 else "limits"
        return SubjectResult(resource, {slug: _shown(Verdict(Status.FAILED, (evidence,)))})

    counts = Counts(failed=count)
    return msgspec.structs.replace(assessment, results=tuple(map(result, range(count))), counts=counts)


def passed(assessment: Assessment) -> Assessment:
    """Return the assessment with every control evaluated and passed."""
    first = msgspec.structs.replace(assessment.summaries[5], reason=None)
    part = msgspec.structs.replace(
        assessment.frameworks[0],
        controls=(first.definition.slug,),
        compliance=100.0,
        coverage=100.0,
        status=Status.PASSED,
    )
    return msgspec.structs.replace(
        assessment,
        results=(SubjectResult(assessment.results[2].subject, {first.definition.slug: PASSED}),),
        summaries=(first,),
        frameworks=(part,),
        unread=(),
        notes=(),
        status=Status.PASSED,
        counts=Counts(passed=1),
        score=0.0,
        compliance=100.0,
        coverage=100.0,
    )


def empty(assessment: Assessment) -> Assessment:
    """Return the assessment of an empty scan."""
    return msgspec.structs.replace(
        passed(assessment),
        results=(),
        summaries=(),
        frameworks=(),
        counts=Counts(),
        compliance=None,
        coverage=0.0,
        files=0,
    )


SAMPLES: Final[dict[str, Callable[[Assessment], Assessment]]] = {
    "as it is": lambda assessment: assessment,
    "full": add_extras,
    "passed": passed,
    "empty": empty,
}

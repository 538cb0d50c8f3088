"""The canonical assessment that every format renders: all statuses, many locations, hostile names."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from kubekeep.model.assessment import (
    Assessment,
    Counts,
    DefinitionSummary,
    FrameworkSummary,
    SubjectResult,
    Target,
    UnreadInput,
)
from kubekeep.model.control import Control
from kubekeep.model.definition import Parameter
from kubekeep.model.enforcement import Enforcement
from kubekeep.model.framework import Framework
from kubekeep.model.git import Commit
from kubekeep.model.location import Location, Position, Region, Setting
from kubekeep.model.resource import Resource
from kubekeep.model.scanned_source import SourceRepository
from kubekeep.model.source import RenderOrigin, Source
from kubekeep.model.verdict import PASSED, Cause, Evidence, Reason, Status, Verdict
from kubekeep.posture.priority import prioritise
from kubekeep.sources.helm.names import HELM
from kubekeep.sources.kustomize.names import KUSTOMIZE
from kubekeep.sources.manifests.names import YAML

BASE = "/srv/shop"
SOURCE = SourceRepository("github.com/example/shop", (), "main", "1" * 40)
PLANTED = "kept-secret-4711"
"""Secret in a Secret, an environment variable and an annotation of the assessment; no report may contain it."""
HOSTILE = "\x1b[31mred\x1b]8;;http://evil\x07 ]]> <script>alert(1)</script> \u202eesrever 数据库 \ud800\x00"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what the formats render as the golden files")


def region(line: int, column: int, end_column: int) -> Region:
    return Region(Position(line, column), Position(line, end_column))


def resource(api: str, kind: str, name: str, file: str, number: int = 0, **fields: Any) -> Resource:
    metadata = {"name": name, "namespace": fields.pop("namespace", "default")}
    source = Source(path=file, base=BASE, file_type=YAML, document=number)
    return Resource({"apiVersion": api, "kind": kind, "metadata": metadata, **fields}, source)


def deployment(name: str, file: str) -> Resource:
    container = {
        "name": "app",
        "image": "shop/web:1.4",
        "securityContext": {"privileged": True, "capabilities": {"add": ["SYS_ADMIN"]}},
        "env": [{"name": "DB_PASSWORD", "value": PLANTED}],
    }
    return resource("apps/v1", "Deployment", name, file, spec={"template": {"spec": {"containers": [container] * 7}}})


def privileged(file: str, line: int, container: int = 0) -> Evidence:
    path = f"spec.template.spec.containers[{container}].securityContext.privileged"
    return Evidence(path, exists=True, location=Location(file, region(line, 13, 29)), fix="false")


def control(slug: str, title: str, severity: float, number: str = "") -> Control:
    return Control(
        slug=slug,
        area="workload",
        title=title,
        severity=severity,
        asks=f"{title}: must not be.\n",
        why="An attacker in the container would own the node.\n",
        fix="Set what is named to what is safe.\nThe place is shown above.\n\nA second paragraph.\n",
        references=(f"https://example.com/{slug}",),
        targets=("workload",),
        ids=(number,) if number else (),
    )


PARAMETERS = {"imageRepositoryAllowList": Parameter("what is allowed", ("quay.io",)), "unused": Parameter("a list")}
CONTROLS = {
    "host-pid": control("host-pid", "Host process namespace", 9.5),
    "privileged": control("privileged", "Privileged container", 8.0, number="C-0057"),
    "secret-in-env": control("secret-in-env", "Credentials in the environment <of> containers", 8.0, number="C-0012"),
    "bindings": control("bindings", "Roles that may create pods", 5.0, number="C-0188"),
    "labels": control("labels", "Resources without an owner", 2.0, number="C-0076"),
    "limits": control("limits", "Memory limits", 6.0, number="C-0271"),
    "registries": msgspec.structs.replace(
        control("registries", "Images from registries that are not allowed", 7.0, number="C-0001"), params=PARAMETERS
    ),
    "kubelet": control("kubelet", "Anonymous access to the kubelet", 10.0, number="C-0069"),
    "proxy": control("proxy", "Addresses of the proxy", 4.0, number="C-0070"),
    "cronjobs": control("cronjobs", "Scheduled jobs", 1.0, number="C-0026"),
}
WHERE = {
    "kubelet": Reason(Cause.NEEDS_HOST_DATA, "It reads files of the nodes: scan with a host agent."),
    "proxy": Reason(Cause.NEEDS_HOST_DATA, "It reads files of the nodes: scan with a host agent."),
    "registries": Reason(Cause.CONFIGURATION, "No registries are allowed by name: set imageRepositoryAllowList."),
    "cronjobs": Reason(Cause.IRRELEVANT, "No CronJob is in the input."),
}


ENFORCEMENT = {
    "privileged": (
        Enforcement(policy="no-privileged", is_bound=True, actions=("Deny", "Audit"), is_partial=True),
        Enforcement(policy=f"told {HOSTILE}", is_bound=True, actions=("Warn",)),
    ),
    "limits": (Enforcement(policy="limits"),),
}


def results() -> tuple[SubjectResult, ...]:
    owner = Verdict(Status.FAILED, (Evidence("metadata.labels.owner", exists=False, location=None, fix='"me"'),))
    skipped = Verdict(Status.NOT_EVALUATED, reason=WHERE["registries"])
    results_of_web: list[SubjectResult] = []
    for index in range(7):
        file = f"deploy/web-{index}.yaml"
        first = (privileged(file, 21), privileged(file, 44, 1))
        more = tuple(privileged(file, 60 + number, number) for number in range(2, 7)) if index == 0 else ()
        added = Evidence(
            "spec.template.spec.containers[0].securityContext.capabilities.add[0]",
            exists=True,
            location=Location(file, region(24, 17, 28)),
            delete=True,
            message="SYS_ADMIN is as good as root",
        )
        verdicts = {
            "privileged": Verdict(Status.FAILED, (*first, *more, added) if index == 0 else first[:1]),
            "limits": PASSED,
            "registries": skipped,
        }
        results_of_web.append(SubjectResult(deployment(f"web-{index}", file), verdicts))
    secret = resource("v1", "Secret", "db", "deploy/secret.yaml", data={"password": PLANTED}, stringData={"a": PLANTED})
    results_of_web.append(SubjectResult(secret, {"labels": owner}))
    variable = Evidence(
        "spec.containers[0].env[0].value",
        exists=True,
        location=Location(
            "a very long folder name/数据库/with spaces & <signs>/deep/" * 2 + "pod.yaml", region(7, 9, 20)
        ),
    )
    pod = resource(
        "v1",
        "Pod",
        HOSTILE,
        f"{HOSTILE}.yaml",
        namespace="\u2066shop\u2069",
        spec={"hostPID": True, "containers": [{"name": HOSTILE, "env": [{"name": "TOKEN", "value": PLANTED}]}]},
    )
    host = Evidence("spec.hostPID", exists=True, location=None, delete=True, message=HOSTILE)
    failed = {"secret-in-env": Verdict(Status.FAILED, (variable,)), "host-pid": Verdict(Status.FAILED, (host,))}
    results_of_web.append(SubjectResult(pod, failed))
    return (rendered(), built(), *results_of_web, joined())


def rendered() -> SubjectResult:
    """Return a workload of a sub-chart with values from a values file and from the command line."""
    template = "chart/charts/cache/templates/deploy.yaml"
    origin = RenderOrigin("chart", chart="shop", subchart="cache", values=("values-prod.yaml",))
    plain = deployment("cache", template)
    assert plain.source is not None
    source = msgspec.structs.replace(plain.source, file_type=HELM, origin=origin)
    settings = (
        Setting("cache.securityContext.privileged", "chart/values.yaml", region(14, 5, 21)),
        Setting("cache.debug", "--set"),
    )
    evidence = tuple(
        Evidence(
            f"spec.template.spec.containers[{number}].securityContext.privileged",
            exists=True,
            location=Location(template, region(31, 13, 60), setting),
            fix="false",
        )
        for number, setting in enumerate(settings)
    )
    failed = {"privileged": Verdict(Status.FAILED, evidence)}
    return SubjectResult(msgspec.structs.replace(plain, source=source), failed)


def built() -> SubjectResult:
    """Return a workload that an overlay builds from a base."""
    plain = deployment("web", "overlays/prod")
    assert plain.source is not None
    source = msgspec.structs.replace(plain.source, file_type=KUSTOMIZE, origin=RenderOrigin("overlays/prod"))
    moment = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    commit = Commit("4f2a" * 10, f"Ann {HOSTILE}", "ann@example.com", moment, f"Open it {HOSTILE}")
    patched = msgspec.structs.replace(privileged("overlays/prod/patch.yaml", 12, 1), commit=commit)
    evidence = (privileged("base/web.yaml", 9), patched)
    failed = {"privileged": Verdict(Status.FAILED, evidence)}
    return SubjectResult(msgspec.structs.replace(plain, source=source), failed)


def joined() -> SubjectResult:
    binding = resource("rbac.authorization.k8s.io/v1", "RoleBinding", "deployer", "rbac.yaml", 0, roleRef={"name": "r"})
    role = resource("rbac.authorization.k8s.io/v1", "Role", "r", "rbac.yaml", 1, rules=[{"verbs": ["create"]}])
    subject = Resource(
        {"kind": "ServiceAccount", "name": "robot", "namespace": "default"}, document=None, related=(binding, role)
    )
    paths = ("relatedObjects[1].rules[0].verbs[0]", "relatedObjects[0].roleRef.name")
    evidence = tuple(
        Evidence(path, exists=True, location=Location("rbac.yaml", region(number, 5, 20)))
        for number, path in enumerate(paths, start=12)
    )
    return SubjectResult(subject, {"bindings": Verdict(Status.FAILED, evidence)})


def summaries(results: tuple[SubjectResult, ...]) -> tuple[DefinitionSummary, ...]:
    sums: list[DefinitionSummary] = []
    for slug, entry in CONTROLS.items():
        statuses = [result.verdicts[slug].status for result in results if slug in result.verdicts]
        counts = Counts(*(statuses.count(status) for status in Status))
        reason, policies = WHERE.get(slug), ENFORCEMENT.get(slug, ())
        status = Status.NOT_EVALUATED if reason else Status.FAILED if counts.failed else Status.PASSED
        score = None if reason else 100.0 * counts.passed / (counts.total or 1)
        risk = 100.0 - (score or 0.0)
        sums.append(DefinitionSummary(entry, status, counts, risk, score, reason, policies, prioritise(entry)))
    return tuple(sums)


@pytest.fixture
def assessment() -> Assessment:
    """Return twelve resources, ten controls and three frameworks, with two unread inputs."""
    resource_results = results()
    frameworks = (
        ("NSA", ("privileged", "host-pid", "limits", "kubelet", "cronjobs"), Status.FAILED, 66.66, 75.0),
        ("MITRE", ("secret-in-env", "bindings", "registries"), Status.FAILED, 99.99, 66.0),
        ("cis-v1.10.0", ("kubelet", "proxy"), Status.NOT_EVALUATED, None, 0.0),
    )
    return Assessment(
        target=Target((".",), BASE),
        started=dt.datetime(2026, 11, 24, 10, 0, 0, 250_000, tzinfo=dt.UTC),
        finished=dt.datetime(2026, 11, 24, 11, 0, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        version="0.1.0",
        kubernetes_version="1.34",
        results=resource_results,
        summaries=summaries(resource_results),
        frameworks=tuple(
            FrameworkSummary(
                Framework(slug=name.lower(), name=name, title=name, description=name),
                controls,
                status,
                Counts(7, 9, 7),
                33.3,
                compliance,
                coverage,
            )
            for name, controls, status, compliance, coverage in frameworks
        ),
        unread=(
            UnreadInput(Location("charts/broken.yaml", region(12, 3, 4)), "mapping values are not allowed here"),
            UnreadInput(Location(f"{HOSTILE}.yaml"), f"not UTF-8: {HOSTILE}"),
        ),
        files=12,
        notes=("excluded: 1 file and 2 folders", HOSTILE),
        params={"unused": ("x",)},
        status=Status.FAILED,
        counts=Counts(0, 12, 0),
        score=41.5,
        compliance=62.5,
        coverage=70.0,
        source=SOURCE,
    )

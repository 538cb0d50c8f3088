"""Controls of the Pod Security Standards, compared with the Go module of the API server.

The controls must reject the same pods by the same checks, at both levels, in every version of Kubernetes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.cases import Case
from kubekeep.library.cases import read_objects as documents
from kubekeep.library.load import builtin
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.control import Control
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Cause, Status
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import Selection, select
from tests.library.builtin_cases import list_builtin_cases
from tests.library.pods import objects
from tests.oracles.references import get_answer

LEVELS: Final = ("baseline", "restricted")
MINORS: Final = range(25, 39)
"""Includes one version after the module's last, which the module treats as its last."""
PODS: Final = 3000

CASES: Final = [
    case for case in list_builtin_cases() if case.control.area == "pod-security" and case.expected != "skip"
]

Failed = dict[str, dict[int, frozenset[str]]]
"""Checks that reject a pod, by level and minor version."""


def test_controls_reject_the_same_pods() -> None:
    pods = objects(seed=1, count=PODS)
    expected = _reference(pods)
    differences = []
    for minor in MINORS:
        for number, result in enumerate(_assess(pods, minor)):
            for level in LEVELS:
                rejected, failed = expected[number][level][minor], _failed(result, level, minor)
                if rejected != failed:
                    differences.append((f"1.{minor}", level, sorted(rejected ^ failed), json.dumps(pods[number])))
    assert not differences, f"{len(differences)} differences, such as {differences[:3]}"
    # A check that rejects no pod would be untested.
    for level in LEVELS:
        seen = frozenset[str]().union(*(pod[level][minor] for pod in expected for minor in MINORS))
        assert seen == {name for control in _members(level) for name in control.satisfies[f"pss-{level}"]}
        assert any(not pod[level][37] for pod in expected), "no pod passes"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cases_match_upstream(case: Case) -> None:
    minor = case.options.minor
    for level in LEVELS:
        names = case.control.satisfies.get(f"pss-{level}")
        if names is not None:
            rejected = [_check(names, minor) in pod[level][minor] for pod in _reference(documents(case))]
            assert set(rejected) == {case.expected == "fail"}


def test_workload_without_template() -> None:
    bare = {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "bare"}, "spec": {}}
    reference = _reference([bare])[0]
    [result] = _assess([bare], 37)
    assert all(_failed(result, level, 37) == reference[level][37] == frozenset() for level in LEVELS)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"containers": [{"name": "a", "securityContext": {"privileged": "true"}}]}, "[0].securityContext.privileged"),
        ({"containers": [{"name": "a", "securityContext": {"runAsUser": "0"}}]}, "[0].securityContext.runAsUser"),
        ({"containers": [], "hostPID": "true"}, "spec.hostPID"),
        ({"containers": [], "hostUsers": 0}, "spec.hostUsers"),
        ({"containers": [], "os": {"name": True}}, "spec.os.name"),
        ({"containers": [{"name": "a", "ports": [{"hostPort": "80"}]}]}, "[0].ports[0].hostPort"),
    ],
)
def test_malformed_pod_is_not_evaluated(spec: dict[str, Any], path: str) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "odd"}, "spec": spec}
    assert "cannot unmarshal" in _run_oracle([pod], "baseline")[0]["error"]
    [result] = _assess([pod], 37)
    for verdict in result.verdicts.values():
        assert verdict.status is Status.NOT_EVALUATED
        assert verdict.reason is not None
        assert verdict.reason.cause is Cause.MALFORMED
        assert path in verdict.reason.text


def _selection() -> Selection:
    return select([builtin().frameworks[f"pss-{level}"] for level in LEVELS])


def _members(level: str) -> tuple[Control, ...]:
    return builtin().select_members(builtin().frameworks[f"pss-{level}"])


def _assess(pods: Sequence[dict[str, Any]], minor: int) -> list[SubjectResult]:
    return evaluate([Resource(pod) for pod in pods], _selection(), RegoPolicySet, kubernetes_minor=minor)


def _failed(result: SubjectResult, level: str, minor: int) -> frozenset[str]:
    """Return the upstream names of the failed controls of `level`. Asserts that all others passed."""
    failed = set()
    for control in _members(level):
        verdict = result.verdicts.get(control.slug)
        if verdict is None:
            continue
        assert verdict.status is not Status.NOT_EVALUATED, (control.slug, verdict)
        if verdict.status is Status.FAILED:
            failed.add(_check(control.satisfies[f"pss-{level}"], minor))
    return frozenset(failed)


def _check(names: tuple[str, ...], minor: int) -> str:
    """Return the upstream check of a control. Upstream renamed the restricted check of procMount in 1.35."""
    return names[0] if minor < 35 else names[-1]


def _reference(pods: Sequence[dict[str, Any]]) -> list[Failed]:
    """Return the upstream result for each pod, with the defaults of the API server."""
    pods = [_apply_defaults(pod) for pod in pods]
    answers = {level: _run_oracle(pods, level) for level in LEVELS}
    assert not [answer for level in LEVELS for answer in answers[level] if "error" in answer]
    return [
        {
            level: {int(minor): frozenset(names) for minor, names in answers[level][number]["failed"].items()}
            for level in LEVELS
        }
        for number in range(len(pods))
    ]


def _apply_defaults(pod: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with the sources of volumes and the host ports that the API server sets in pods."""
    pod = copy.deepcopy(pod)
    spec = pod.get("spec") or pod
    while template := spec.get("jobTemplate") or spec.get("template"):
        spec = template.get("spec") or {}
    for volume in spec.get("volumes") or ():
        if all(source is None for field, source in volume.items() if field != "name"):
            volume["emptyDir"] = {}
    if spec.get("hostNetwork"):
        groups = (spec.get(field) or () for field in ("containers", "initContainers", "ephemeralContainers"))
        for port in (port for group in groups for container in group for port in container.get("ports") or ()):
            port["hostPort"] = port.get("hostPort") or port.get("containerPort")
    return pod


def _run_oracle(pods: Sequence[dict[str, Any]], level: str) -> list[dict[str, Any]]:
    questions = [{"level": level, "minors": list(MINORS), "object": pod} for pod in pods]
    text = b"\n".join(map(msgspec.json.encode, questions))
    return [msgspec.json.decode(line) for line in get_answer("pod-security", stdin=text).stdout.splitlines()]

"""Verdicts and paths of every control on the public rule cases of Kubescape's library, compared with Kubescape's.

Skipped without the facts beside the checkout. DIFFERENT holds the reasons for deliberate differences.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.load import builtin
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Cause, Status
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import find_controls, select
from tests.library.kubescape import FACTS, convert_path

CASES: Final = FACTS / "posture-cases.jsonl"
DIFFERENT: Final[dict[str, str]] = {
    "C-0030:ingress-and-egress-blocked/only-egress-policy": "a policy for egress alone leaves ingress open",
    "C-0030:ingress-and-egress-blocked/cnp-only-egress": "a policy for egress alone leaves ingress open",
    "C-0002:exec-into-container-v1/clusterrole": "`pods/*` grants no subresource",
    "C-0063:rule-can-portforward-v1/clusterrole-clusterrolebinding": "`pods/*` grants no subresource",
    **dict.fromkeys(
        (
            "C-0070:enforce-kubelet-client-tls-authentication-updated/fail-config-sensor-failed",
            "C-0174:enforce-kubelet-client-tls-authentication-updated/fail-config-sensor-failed",
            "C-0176:kubelet-streaming-connection-idle-timeout/fail-sensor-failed",
            "C-0182:kubelet-rotate-certificates/fail-sensor-failed",
        ),
        "the file of the kubelet was not collected: its settings are unknown",
    ),
    **dict.fromkeys(
        (
            "C-0004:resources-memory-limit-and-request/pod-only-requests",
            "C-0269:resources-memory-requests/pod-only-requests",
        ),
        "the API server sets a missing request to the limit",
    ),
    **dict.fromkeys(
        (
            "C-0302:dangling-gateway-backend/failed_dangling_httproute",
            "C-0302:dangling-gateway-backend/failed_dangling_tcproute",
            "C-0302:dangling-gateway-backend/failed_dangling_udproute",
            "C-0302:dangling-gateway-backend/failed_wrong_namespace",
        ),
        "files without any Service of the namespace do not show that one is missing",
    ),
}
"""Reasons for different verdicts, by control and id of the case."""
OTHERS: Final[dict[str, str]] = {
    "C-0142:ensure-that-the-api-server-encryption-providers-are-appropriately-configured/failed": (
        "Kubescape names the file of the node; we name the document that holds it and the path inside"
    ),
    "C-0208:external-secret-storage/failed-no-good-kms": "the same",
    "C-0208:external-secret-storage/failed-no-kms": "the same",
}
"""Reasons for equal verdicts with different objects, by control and id of the case."""
INCOMPLETE: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            *(
                f"C-0261:serviceaccount-token-mount/{case}"
                for case in ("both-mount", "both-mount-default", "pod-mount")
            ),
            "C-0272:workload-with-administrative-roles/pass-wl-not-mount-sa-token",
            "C-0272:workload-with-administrative-roles/pass-wl-rolebinding",
        ),
        "no binding names the account, so its permissions are unknown",
    ),
    "C-0257:workload-mounted-pvc/success_different_namespaces": "the claim that the pod mounts is not in the input",
}
"""Reasons for resources that are not evaluated, by control and id of the case."""
ELSEWHERE: Final[dict[str, str]] = {
    **{
        f"C-0013:non-root-containers/{name}": "Kubescape reports the group too, which is a control of its own"
        for name in (
            "cronjob",
            "cronjob-runasuser",
            "deployment-fail",
            "pod-initcontainer",
            "workloads-initcontainer",
        )
    },
    "C-0077:k8s-common-labels-usage/pod": "Kubescape reports a placeholder; for an empty list we name a label of Kubernetes",
}
"""Reasons for equal verdicts with different paths, by control and id of the case."""


class RuleCase(msgspec.Struct, frozen=True):
    """Case of one of Kubescape's rules, for one control."""

    control: str
    id: str
    objects: list[dict[str, Any]]
    inputs: dict[str, list[str]]
    failed: list[dict[str, Any]]

    def __str__(self) -> str:
        return f"{self.control}:{self.id}"


def cases() -> Iterator[RuleCase]:
    """Yield the cases in the order of the file."""
    if not CASES.is_file():
        return
    known = {number for control in builtin().controls.values() for number in control.ids}
    for line in CASES.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        for name in case["controls"]:
            if name in known:
                yield RuleCase(name, case["id"], case["objects"], case["inputs"], case["failed"])


def evaluate_case(case: RuleCase) -> tuple[str, list[SubjectResult]]:
    """Return the slug of the control and our results."""
    (control,) = find_controls([case.control])
    selection = select(named=[control], params=case.inputs)
    resources = [Resource(entry) for entry in case.objects]
    return control.slug, evaluate(resources, selection, RegoPolicySet, kubernetes_minor=37)


@pytest.mark.skipif(not CASES.is_file(), reason=f"no facts at {FACTS}")
@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_rule_case(case: RuleCase) -> None:
    slug, results = evaluate_case(case)
    verdicts = [result.verdicts[slug] for result in results if slug in result.verdicts]
    failed = [result for result in results if slug in result.verdicts and result.verdicts[slug].status is Status.FAILED]
    failed_names = [(result.subject.kind, result.subject.name) for result in failed]
    if str(case) in DIFFERENT:
        assert bool(failed) != bool(case.failed), "the verdicts are equal now"
        return
    assert bool(failed) == bool(case.failed), failed_names
    agree = all(any(name in _names(finding) for name in failed_names) for finding in case.failed if finding["objects"])
    assert agree != (str(case) in OTHERS), failed_names
    unsure = [verdict.reason for verdict in verdicts if verdict.reason and verdict.reason.cause is not Cause.IRRELEVANT]
    assert bool(unsure) == (str(case) in INCOMPLETE), unsure
    theirs = {path for finding in case.failed for path in _paths(finding)}
    ours = {evidence.path for result in failed for evidence in result.verdicts[slug].evidence}
    if str(case) in ELSEWHERE:
        assert theirs != ours, "the paths are equal now"
    elif theirs:
        assert ours == theirs


def _names(finding: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["kind"], each["name"] or "") for each in finding["objects"]}


def _paths(finding: dict[str, Any]) -> list[str]:
    return [convert_path(path) for path in (*finding["failedPaths"], *(fix["path"] for fix in finding["fixPaths"]))]

"""Every control against the public rule cases of Kubescape's library: the same verdicts, and the same places.

Reads the facts beside the checkout and skips without them. Where we differ on purpose, DIFFERENT says why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.load import builtin
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.finding import Cause, Status
from kubekeep.model.resource import Resource
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import find_controls, select
from tests.library.kubescape import FACTS, spelled

CASES: Final = FACTS / "posture-cases.jsonl"
DIFFERENT: Final[dict[str, str]] = {
    "C-0030:ingress-and-egress-blocked/only-egress-policy": "a policy for egress alone leaves ingress open",
    "C-0030:ingress-and-egress-blocked/cnp-only-egress": "a policy for egress alone leaves ingress open",
    **dict.fromkeys(
        (
            "C-0070:enforce-kubelet-client-tls-authentication-updated/fail-config-sensor-failed",
            "C-0174:enforce-kubelet-client-tls-authentication-updated/fail-config-sensor-failed",
            "C-0176:kubelet-streaming-connection-idle-timeout/fail-sensor-failed",
            "C-0182:kubelet-rotate-certificates/fail-sensor-failed",
        ),
        "the file of the kubelet was not collected: nobody knows what it sets",
    ),
}
"""Cases by control and id whose verdict differs, and why ours is right."""
OTHERS: Final[dict[str, str]] = {
    "C-0142:ensure-that-the-api-server-encryption-providers-are-appropriately-configured/failed": (
        "they name the file of the node, we the document that carries it, and the place inside"
    ),
    "C-0208:external-secret-storage/failed-no-good-kms": "the same",
    "C-0208:external-secret-storage/failed-no-kms": "the same",
}
"""Cases that agree on the verdict and name other objects, and why."""
ELSEWHERE: Final[dict[str, str]] = {
    "C-0077:k8s-common-labels-usage/pod": "theirs is a placeholder; for an empty list we name a label of Kubernetes",
}
"""Cases by control and id that agree on the verdict and differ in the paths, and why."""


class RuleCase(msgspec.Struct, frozen=True):
    """A case of one of Kubescape's rules, for one control."""

    control: str
    id: str
    objects: list[dict[str, Any]]
    inputs: dict[str, list[str]]
    failed: list[dict[str, Any]]

    def __str__(self) -> str:
        return f"{self.control}:{self.id}"


def cases() -> Iterator[RuleCase]:
    """The cases, in the order of the file."""
    if not CASES.is_file():
        return
    known = {number for control in builtin().controls.values() for number in control.ids}
    for line in CASES.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        for name in case["controls"]:
            if name in known:
                yield RuleCase(name, case["id"], case["objects"], case["inputs"], case["failed"])


def results_of(case: RuleCase) -> tuple[str, list[ResourceResult]]:
    """The control's slug and our results."""
    (control,) = find_controls([case.control])
    chosen = select(named=[control], params=case.inputs)
    resources = [Resource(item) for item in case.objects]
    return control.slug, evaluate(resources, chosen, RegoPolicySet, kubernetes_minor=37)


@pytest.mark.skipif(not CASES.is_file(), reason=f"no facts at {FACTS}")
@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_rule_case(case: RuleCase) -> None:
    slug, results = results_of(case)
    verdicts = [item.verdicts[slug] for item in results if slug in item.verdicts]
    failed = [item for item in results if slug in item.verdicts and item.verdicts[slug].status is Status.FAILED]
    if str(case) in DIFFERENT:
        assert bool(failed) != bool(case.failed), "it agrees now"
        return
    assert bool(failed) == bool(case.failed), [(item.resource.kind, item.resource.name) for item in failed]
    agree = all(
        any((item.resource.kind, item.resource.name) in _names(finding) for item in failed)
        for finding in case.failed
        if finding["objects"]
    )
    assert agree != (str(case) in OTHERS), [(item.resource.kind, item.resource.name) for item in failed]
    unsure = [verdict.reason for verdict in verdicts if verdict.reason and verdict.reason.cause is not Cause.IRRELEVANT]
    assert not unsure, "a verdict is due"
    theirs = {path for finding in case.failed for path in _paths(finding)}
    ours = {evidence.path for item in failed for evidence in item.verdicts[slug].evidence}
    if str(case) in ELSEWHERE:
        assert theirs != ours, "the paths agree now"
    elif theirs:
        assert ours == theirs


def _names(finding: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["kind"], each["name"] or "") for each in finding["objects"]}


def _paths(finding: dict[str, Any]) -> list[str]:
    return [spelled(path) for path in (*finding["failedPaths"], *(fix["path"] for fix in finding["fixPaths"]))]

"""The order of vulnerabilities in workloads: exposure, power, severity, fix and known exploitation, as docs/scores.md says."""

from __future__ import annotations

import itertools
from typing import Final

import pytest

from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.package import Package
from kubekeep.model.priority import Priority
from kubekeep.model.severity import Severity
from kubekeep.model.vulnerability import Vulnerability, VulnerabilityRating
from kubekeep.model.workload_container import WorkloadContainer, raise_priority
from kubekeep.vulnerabilities.priority import prioritise

SCORES: Final = {"critical": 9.8, "high": 8.1, "medium": 5.4, "low": 2.0}
FACTS: Final = ("exposed", "privileged", "fix", "exploited")
ORDER: Final = """
critical exposed privileged fix exploited
critical exposed privileged exploited
high exposed privileged fix exploited
high exposed privileged exploited
medium exposed privileged fix exploited
medium exposed privileged exploited
critical exposed fix exploited
critical exposed exploited
critical exposed privileged fix
high exposed fix exploited
critical privileged fix exploited
critical exposed privileged
high exposed exploited
medium exposed fix exploited
critical privileged exploited
high privileged fix exploited
medium exposed exploited
high privileged exploited
medium privileged fix exploited
medium privileged exploited
critical exposed fix
critical fix exploited
critical exposed
critical exploited
critical privileged fix
high fix exploited
critical privileged
high exploited
medium fix exploited
medium exploited
high exposed privileged fix
high exposed privileged
critical fix
critical
high exposed fix
high exposed
high privileged fix
high privileged
high fix
high
medium exposed privileged fix
medium exposed privileged
medium exposed fix
medium exposed
medium privileged fix
medium privileged
medium fix
medium
"""
"""All combinations, the most urgent first.

Three rules decide. Each fact makes a vulnerability more urgent, in the order exploited, exposed, privileged, fix. Of two that are
exploited, the context counts more than the severity. Of two that are not, the severity counts more, except that a
high one in an exposed and privileged workload comes before a critical one that is neither.
"""


def rate(case: tuple[str, ...]) -> Priority:
    """Return the priority of a vulnerability in a workload with these facts."""
    severity, *facts = case
    vulnerability = Vulnerability(
        id="CVE-2024-0001",
        package=Package(type="deb", namespace="debian", name="openssl", version="1.0"),
        rating=VulnerabilityRating(Severity.from_score(SCORES[severity]), SCORES[severity]),
        fixed_version="1.1" if "fix" in facts else "",
        signal=ExploitSignal(known_exploited="2024-01-01" if "exploited" in facts else ""),
    )
    return raise_priority(
        prioritise(vulnerability),
        [container("web", exposed="exposed" in facts, privileged="privileged" in facts)],
    )


def container(name: str, *, exposed: bool, privileged: bool) -> WorkloadContainer:
    return WorkloadContainer(
        kind="Deployment",
        namespace="shop",
        name=name,
        container="main",
        exposure="reachable from the internet through Service shop/web" if exposed else "",
        power="can take over its node" if privileged else "",
    )


def test_order_of_all_cases() -> None:
    order = [tuple(line.split()) for line in ORDER.strip().splitlines()]
    cases = [
        (severity, *facts)
        for severity in ("critical", "high", "medium")
        for count in range(len(FACTS) + 1)
        for facts in itertools.combinations(FACTS, count)
    ]
    assert len(cases) == 48
    assert sorted(order) == sorted(cases)
    scores = {case: rate(case).score for case in cases}
    assert len(set(scores.values())) == 48
    assert sorted(cases, key=lambda case: -scores[case]) == order


@pytest.mark.parametrize(
    ("case", "level"),
    [
        ("low exposed privileged", Severity.LOW),
        ("medium exposed", Severity.MEDIUM),
        ("medium exposed privileged", Severity.HIGH),
        ("high exposed", Severity.HIGH),
        ("high exposed privileged", Severity.CRITICAL),
        ("critical", Severity.CRITICAL),
        ("low exploited", Severity.CRITICAL),
    ],
)
def test_level(case: str, level: Severity) -> None:
    assert rate(tuple(case.split())).level is level


def test_container_where_it_is_most_urgent_decides() -> None:
    vulnerability = Priority(Severity.HIGH, 8.0, reasons=("severity high",))
    containers = [
        container("web", exposed=True, privileged=False),
        container("agent", exposed=False, privileged=True),
        container("job", exposed=False, privileged=False),
    ]
    priority = raise_priority(vulnerability, containers)
    # Exposure of one workload and power of another one do not add up.
    assert priority.level is Severity.HIGH
    assert priority.reasons == (
        "Deployment shop/web is reachable from the internet through Service shop/web",
        "severity high",
    )
    assert raise_priority(vulnerability, containers[2:]) == vulnerability


def test_unknown_priority_stays_unknown() -> None:
    unknown = Priority(Severity.UNKNOWN, 0.0, reasons=("the severity is unknown",))
    assert raise_priority(unknown, [container("web", exposed=True, privileged=True)]) == unknown


def test_every_fact_raises_the_most_severe_one() -> None:
    cases = ["critical", "critical privileged", "critical exposed", "critical exposed privileged"]
    scores = [
        raise_priority(
            Priority(Severity.CRITICAL, 9.99),
            [container("web", exposed="exposed" in case, privileged="privileged" in case)],
        ).score
        for case in cases
    ]
    assert scores == sorted(set(scores))


def test_fact_never_lowers_a_level() -> None:
    container = WorkloadContainer("Deployment", "shop", "web", "web", rights="can read Secrets")
    raised = raise_priority(Priority(Severity.LOW, 0.1), [container])
    assert (raised.level, raised.score) == (Severity.LOW, 0.5)

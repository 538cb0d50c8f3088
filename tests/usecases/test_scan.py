"""A full scan of the example shop: the expected findings, on the lines that have to change."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from kubekeep.model.assessment import Assessment
from kubekeep.model.location import parse_path
from kubekeep.model.verdict import Cause, Evidence, Status
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest, kubernetes_minor
from kubekeep.usecases.scan import scan
from tests.requests import ALL_CONTROLS

SHOP = Path(__file__).parents[2] / "examples" / "online-shop"

EXPECTED = {
    ("C-0002", "operations/on-call.yaml", 6),
    ("C-0002", "operations/rbac.yaml", 18),
    ("C-0012", "checkout/checkout.yaml", 24),
    ("C-0012", "checkout/checkout.yaml", 25),
    ("C-0012", "checkout/config.yaml", 8),
    ("C-0013", "catalog/catalog.yaml", 29),
    ("C-0013", "checkout/nightly-report.yaml", 20),
    ("C-0035", "operations/on-call.yaml", 12),
    ("C-0038", "operations/node-metrics.yaml", 16),
    ("C-0041", "operations/node-metrics.yaml", 15),
    ("C-0044", "checkout/checkout.yaml", 22),
    ("C-0046", "checkout/cart.yaml", 38),
    ("C-0057", "catalog/search.yaml", 21),
    ("C-0057", "operations/debug-pod.yaml", 15),
    ("C-0073", "operations/debug-pod.yaml", 2),
    ("C-0074", "checkout/nightly-report.yaml", 25),
    ("C-0075", "checkout/checkout.yaml", 18),
    ("C-0075", "checkout/checkout.yaml", 19),
}
"""Findings identified manually in the manifests."""

CLEAN = {"catalog/storefront.yaml", "platform/network-policies.yaml"}


@pytest.fixture(scope="module")
def shop() -> Assessment:
    return scan(ScanRequest(ScanInput(paths=(str(SHOP),)), rules=ALL_CONTROLS))


def evidence(assessment: Assessment) -> list[tuple[str, Evidence]]:
    numbers = {summary.definition.slug: summary.definition.id for summary in assessment.summaries}
    return [
        (numbers[slug], entry)
        for result in assessment.results
        for slug, verdict in result.verdicts.items()
        for entry in verdict.evidence
    ]


def list_locations(assessment: Assessment) -> set[tuple[str, str, int]]:
    return {
        (number, str(Path(entry.location.file).relative_to(SHOP)), entry.location.region.start.line)
        for number, entry in evidence(assessment)
        if entry.location is not None and entry.location.region is not None
    }


def test_every_planted_fault_is_found_on_its_line(shop: Assessment) -> None:
    assert list_locations(shop) >= EXPECTED


def test_hardened_workloads_pass_the_nsa_framework() -> None:
    locations = list_locations(scan(ScanRequest(ScanInput(paths=(str(SHOP),)), rules=RuleOptions(frameworks=("nsa",)))))
    assert {file for _, file, _ in locations} & CLEAN == set()


def test_evidence_line_contains_its_field(shop: Assessment) -> None:
    checked_lines = 0
    for _, entry in evidence(shop):
        if entry.location is None or entry.location.region is None or not entry.exists:
            continue
        last = next((step for step in reversed(parse_path(entry.path)) if isinstance(step, str)), "")
        lines = Path(entry.location.file).read_text(encoding="utf-8").splitlines()
        nearby_lines = "\n".join(lines[max(0, entry.location.region.start.line - 4) : entry.location.region.start.line])
        assert last in nearby_lines, entry
        checked_lines += 1
    assert checked_lines > 20


def test_all_files_are_read_and_counted(shop: Assessment) -> None:
    assert shop.unread == ()
    assert shop.files == 17
    assert shop.status is Status.FAILED
    assert 0 < (shop.compliance or 0) < 100
    # A bound role is evaluated on its subjects only.
    assert shop.counts.total == sum(bool(result.verdicts) for result in shop.results)


def test_reasons_name_the_missing_input(shop: Assessment) -> None:
    reasons = {summary.definition.id: summary.reason for summary in shop.controls if summary.reason is not None}
    causes = {name: reason.cause for name, reason in reasons.items()}
    assert "kubekeep host collect" in reasons["C-0069"].text
    assert causes["C-0067"] is Cause.NEEDS_CLUSTER
    assert causes["C-0069"] is Cause.NEEDS_HOST_DATA
    assert causes["C-0078"] is Cause.CONFIGURATION


def test_standard_input_and_paths_are_scanned_together() -> None:
    pod = (SHOP / "operations" / "debug-pod.yaml").read_bytes()
    assessment = scan(
        ScanRequest(ScanInput(paths=("-", str(SHOP / "catalog"))), rules=RuleOptions(controls=("C-0057",))),
        stdin=io.BytesIO(pod),
    )
    files = [str(entry.location) for _, entry in evidence(assessment)]
    assert files == ["<stdin>:15", f"{SHOP / 'catalog' / 'search.yaml'}:21"]


@pytest.mark.parametrize(("text", "minor"), [("1.25", 25), ("v1.30.4-gke.100", 30), ("1.37", 37), ("latest", 37)])
def test_kubernetes_versions_are_parsed(text: str, minor: int) -> None:
    assert kubernetes_minor(text) == minor


@pytest.mark.parametrize("text", ["1.24", "1.99", "2.1", "", "one"])
def test_unknown_kubernetes_versions_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"1\.25 to 1\.37 or latest"):
        kubernetes_minor(text)

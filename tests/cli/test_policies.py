"""`kubekeep scan --policies`: findings, exit codes and errors. Real processes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.cli.test_scan import kubekeep

EXAMPLES = Path(__file__).parents[2] / "examples"
SHOP = EXAMPLES / "online-shop"
POLICIES = EXAMPLES / "admission-policies"


def scan(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return kubekeep("scan", "control", "C-0057", *arguments)


def test_findings_name_place_and_message() -> None:
    result = scan(SHOP, "--policies", POLICIES, "--view", "control")
    assert result.returncode == 0
    words = " ".join(result.stdout.split())
    assert "Deployments stay below their replica limit replica-limit 1 of 4 resources" in words
    assert "review spec.replicas (now 3; no more than 2 replicas [Deny])" in words
    assert "explain replica-limit" not in result.stdout


@pytest.mark.parametrize("form", ["json", "sarif", "junit"])
def test_every_report_has_policy_findings(form: str) -> None:
    report = scan(SHOP, "--policies", POLICIES / "replicas.yaml", "--format", form).stdout
    assert "no more than 2 replicas" in report
    assert "replica-limit" in report


def test_policies_are_repeatable_and_gated() -> None:
    both = ("--policies", POLICIES / "replicas.yaml", "--policies", POLICIES / "images.yaml", "--format", "json")
    report = json.loads(scan(SHOP, *both).stdout)
    assert set(report["summaryDetails"]["controls"]) == {"C-0057", "own-registry", "replica-limit"}
    storefront = SHOP / "catalog" / "storefront.yaml"
    assert scan(storefront, "--policies", POLICIES, "--severity-threshold", "high").returncode == 0
    assert scan(storefront, "--policies", POLICIES, "--severity-threshold", "medium").returncode == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("object.spec.replicas <= max", "undeclared reference to 'max'"),
        ("object.spec.replicas <", "mismatched input '<EOF>'"),
        ("frobnicate(object)", "undeclared reference to 'frobnicate'"),
    ],
)
def test_policy_that_does_not_compile_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "policy.yaml"
    source = (POLICIES / "images.yaml").read_text()
    file.write_text(source.replace("variables.containers.all(c, c.image.matches('^registry[.]example[.]com/'))", text))
    result = scan(SHOP, "--policies", file)
    assert result.returncode == 2
    assert f"{file}: ValidatingAdmissionPolicy own-registry: validations[0].expression: 1:" in result.stderr
    assert message in result.stderr


def test_unreadable_policy_files_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("a: [")
    assert scan(SHOP, "--policies", tmp_path).returncode == 2
    assert scan(SHOP, "--policies", tmp_path / "none").returncode == 2
    assert "no ValidatingAdmissionPolicy" in scan(SHOP, "--policies", SHOP).stderr


def test_kubernetes_version_decides_expression(tmp_path: Path) -> None:
    """Follow the version of the API server: `orValue` of a list that is not optional is an error since 1.37."""
    file = tmp_path / "policy.yaml"
    source = (POLICIES / "images.yaml").read_text()
    file.write_text(source.replace("object.spec.containers +", "object.spec.containers.orValue([]) +"))
    assert file.read_text() != source
    statuses = {}
    for version in ("", "1.36", "v1.36.4", "1.37", "latest"):
        options = ("--kubernetes-version", version) if version else ()
        result = scan(SHOP, "--policies", file, "--format", "json", *options)
        status = json.loads(result.stdout)["summaryDetails"]["controls"]["own-registry"]["statusInfo"]["status"]
        statuses[version] = (result.returncode, status)
    expected = json.loads(scan(SHOP, "--policies", POLICIES / "images.yaml", "--format", "json").stdout)
    status = expected["summaryDetails"]["controls"]["own-registry"]["statusInfo"]["status"]
    assert statuses["1.36"] == statuses["v1.36.4"] == (0, status)
    assert statuses[""] == statuses["latest"] == statuses["1.37"] == (3, "skipped")


def test_expression_without_value_makes_scan_incomplete(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    source = (POLICIES / "images.yaml").read_text()
    file.write_text(source.replace("object.spec.containers +", "object.spec.nope +"))
    result = scan(SHOP, "--policies", file, "--format", "sarif")
    assert result.returncode == 3
    assert "no such key: nope" in result.stdout

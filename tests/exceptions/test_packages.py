"""Exceptions for packages: they cover the findings about a package in the document of an image, and nothing else."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from kubekeep.exceptions.apply import apply_exceptions
from kubekeep.exceptions.kubescape_format import parse_exception
from kubekeep.exceptions.policy_exception import InvalidExceptionError
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.exception import ExceptionStatus, ExceptionUse
from kubekeep.model.known_vulnerability import KnownVulnerability
from kubekeep.model.location import Location
from kubekeep.model.priority import UNKNOWN_PRIORITY
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Evidence, Status, Verdict
from kubekeep.posture.select import find_controls, select

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
PACKAGES = (
    ("pkg:npm/lodash@4.17.20", "/srv/node_modules/lodash/package.json"),
    ("pkg:npm/%40types/lodash@4.14.1", "/srv/node_modules/@types/lodash/package.json"),
    ("pkg:maven/org.example/lodash@4.17.20", "/opt/lodash.jar"),
    ("pkg:deb/debian/libssl3@3.5.1-1?arch=amd64&distro=debian-13", "/var/lib/dpkg/status"),
)
IMAGE = Resource(
    {
        "apiVersion": "image.kubekeep.io/v1",
        "kind": "ContainerImage",
        "metadata": {"name": "registry.example/shop:1.2"},
        "packages": [{"purl": purl, "path": path} for purl, path in PACKAGES],
    }
)
CVE = "CVE-2026-10001"
_TEMPLATE = find_controls(("C-0057",))[0]


def define(name: str) -> KnownVulnerability:
    """Return the definition that a vulnerability has in a scan."""
    return KnownVulnerability(
        slug=name.lower(),
        title=name,
        severity=7.0,
        fix="Upgrade.",
        ids=(name, "GHSA-aaaa"),
        urgency=UNKNOWN_PRIORITY,
    )


def apply(entry: dict[str, Any], *names: str) -> tuple[set[int], ExceptionUse]:
    """Return the packages whose vulnerabilities an exception covers; each package has each of the vulnerabilities."""
    controls = tuple(map(define, names or (CVE,)))
    selection = msgspec.structs.replace(select(named=(_TEMPLATE,)), listed=controls)
    evidence = tuple(
        Evidence(f"packages[{number}].version", exists=True, location=Location(f"image!{path}"))
        for number, (_, path) in enumerate(PACKAGES)
    )
    result = SubjectResult(IMAGE, {control.slug: Verdict(Status.FAILED, evidence) for control in controls})
    exception = parse_exception({"name": "x", **entry}, Location("e.yaml"), 0)
    results, uses = apply_exceptions([result], [exception], selection, NOW, namespaces={}, folder="/", inline=False)
    verdict = results[0].verdicts[controls[0].slug]
    return {number for number, each in enumerate(verdict.evidence) if each.exception is not None}, uses[0]


def named(*packages: dict[str, str], control: str = CVE) -> dict[str, Any]:
    return {"packages": list(packages), "posturePolicies": [{"controlID": control}]}


CASES: dict[str, tuple[dict[str, Any], set[int]]] = {
    "package URL": (named({"purl": "pkg:npm/lodash@4.17.20"}), {0}),
    "without a version": (named({"purl": "pkg:npm/lodash"}), {0}),
    "other version": (named({"purl": "pkg:npm/lodash@4.17.21"}), set()),
    "qualifier": (named({"purl": "pkg:deb/debian/libssl3?arch=amd64"}), {3}),
    "other qualifier": (named({"purl": "pkg:deb/debian/libssl3?arch=arm64"}), set()),
    "name": (named({"name": "lodash"}), {0, 1, 2}),
    "name and type": (named({"name": "lodash", "type": "npm"}), {0, 1}),
    "name with its scope": (named({"name": "@types/lodash"}), {1}),
    "name with its group": (named({"name": "org\\.example:lodash"}), {2}),
    "name is no prefix": (named({"name": "lib"}), set()),
    "pattern of a name": (named({"name": "lib.*"}), {3}),
    "version": (named({"version": "4\\.17\\..*"}), {0, 2}),
    "path": (named({"path": "srv/node_modules/[^/]*/package\\.json"}), {0}),
    "path and package URL": (named({"purl": "pkg:npm/lodash", "path": "opt/.*"}), set()),
    "one of two": (named({"purl": "pkg:npm/lodash"}, {"path": "opt/.*"}), {0, 2}),
    "alias of the vulnerability": (named({"purl": "pkg:npm/lodash"}, control="GHSA-AAAA"), {0}),
    "every vulnerability of a package": ({"packages": [{"purl": "pkg:npm/lodash"}]}, {0}),
    "every package": (named(), {0, 1, 2, 3}),
    "another image": (
        {**named({"purl": "pkg:npm/lodash"}), "resources": [{"attributes": {"name": "registry.example/other:.*"}}]},
        set(),
    ),
    "this image": (
        {**named({"purl": "pkg:npm/lodash"}), "resources": [{"attributes": {"name": "registry.example/shop:.*"}}]},
        {0},
    ),
    "container": (
        {**named({"purl": "pkg:npm/lodash"}), "resources": [{"attributes": {"containerName": "web"}}]},
        set(),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_packages(name: str) -> None:
    entry, covered = CASES[name]
    numbers, use = apply(entry)
    assert numbers == covered
    assert use.status is (ExceptionStatus.MATCHED if covered else ExceptionStatus.UNUSED)


def test_vulnerability_that_the_scan_does_not_have() -> None:
    numbers, use = apply(named({"purl": "pkg:npm/lodash"}, control="CVE-2026-99999"))
    assert (numbers, use.status, use.text) == (set(), ExceptionStatus.UNUSED, "its controls are not in this scan")


@pytest.mark.parametrize("name", ["CVX-2026-1", "C-9999", "DSL-1", "lodash"])
def test_other_unknown_names_are_errors(name: str) -> None:
    assert apply(named(control=name))[1].status is ExceptionStatus.INVALID_CONTROL


@pytest.mark.parametrize("packages", [[{"name": ".*"}], [{"path": ".*"}], [{"type": "*"}, {"purl": "pkg:npm/lodash"}]])
def test_selectors_that_exclude_nothing(packages: list[dict[str, str]]) -> None:
    assert apply({"packages": packages})[1].status is ExceptionStatus.TOO_BROAD


def test_entry_without_conditions() -> None:
    numbers, use = apply(named({}))
    assert (numbers, use.status) == (set(), ExceptionStatus.INVALID)
    assert use.text == "an entry of packages without conditions matches nothing"


@pytest.mark.parametrize(
    ("entry", "message", "path"),
    [
        ({"purl": "lodash"}, "package URL lodash does not begin with pkg:", ("packages", 0, "purl")),
        ({"name": "["}, "'[' is not a regular expression", ("packages", 0, "name")),
        ({"pulr": "pkg:npm/lodash"}, "did you mean purl?", ("packages", 0, "pulr")),
        ({"version": 4}, "version is not text", ("packages", 0, "version")),
        ("pkg:npm/lodash", "keys and values expected", ("packages", 0)),
    ],
)
def test_invalid_selectors(entry: Any, message: str, path: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidExceptionError) as error:
        parse_exception({"packages": [entry]}, Location("e.yaml"), 0)
    assert message in str(error.value)
    assert error.value.path == path


def test_other_resources_are_not_covered() -> None:
    pod = Resource({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "packages": IMAGE.object["packages"]})
    selection = msgspec.structs.replace(select(named=(_TEMPLATE,)), listed=(define(CVE),))
    evidence = (Evidence("packages[0].version", exists=True, location=Location("pod.yaml")),)
    result = SubjectResult(pod, {CVE.lower(): Verdict(Status.FAILED, evidence)})
    exception = parse_exception(named({"purl": "pkg:npm/lodash"}), Location("e.yaml"), 0)
    results, _ = apply_exceptions([result], [exception], selection, NOW, namespaces={}, folder="/", inline=False)
    assert results[0].verdicts[CVE.lower()].status is Status.FAILED


def test_all_vulnerabilities() -> None:
    entry = named({"purl": "pkg:npm/lodash"}, control="known-vulnerabilities")
    numbers, use = apply(entry, CVE, "CVE-2026-10002")
    assert numbers == {0}
    assert [finding.control for finding in use.findings] == [CVE, "CVE-2026-10002"]

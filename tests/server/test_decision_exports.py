"""Decisions as files: exceptions cover in a scan what the server covers, and readers of VEX find the same status."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from kubekeep.model.package import Package
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.vulnerability import Vulnerability, VulnerabilityReport
from kubekeep.vulnerabilities.vex.apply import apply_vex
from kubekeep.vulnerabilities.vex.document import VexDocument
from kubekeep.vulnerabilities.vex.read import read_vex
from kubekeep.vulnerabilities.vex.subject import create_image_subject
from tests.command_line import run_command_line
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.test_decided_scans import POD
from tests.server.test_decisions_api import URL, draft
from tests.server.test_identity_api import sign_in_user
from tests.server.test_images import REBUILT, WEB, build_image, build_scan, build_workload, run
from tests.server.test_ingest import NSA, build_subject
from tests.server.test_scans_api import encode, post
from tests.usecases.test_repository import git
from tests.vulnerabilities.vex.shop import vulnerability

EXPORT: Final = f"{URL}/export"
VEX_FORMATS: Final = ("openvex", "cyclonedx", "csaf")
WEB_IMAGE: Final = "ghcr.io/shop/web"
OPENSSL: Final = Package(type="deb", namespace="debian", name="openssl", version="3.0.1")
CURL: Final = Package(type="deb", namespace="debian", name="curl", version="8.0.1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    folder = tmp_path_factory.mktemp("exports")
    (folder / "server.toml").write_text('decision_approval = "critical"\n')
    with run_server(folder, "--config", "server.toml") as running:
        agent = running.client(running.create_token())
        for name in ("shop", "blog"):
            entries = (build_subject(2, *NSA), build_subject(3, "C-0003", namespace="blog"))
            images = (build_workload(9, run(WEB)), build_image(WEB, "CVE-1", "CVE-2"))
            post(agent, encode(build_scan(1, *entries, *images, source=SourceCluster(name), scope=(*NSA, "C-0003"))))
        yield running


@pytest.fixture(scope="module")
def people(server: EmbeddedServer) -> dict[str, httpx2.Client]:
    return {
        "manager": sign_in_user(server, "maria", "manager"),
        "second": sign_in_user(server, "omar", "manager"),
        "viewer": sign_in_user(server, "vera", "viewer", "cluster/blog"),
        "reader": sign_in_user(server, "rosa", "viewer", "cluster/shop/blog"),
    }


@pytest.fixture
def users(people: dict[str, httpx2.Client]) -> Iterator[dict[str, httpx2.Client]]:
    """Return the clients; all decisions end with a test."""
    yield people
    for state in ("active", "proposed"):
        for row in people["manager"].get(URL, params={"state": state}).json()["rows"]:
            people["manager"].post(f"{URL}/{row['id']}/end", json={})


def decide(users: dict[str, httpx2.Client], *definitions: str, **fields: Any) -> int:
    """Make a decision that is in force."""
    created = users["manager"].post(URL, json=draft(*definitions, **fields))
    assert created.status_code == 201, created.text
    number: int = created.json()["id"]
    if created.json()["state"] == "proposed":
        assert users["second"].post(f"{URL}/{number}/answer", json={"isApproved": True}).status_code == 204
    return number


def export(client: httpx2.Client, **parameters: str) -> tuple[Any, list[int]]:
    """Return an exported document and the numbers of the decisions that it does not contain."""
    answer = client.get(EXPORT, params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith("attachment; ")
    omitted = [int(number) for number in answer.headers["kubekeep-omitted"].split(",") if number]
    return answer.json(), omitted


def read(client: httpx2.Client, name: str) -> tuple[VexDocument, list[int]]:
    document, omitted = export(client, format=name)
    return read_vex(json.dumps(document).encode(), name), omitted


def get_status(content: bytes, target: Vulnerability, reference: str, digest: str) -> str:
    """Return the status of a vulnerability in an image by a VEX document; empty without one."""
    subject = create_image_subject(reference, digests=(digest,), platform="linux/amd64", packages=(OPENSSL, CURL))
    report = VulnerabilityReport((target,))
    document = read_vex(content, "decisions.json")
    (applied,) = apply_vex(report, (document,), subject=subject, today=dt.datetime.now(dt.UTC).date()).vulnerabilities
    return applied.vex.status if applied.vex is not None else ""


@pytest.mark.parametrize("name", VEX_FORMATS)
@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ({"packages": ["pkg:deb/debian/openssl"]}, {"web openssl", "rebuilt openssl", "copy openssl", "other openssl"}),
        ({"repositories": [WEB_IMAGE]}, {"web openssl", "web curl", "rebuilt openssl", "rebuilt curl"}),
        ({"images": [WEB]}, {"web openssl", "web curl", "copy openssl", "copy curl"}),
        ({"repositories": [WEB_IMAGE], "packages": ["pkg:deb/debian/curl"]}, {"web curl", "rebuilt curl"}),
        ({"repositories": [WEB_IMAGE], "images": [WEB]}, {"web openssl", "web curl", "copy openssl", "copy curl"}),
    ],
)
def test_vex_has_the_status_of_the_products(
    users: dict[str, httpx2.Client], name: str, scope: dict[str, list[str]], covered: set[str]
) -> None:
    decide(users, "CVE-1", scope=scope, kind="false-positive", reason="The code is not built in.")
    answer = users["manager"].get(EXPORT, params={"format": name})
    images = {
        "web": (f"{WEB_IMAGE}:1", WEB),
        "rebuilt": (f"{WEB_IMAGE}:2", REBUILT),
        "copy": ("registry.example/mirror/web:1", WEB),
        "other": ("ghcr.io/shop/api:1", "sha256:" + "c" * 64),
    }
    statuses = {
        f"{image} {package.name}": get_status(answer.content, vulnerability(package, "CVE-1"), *images[image])
        for image in images
        for package in (OPENSSL, CURL)
    }
    assert {key for key, status in statuses.items() if status == "not_affected"} == covered
    assert get_status(answer.content, vulnerability(OPENSSL, "CVE-2"), *images["web"]) == ""


@pytest.mark.parametrize("name", VEX_FORMATS)
def test_accepted_risk_stays_affected(users: dict[str, httpx2.Client], name: str) -> None:
    number = decide(users, "CVE-1", scope={"repositories": [WEB_IMAGE]})
    everywhere = decide(users, "CVE-2")
    document, omitted = read(users["manager"], name)
    (statement,) = document.statements
    assert (statement.vulnerability, statement.status, statement.flaw) == ("CVE-1", "affected", "")
    assert statement.action.startswith("The risk is accepted until 20")
    assert statement.action.endswith(": The network policy of the platform limits it.")
    assert omitted == [everywhere]
    assert number not in omitted


@pytest.mark.parametrize("name", VEX_FORMATS)
def test_first_decision_on_a_product_counts(users: dict[str, httpx2.Client], name: str) -> None:
    scope = {"repositories": [WEB_IMAGE]}
    decide(users, "CVE-1", scope=scope, kind="false-positive")
    decide(users, "CVE-1", "CVE-2", scope=scope, kind="will-not-fix")
    document, _ = read(users["manager"], name)
    assert sorted((each.vulnerability, each.status) for each in document.statements) == [
        ("CVE-1", "not_affected"),
        ("CVE-2", "affected"),
    ]


def test_decisions_that_no_format_expresses_are_named(users: dict[str, httpx2.Client]) -> None:
    # The reference of an image, by which exceptions name it, may have no digest.
    digest = decide(users, "CVE-1", scope={"images": [WEB]})
    assert export(users["manager"]) == ([], [digest])
    assert read(users["manager"], "openvex")[1] == []
    users["manager"].post(f"{URL}/{digest}/end", json={})
    everywhere = decide(users, "CVE-1")
    assert export(users["manager"])[1] == []
    answer = users["manager"].get(EXPORT, params={"format": "openvex"})
    assert (answer.status_code, everywhere > digest) == (404, True)
    assert answer.json()["detail"] == "No decision in force is about a vulnerability of some images or packages."


def test_export_contains_what_is_in_force(users: dict[str, httpx2.Client]) -> None:
    ended = decide(users, "C-0001")
    users["manager"].post(f"{URL}/{ended}/end", json={})
    decide(users, "C-0002", kind="in-progress")
    assert users["manager"].post(URL, json=draft("C-0003")).json()["state"] == "proposed"
    assert export(users["manager"]) == ([], [])
    in_force = decide(users, "C-0001", reason="</script> =1+1 \u202eé")
    ((entry,), _) = export(users["manager"])
    assert entry["name"] == f"decision {in_force} (accepted-risk)"
    assert entry["reason"].startswith("</script> =1+1 ")
    assert dt.datetime.fromisoformat(entry["expirationDate"]) > dt.datetime.now(dt.UTC)


def test_export_stays_in_the_scope_of_the_reader(users: dict[str, httpx2.Client]) -> None:
    decide(users, "C-0002", "CVE-1", scope={"sources": ["cluster/shop"]}, reason="secret")
    everywhere = decide(users, "C-0001")
    general = [f"decision {everywhere} (accepted-risk)"]
    for name, parameters in (("manager", {}), ("viewer", {"source": "cluster/blog"}), ("reader", {})):
        answer = users[name].get(EXPORT, params=parameters)
        assert "secret" not in answer.text
        assert [entry["name"] for entry in answer.json()] == general
    for name in ("viewer", "reader"):
        assert users[name].get(EXPORT, params={"source": "cluster/shop"}).status_code == 403
    (entry, _), omitted = export(users["manager"], source="cluster/shop")
    # The vulnerability is one of images in all sources, which this decision does not cover.
    assert (entry["posturePolicies"], omitted) == ([{"controlID": "C-0002"}], [])


def test_decision_on_one_finding_names_its_subject(users: dict[str, httpx2.Client]) -> None:
    rows = users["manager"].get("/api/v1/findings", params={"definition": "C-0003"}).json()["rows"]
    row = next(row for row in rows if row["sourceKey"] == "cluster/shop" and row["namespace"] == "blog")
    decide(users, "C-0003", scope={"fingerprints": [row["fingerprint"]], "sources": ["cluster/shop"]})
    ((entry,), omitted) = export(users["manager"], source="cluster/shop")
    (resource,) = entry["resources"]
    names = {"kind": row["kind"], "namespace": "blog", "name": row["name"]}
    assert (resource["attributes"], omitted) == (names, [])


@pytest.mark.parametrize("parameters", [{"format": "sarif"}, {"format": ""}, {"source": "x" * 3_000}])
def test_invalid_parameters_are_refused(users: dict[str, httpx2.Client], parameters: dict[str, str]) -> None:
    assert users["manager"].get(EXPORT, params=parameters).status_code == 422


@pytest.mark.parametrize(
    ("scope", "excepted"),
    [
        ({}, {"api", "web"}),
        ({"names": ["web"]}, {"web"}),
        ({"names": ["we."]}, set()),
        ({"namespaces": ["shop"], "kinds": ["Pod"]}, {"api", "web"}),
        ({"namespaces": ["other"]}, set()),
    ],
)
def test_exceptions_cover_what_the_server_covers(
    server: EmbeddedServer,
    users: dict[str, httpx2.Client],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scope: dict[str, list[str]],
    excepted: set[str],
) -> None:
    for name in ("web", "api"):
        (tmp_path / f"{name}.yaml").write_text(POD.replace("NAME", name))
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "remote", "add", "origin", f"https://github.com/shop/{tmp_path.name}.git")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBEKEEP_TOKEN", server.create_token("agent"))
    for name in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / ".home" / name.lower()))
    decide(users, "C-0057", scope=scope)
    (tmp_path / "exceptions.json").write_bytes(users["manager"].get(EXPORT).content)
    common = ("scan", "control", "C-0057", "web.yaml", "api.yaml", "--format", "findings")
    for options in (("--exceptions", "exceptions.json"), ("--server", server.url)):
        result = run_command_line(*common, *options)
        assert result.returncode == 0, result.stderr
        findings = [json.loads(line) for line in result.stdout.splitlines()]
        assert {each["subject"]["name"] for each in findings if "suppression" in each} == excepted, options

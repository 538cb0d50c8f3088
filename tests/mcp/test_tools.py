"""Tools of the server, called by the SDK's client over standard input and output."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import kubekeep
from kubekeep.vulnerabilities.database.build import build_database
from tests.mcp.conftest import EXAMPLES
from tests.mcp.sessions import KUBEKEEP, MAX_BYTES, Session, open_session

CVSS = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
spec:
  containers:
    - name: web
      image: example.org/web:1.0.0
"""


def test_tools_are_described(session: Session) -> None:
    names = {"scan", "explain", "propose_fix", "compare", "attack_paths", "propose_exception"}
    assert session.tools.keys() == names
    for tool in session.tools.values():
        assert tool.title
        assert tool.description
        assert tool.output_schema
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.destructive_hint is False
        assert tool.annotations.open_world_hint is False
    listing = session.portal.call(session.client.list_tools)
    assert len(listing.model_dump_json(by_alias=True).encode()) < MAX_BYTES
    assert session.client.instructions is not None
    assert "untrusted" in session.client.instructions


def test_scan_pages_are_the_whole_scan(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    assessment = kubekeep.scan("online-shop")
    expected = sorted(
        (finding.id, finding.subject.label, evidence.path, str(evidence.location or finding.location))
        for finding in assessment.findings
        for evidence in finding.evidence
    )
    pages = session.pages("scan", path="online-shop")
    entries = [entry for page in pages for entry in page["entries"]]
    places = [(entry["control"], entry["untrusted"]) for entry in entries]
    assert len(pages) > 2
    assert expected == sorted(
        (control, place["resource"], place["field"], f"{place['file']}:{place['line']}") for control, place in places
    )
    assert [page["first_entry"] for page in pages][:2] == [1, len(pages[0]["entries"]) + 1]
    assert all(page["total_entries"] == len(expected) for page in pages)
    scores = [entry["priority"]["score"] for entry in entries]
    assert scores == sorted(scores, reverse=True)
    assert all(entry["remediation"] for entry in entries)


def test_totals_are_those_of_the_scan(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    assessment = kubekeep.scan("online-shop", frameworks=["nsa"])
    answer = session.call("scan", path="online-shop", frameworks=["nsa"])
    totals = answer["totals"]
    gaps = [summary for summary in assessment.summaries if summary.is_gap]
    assert gaps
    assert totals["controls"]["not_evaluated"] == len(gaps)
    assert sum(group["controls"] for group in answer["not_evaluated"]) == len(gaps)
    assert sum(totals["controls"].values()) == len(assessment.summaries)
    assert totals["findings"] == len(assessment.findings)
    assert totals["resources"] == assessment.counts.total
    assert totals["compliance"] == pytest.approx(assessment.compliance)


def test_filter_of_the_severity_keeps_the_totals(session: Session) -> None:
    everything = session.call("scan", path="online-shop")
    entries = session.entries("scan", path="online-shop", min_severity="high")
    assert entries
    assert {entry["severity"] for entry in entries} <= {"high", "critical"}
    assert session.call("scan", path="online-shop", min_severity="high")["totals"] == everything["totals"]


@pytest.mark.parametrize("convert", [str, lambda text: json.dumps(yaml.safe_load(text))], ids=["yaml", "json"])
def test_scan_of_text(session: Session, convert: type[str]) -> None:
    answer = session.call("scan", text=convert(POD), controls=["C-0016"])
    assert answer["totals"]["findings"] == 1
    for entry in answer["entries"]:
        assert entry["control"] == "C-0016"
        assert entry["untrusted"]["resource"] == "Pod shop/web"
        assert entry["untrusted"]["file"] == "input.yaml"


def test_scan_of_an_image_in_a_root(session: Session) -> None:
    answer = session.call("scan", image="oci:catalog-image")
    controls = {entry["control"]: entry["untrusted"]["file"] for entry in answer["entries"]}
    assert controls.keys() == {"image-secret-files", "image-root-user", "end-of-life-distribution"}
    assert controls["image-secret-files"] == "oci:catalog-image!/srv/catalog/.env"
    assert "kd93hTq2LxpM" not in str(answer)


def test_image_beside_manifests_names_its_workloads(tmp_path: Path) -> None:
    affected = {"package": {"ecosystem": "PyPI", "name": "flask"}, "versions": ["2.3.3"]}
    record = {"id": "CVE-2026-0001", "modified": "2026-01-01T00:00:00Z", "affected": [affected]}
    (tmp_path / "record.json").write_text(json.dumps(record | {"severity": [{"type": "CVSS_V3", "score": CVSS}]}))
    build_database([tmp_path / "record.json"], tmp_path / "database")
    labels = {"app": "catalog"}
    container = {
        "name": "web",
        "image": "registry.example.com/shop/catalog:2.3",
        "securityContext": {"privileged": True},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "catalog", "namespace": "shop", "labels": labels},
        "spec": {"containers": [container]},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "catalog", "namespace": "shop"},
        "spec": {"type": "LoadBalancer", "selector": labels, "ports": [{"port": 80}]},
    }
    text = "---\n".join(f"{json.dumps(document)}\n" for document in (pod, service))
    environment = {"KUBEKEEP_DATABASE": str(tmp_path / "database")}
    with open_session("--root", str(EXAMPLES), environment=environment) as session:
        answer = session.call("scan", text=text, image="oci:catalog-image", min_severity="medium")
        paths = session.call("attack_paths", text=text, image="oci:catalog-image")
    entries = {entry["control"]: entry for entry in answer["entries"]}
    (workload,) = entries["CVE-2026-0001"]["untrusted"]["workloads"]
    assert workload.startswith("container web of Pod shop/catalog (input.yaml:1)")
    assert "reachable from the internet through Service shop/catalog" in workload
    assert "C-0057" in entries
    (path,) = paths["entries"]
    assert "CVE-2026-0001 (critical) in flask 2.3.3" in json.dumps(path)


def test_scan_of_an_image_with_an_advisory_database(tmp_path: Path) -> None:
    affected = {"package": {"ecosystem": "PyPI", "name": "flask"}, "versions": ["2.3.3"]}
    record = {"id": "CVE-2026-0001", "modified": "2026-01-01T00:00:00Z", "affected": [affected]}
    (tmp_path / "record.json").write_text(json.dumps(record | {"severity": [{"type": "CVSS_V3", "score": CVSS}]}))
    build_database([tmp_path / "record.json"], tmp_path / "database")
    environment = {"KUBEKEEP_DATABASE": str(tmp_path / "database")}
    with open_session("--root", str(EXAMPLES), environment=environment) as session:
        answer = session.call("scan", image="oci:catalog-image")
    controls = {entry["control"]: entry["untrusted"] for entry in answer["entries"]}
    assert "flask 2.3.3" in str(controls["CVE-2026-0001"])
    # The database has nothing about Debian.
    assert answer["totals"]["unread"] == 1


@pytest.mark.parametrize(
    "image",
    [
        "nginx:1.29",
        "oci:../src",
        "oci:/etc",
        "docker-archive:/etc/passwd",
        "containerd://nginx",
        "docker-daemon:nginx",
        "dir:/etc",
        "./catalog-image",
    ],
)
def test_image_outside_of_the_permissions_is_refused(session: Session, image: str) -> None:
    message = session.error("scan", image=image)
    assert "root" in message or "--allow-network" in message


def test_unread_text_is_reported(session: Session) -> None:
    answer = session.call("scan", text=f"{POD}---\nkind: *missing\n")
    assert answer["totals"]["unread"] == 1
    assert answer["untrusted_unread"][0]["text"]


def test_large_input_stays_within_the_limit(tmp_path: Path) -> None:
    for number in range(12):
        shutil.copytree(EXAMPLES / "online-shop", tmp_path / f"shop-{number}")
    with open_session("--root", str(tmp_path)) as session:
        pages = session.pages("scan", path=".")
        assert sum(len(page["entries"]) for page in pages) == pages[0]["total_entries"] > 1_000
        assert len(session.entries("propose_fix", path=".")) > 50
        session.pages("compare", before="shop-0", after="shop-1")
        session.call("attack_paths", path=".", max_paths=1000)


def test_long_texts_are_cut_with_a_mark(session: Session) -> None:
    name = "a" * 5_000
    container = {"name": name, "image": "x", "securityContext": {"privileged": True}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}}
    (entry,) = session.call("scan", text=json.dumps(pod), controls=["C-0057"])["entries"]
    assert "[cut: 300 of" in entry["untrusted"]["resource"]


def test_explain(session: Session) -> None:
    control = session.call("explain", name="C-57")["control"]
    assert control["id"] == "C-0057"
    assert control["chapters"]["Remediation"]
    framework = session.call("explain", name="nsa")
    assert framework["kind"] == "framework"
    assert any(entry["controls"] == ["C-0057"] for entry in framework["entries"])
    unknown = session.call("explain", name="privilegd container")
    assert unknown["kind"] == "unknown"
    assert any("C-0057" in match for match in unknown["matches"])
    entries = session.entries("explain", name="allcontrols")
    assert len(entries) == session.call("explain", name="allcontrols")["total_entries"]


def test_fix_is_proposed_and_not_written(tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(POD)
    with open_session("--root", str(tmp_path)) as session:
        answer = session.call("propose_fix", path="pod.yaml", controls=["C-0016"])
        assert answer["applied"] is False
        (entry,) = answer["entries"]
        assert "+        allowPrivilegeEscalation: false" in entry["untrusted"]["text"]
        assert "writing is not allowed" in session.error("propose_fix", path="pod.yaml", apply=True)
    assert file.read_text() == POD


def test_proposed_diff_is_a_patch(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD)
    with open_session("--root", str(tmp_path)) as session:
        (entry,) = session.call("propose_fix", path=".")["entries"]
    patch = entry["untrusted"]["text"]
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch, text=True, check=True)
    assert "allowPrivilegeEscalation: false" in (tmp_path / "pod.yaml").read_text()


def test_risky_change_requires_the_control(session: Session) -> None:
    privileged = POD + "      securityContext: {privileged: true}\n"
    general = session.call("propose_fix", text=privileged)
    assert "privileged: false" not in json.dumps(general["entries"])
    assert any(group["cause"] == "can stop a program" for group in general["unfixed"])
    named = session.call("propose_fix", text=privileged, controls=["C-0057"])
    assert "privileged: false" in json.dumps(named["entries"])
    assert named["risks"]


def test_fix_with_a_value(session: Session) -> None:
    general = session.call("propose_fix", text=POD, controls=["C-0271"])
    (group,) = general["unfixed"]
    assert (group["control"], general["entries"]) == ("C-0271", [])
    fixed = session.call("propose_fix", text=POD, controls=["C-0271"], values={"limits.memory": "256Mi"})
    assert 'memory: "256Mi"' in fixed["entries"][0]["untrusted"]["text"]
    assert "not a path" in session.error("propose_fix", text=POD, values={"[": 1})


def test_applied_fix_rescans_clean(tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(POD)
    with open_session("--root", str(tmp_path), "--allow-writes") as session:
        hints = session.tools["propose_fix"].annotations
        assert hints is not None
        assert (hints.read_only_hint, hints.destructive_hint) == (False, True)
        assert session.call("scan", path="pod.yaml", controls=["C-0016"])["totals"]["findings"] == 1
        answer = session.call("propose_fix", path="pod.yaml", controls=["C-0016"], apply=True)
        assert answer["applied"] is True
        assert session.call("scan", path="pod.yaml", controls=["C-0016"])["totals"]["findings"] == 0
        assert "needs a path" in session.error("propose_fix", text=POD, apply=True)
    assert "allowPrivilegeEscalation: false" in file.read_text()


def test_compare_texts(session: Session) -> None:
    fixed = POD + "      securityContext: {allowPrivilegeEscalation: false}\n"
    answer = session.call("compare", before_text=POD, after_text=fixed, controls=["C-0016", "C-0013"])
    changes = {(entry["change"], entry["control"]) for entry in answer["entries"]}
    assert changes == {("resolved", "C-0016"), ("unchanged", "C-0013")}
    assert sum(answer["totals"].values()) == answer["total_entries"] == len(answer["entries"])
    back = session.call("compare", before_text=fixed, after_text=POD, controls=["C-0016"])
    assert back["totals"]["new"] == answer["totals"]["resolved"]
    assert {entry["change"] for entry in back["entries"]} == {"new"}


def test_compare_with_baseline(tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(POD)
    subprocess.run(
        [KUBEKEEP, "baseline", "create", "pod.yaml", "-o", "baseline.json"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        env=os.environ,
    )
    file.write_text(POD + "      securityContext: {privileged: true}\n")
    with open_session("--root", str(tmp_path)) as session:
        entries = session.entries("compare", baseline="baseline.json", after="pod.yaml")
        assert "C-0057" in {entry["control"] for entry in entries if entry["change"] == "new"}
        assert "name one of" in session.error("compare", after="pod.yaml")
        assert "pod.yaml" in session.error("compare", baseline="pod.yaml", after="pod.yaml")


def test_attack_paths(session: Session) -> None:
    answer = session.call("attack_paths", path="attack-paths")
    assert answer["total_entries"] == len(answer["entries"]) > 0
    steps = answer["entries"][0]["untrusted"]
    assert steps[0]["source"] == "internet"
    assert answer["cuts"][0]["paths_broken"] >= 1
    few = session.call("attack_paths", path="attack-paths", max_paths=1)
    assert few["paths_left_out"] == answer["total_entries"] - 1
    assert "nobody" in session.error("attack_paths", path="attack-paths", sources=["deployment/nobody"])


def test_exception_is_proposed(session: Session, tmp_path: Path) -> None:
    expires = (dt.datetime.now(dt.UTC) + dt.timedelta(days=30)).date().isoformat()
    answer = session.call(
        "propose_exception", controls=["C-0016"], reason="approved by the vendor", expires=expires, namespace="shop"
    )
    (tmp_path / "exceptions.yaml").write_text(answer["yaml"] + "\n")
    (tmp_path / "pod.yaml").write_text(POD)
    assessment = kubekeep.scan(tmp_path / "pod.yaml", controls=["C-0016"], exceptions=[tmp_path / "exceptions.yaml"])
    assert len(assessment.excepted_findings) == 1
    reject = {"controls": ["C-0016"], "reason": "x"}
    assert "expired" in session.error("propose_exception", **reject, expires="2020-01-01")
    assert "not a date" in session.error("propose_exception", **reject, expires="soon")
    assert "C-9999" in session.error("propose_exception", controls=["C-9999"], reason="x", expires=expires)


def test_resources(session: Session) -> None:
    client, call = session.client, session.portal.call
    resources = call(client.list_resources)
    assert "kubekeep://framework/nsa" in {str(resource.uri) for resource in resources.resources}
    assert len(resources.model_dump_json(by_alias=True).encode()) < MAX_BYTES
    templates = {template.uri_template for template in call(client.list_resource_templates).resource_templates}
    assert templates == {"kubekeep://control/{id}", "kubekeep://framework/{name}"}
    for resource in resources.resources:
        answer = call(client.read_resource, str(resource.uri))
        assert len(answer.model_dump_json(by_alias=True).encode()) < MAX_BYTES
    assert "## Remediation" in call(client.read_resource, "kubekeep://control/C-0057").model_dump_json()
    with pytest.raises(Exception, match="unknown control"):
        call(client.read_resource, "kubekeep://control/C-9999")


def test_prompt(session: Session) -> None:
    prompt = session.portal.call(session.client.get_prompt, "harden", {"path": "deploy/"})
    assert "deploy/" in prompt.model_dump_json()


@pytest.mark.parametrize(
    ("tool", "arguments", "messages"),
    [
        ("scan", {"control": ["C-0057"]}, ["unknown argument control", "did you mean controls?", "min_severity"]),
        ("scan", {"severity": "gigantic"}, ["unknown argument severity", "did you mean min_severity?"]),
        ("scan", {"min_severity": "gigantic"}, ["min_severity: ", "'critical'"]),
        ("scan", {"controls": "C-0057"}, ["controls: "]),
        ("propose_fix", {"dry_run": True}, ["unknown argument dry_run", "arguments of propose_fix: ", "apply"]),
        ("explain", {"control": "C-0057"}, ["unknown argument control", "arguments of explain: name, cursor"]),
        ("compare", {"head": "a", "base": "b"}, ["unknown argument head", "unknown argument base"]),
        ("attack_paths", {"from": ["a"]}, ["unknown argument from"]),
        ("propose_exception", {"namespaces": "x"}, ["unknown argument namespaces", "did you mean namespace?"]),
    ],
)
def test_unknown_and_invalid_arguments_are_errors(
    session: Session, tool: str, arguments: dict[str, Any], messages: list[str]
) -> None:
    text = session.error(tool, **{"path": "online-shop", **arguments} if tool == "scan" else arguments)
    assert all(message in text for message in messages), text
    assert "http" not in text
    assert "pydantic" not in text.lower()


def test_schemas_of_all_tools_are_closed(session: Session) -> None:
    assert all(tool.input_schema["additionalProperties"] is False for tool in session.tools.values())

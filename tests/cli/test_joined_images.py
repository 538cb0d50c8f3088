"""Vulnerabilities of images joined with the workloads that run them, by the real program in every format."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_vulnerabilities import IMAGE, kubekeep
from tests.command_line import run_command_line
from tests.images.access_fixtures import copy_image
from tests.images.example import REFERENCE
from tests.registry.service import run_registry

CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: catalog, namespace: shop}
spec:
  selector: {matchLabels: {app: catalog}}
  template:
    metadata: {labels: {app: catalog}}
    spec:
      containers:
        - name: web
          image: IMAGE
          securityContext: {privileged: true}
          ports: [{containerPort: 8080}]
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: catalog, namespace: shop}
spec: {type: LoadBalancer, selector: {app: catalog}, ports: [{port: 80, targetPort: 8080}]}
"""
FACTS = ("reachable from the internet through Service shop/catalog", "can take over its node")


@pytest.fixture(autouse=True)
def _advisories(tmp_path: Path) -> None:
    record = {
        "id": "CVE-2024-3094",
        "modified": "2026-01-01T00:00:00Z",
        "summary": "Buffer overflow",
        "severity": [{"type": "CVSS_V3", "score": CRITICAL}],
        "affected": [
            {
                "package": {"ecosystem": "Debian:11", "name": "openssl"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1.1w-0+deb11u3"}]}],
            }
        ],
    }
    # So that the Python packages of the image are assessed too.
    other = {"package": {"ecosystem": "PyPI", "name": "other"}, "versions": ["1"]}
    records = (record, {"id": "CVE-2024-1", "modified": "2026-01-01T00:00:00Z", "affected": [other]})
    (tmp_path / "osv.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in records))


def write_manifests(folder: Path, image: str = REFERENCE, *others: str) -> None:
    (folder / "deploy").mkdir()
    (folder / "deploy" / "shop.yaml").write_text("---\n".join((DEPLOYMENT.replace("IMAGE", image), *others)))


def scan(folder: Path, *arguments: str, code: int = 0) -> str:
    """Scan the manifests with the image, without a network; return the output."""
    done = kubekeep("scan", "deploy", f"oci:{IMAGE}", "--advisories", "osv.jsonl", *arguments, folder=folder, code=code)
    return done.stdout + done.stderr


def read_report(folder: Path) -> dict[str, Any]:
    scan(folder, "-f", "json", "-o", "report.json")
    (vulnerability,) = json.loads((folder / "report.json").read_text())["vulnerabilities"]
    assert vulnerability["id"] == "CVE-2024-3094"
    entry: dict[str, Any] = vulnerability
    return entry


def test_json_names_container_line_and_facts(tmp_path: Path) -> None:
    write_manifests(tmp_path, REFERENCE, SERVICE)
    entry = read_report(tmp_path)
    (workload,) = entry["workloads"]
    location = workload.pop("location")
    assert (location["file"], location["startLine"]) == ("deploy/shop.yaml", 11)
    assert workload == {
        "kind": "Deployment",
        "namespace": "shop",
        "name": "catalog",
        "container": "web",
        "exposure": FACTS[0],
        "power": FACTS[1],
    }
    assert entry["priority"]["reasons"][0] == f"Deployment shop/catalog is {FACTS[0]}, and {FACTS[1]}"
    assert entry["priority"]["score"] > 9.7


def test_without_exposure_and_power_the_priority_is_that_of_the_image(tmp_path: Path) -> None:
    write_manifests(tmp_path)
    (tmp_path / "deploy" / "shop.yaml").write_text(
        DEPLOYMENT.replace("IMAGE", REFERENCE).replace("privileged: true", "privileged: false")
    )
    entry = read_report(tmp_path)
    (workload,) = entry["workloads"]
    assert "exposure" not in workload
    assert "power" not in workload
    assert entry["priority"]["score"] == 9.316
    assert not any("Deployment" in reason for reason in entry["priority"]["reasons"])


@pytest.mark.parametrize(
    ("image", "joined"),
    [
        (REFERENCE, True),
        (REFERENCE.replace("registry.example.com", "REGISTRY.example.com"), True),
        (REFERENCE.replace("registry.example.com", "registry.example.com:443"), True),
        (f"{REFERENCE.rpartition(':')[0]}@sha256:DIGEST", True),
        (f"{REFERENCE}@sha256:DIGEST", True),
        (f"registry.example.com/shop/other:1@sha256:{'0' * 64}", False),
        (f"{REFERENCE}@sha256:{'0' * 64}", False),
        (REFERENCE.replace("2.3", "2.4"), False),
        (REFERENCE.replace("catalog", "catalogue"), False),
    ],
)
def test_join_by_spelling_of_the_reference(image: str, *, joined: bool, tmp_path: Path) -> None:
    (manifest,) = json.loads((IMAGE / "index.json").read_text())["manifests"]
    write_manifests(tmp_path, image.replace("sha256:DIGEST", manifest["digest"]))
    assert ("workloads" in read_report(tmp_path)) is joined


def test_init_container_and_volume_are_not_exposed(tmp_path: Path) -> None:
    init = f"      initContainers: [{{name: setup, image: {REFERENCE}}}]\n"
    volume = f"      volumes: [{{name: files, image: {{reference: {REFERENCE}}}}}]\n"
    write_manifests(tmp_path, "example.com/other:1", SERVICE)
    file = tmp_path / "deploy" / "shop.yaml"
    text = file.read_text()
    file.write_text(text.replace("---\n", f"{init}{volume}---\n", 1))
    first, second = read_report(tmp_path)["workloads"]
    assert (first["container"], "exposure" in first, first["power"]) == ("setup", False, FACTS[1])
    assert ("container" in second, "exposure" in second, "power" in second) == (False, False, False)


def test_findings_and_sarif_name_the_line_of_the_manifest(tmp_path: Path) -> None:
    write_manifests(tmp_path, REFERENCE, SERVICE)
    scan(tmp_path, "-f", "findings,sarif", "-o", "report")
    lines = [json.loads(line) for line in (tmp_path / "report.findings.jsonl").read_text().splitlines()]
    (finding,) = (line for line in lines if line.get("id") == "CVE-2024-3094")
    assert finding["workloads"][0]["location"]["line"] == 11
    assert finding["workloads"][0]["exposure"] == FACTS[0]
    (run,) = json.loads((tmp_path / "report.sarif").read_text())["runs"]
    (result,) = (entry for entry in run["results"] if entry["ruleId"] == "CVE-2024-3094")
    (location,) = result["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "deploy/shop.yaml"
    assert location["physicalLocation"]["region"]["startLine"] == 11
    (related,) = result["relatedLocations"]
    assert related["physicalLocation"]["artifactLocation"]["uri"].endswith("var/lib/dpkg/status")
    assert "Run by container web of Deployment shop/catalog (deploy/shop.yaml:11)" in result["message"]["text"]


@pytest.mark.parametrize(
    "name", ["markdown", "html", "csv", "junit", "github", "gitlab-container-scanning", "ocsf", "yaml"]
)
def test_other_formats_name_the_workload(name: str, tmp_path: Path) -> None:
    write_manifests(tmp_path, REFERENCE, SERVICE)
    scan(tmp_path, "-f", name, "-o", "report")
    (report,) = tmp_path.glob("report*")
    text = re.sub(r"\s+", " ", report.read_text().replace("\\", ""))
    assert "catalog" in text
    assert FACTS[0] in text
    if name == "github":
        assert "file=deploy/shop.yaml,line=11" in text


def test_html_has_one_list_of_problems_and_upgrades(tmp_path: Path) -> None:
    write_manifests(tmp_path, REFERENCE, SERVICE)
    scan(tmp_path, "-f", "html", "-o", "report.html")
    (table,) = re.findall(r'<table class="first".*?</table>', (tmp_path / "report.html").read_text(), re.DOTALL)
    words = " ".join(re.sub(r"<[^>]+>", " ", table).split())
    problem = words.index("Deployment shop/catalog deploy/shop.yaml:")
    image = words.index(f"catalog-image run by Deployment shop/catalog (deploy/shop.yaml:11): {FACTS[0]}")
    assert "container web is privileged C-0057" in words
    assert problem < image < words.index("upgrade libssl1.1 1.1.1w-0+deb11u1 to 1.1.1w-0+deb11u3 CVE-2024-3094")


def test_first_screen_is_one_list(tmp_path: Path) -> None:
    write_manifests(tmp_path, REFERENCE, SERVICE)
    text = scan(tmp_path)
    assert text.count("Fix first") == 1
    words = " ".join(text.split())
    problem = words.index("container web is privileged")
    workload = words.index("run by Deployment shop/catalog (deploy/shop.yaml:11): reachable from the internet")
    upgrade = words.index("libssl1.1 1.1.1w-0+deb11u1 → 1.1.1w-0+deb11u3 CVE-2024-3094")
    assert problem < workload < upgrade


def test_paths_start_at_vulnerable_exposed_images(tmp_path: Path) -> None:
    write_manifests(tmp_path, REFERENCE, SERVICE)
    (tmp_path / "deploy" / "other.yaml").write_text(
        (DEPLOYMENT.replace("IMAGE", "example.com/other:1") + "---\n" + SERVICE).replace("catalog", "other")
    )
    arguments = ("paths", "deploy", f"oci:{IMAGE}", "--advisories", "osv.jsonl", "-f", "json")
    every = json.loads(kubekeep(*arguments, folder=tmp_path).stdout)["paths"]
    assert len(every) == 2
    # The other image cannot be read: the answer is incomplete.
    done = kubekeep(*arguments, "--images", folder=tmp_path, code=3)
    document = json.loads(done.stdout)
    (path,) = document["paths"]
    assert any(name.startswith("image:") for name in path["nodes"])
    text = json.dumps(document["edges"])
    assert "CVE-2024-3094 (critical) in libssl1.1 1.1.1w-0+deb11u1: fixed in 1.1.1w-0+deb11u3" in text
    assert "Deployment shop/other" not in text
    assert "example.com/other:1" in done.stderr


@pytest.mark.parametrize(("others", "code"), [((SERVICE,), 1), ((), 0)])
def test_gate_on_critical_and_exposed(others: tuple[str, ...], code: int, tmp_path: Path) -> None:
    write_manifests(tmp_path, REFERENCE, *others)
    text = scan(tmp_path, "--fail-on", "critical", "--only-exposed", code=code)
    assert "of Critical or above in what is exposed, limit 0" in text


def test_gate_counts_an_image_of_unknown_exposure(tmp_path: Path) -> None:
    arguments = (
        "image",
        "scan",
        f"oci:{IMAGE}",
        "--advisories",
        "osv.jsonl",
        "--fail-on",
        "critical",
        "--only-exposed",
    )
    assert "gate FAILED" in kubekeep(*arguments, folder=tmp_path, code=1).stderr


@pytest.mark.parametrize(("others", "excepted"), [((SERVICE,), False), ((), True)])
def test_exception_for_what_is_not_exposed(others: tuple[str, ...], *, excepted: bool, tmp_path: Path) -> None:
    (tmp_path / "exceptions.yaml").write_text(
        "- reason: not reachable\n  exposed: false\n  posturePolicies: [{controlID: CVE-2024-3094}]\n"
    )
    write_manifests(tmp_path, REFERENCE, *others)
    scan(tmp_path, "--exceptions", "exceptions.yaml", "-f", "json", "-o", "report.json")
    (entry,) = json.loads((tmp_path / "report.json").read_text())["vulnerabilities"]
    assert entry["excepted"] is excepted


def test_exception_for_unexposed_images_needs_their_workloads(tmp_path: Path) -> None:
    (tmp_path / "exceptions.yaml").write_text(
        "- reason: not reachable\n  exposed: false\n  posturePolicies: [{controlID: CVE-2024-3094}]\n"
    )
    arguments = ("image", "scan", f"oci:{IMAGE}", "--advisories", "osv.jsonl", "--exceptions", "exceptions.yaml")
    kubekeep(*arguments, "-f", "json", "-o", "report.json", folder=tmp_path)
    (entry,) = json.loads((tmp_path / "report.json").read_text())["vulnerabilities"]
    assert not entry["excepted"]
    (tmp_path / "exceptions.yaml").write_text(
        "- reason: a\n  exposed: maybe\n  posturePolicies: [{controlID: C-0057}]\n"
    )
    text = kubekeep(*arguments, folder=tmp_path, code=2).stderr
    assert "exposed is neither true nor false" in text


def test_pseudonyms_hide_the_workload(tmp_path: Path) -> None:
    write_manifests(tmp_path, REFERENCE, SERVICE)
    scan(tmp_path, "-f", "json", "-o", "report.json", "--hide")
    text = (tmp_path / "report.json").read_text()
    (entry,) = json.loads(text)["vulnerabilities"]
    (workload,) = entry["workloads"]
    assert workload["exposure"] == "reachable from the internet"
    assert "catalog" not in json.dumps(workload)


@pytest.mark.parametrize(
    ("selection", "is_scanned"),
    [
        (("--include-namespaces", "shop"), True),
        (("--exclude-namespaces", "shop"), False),
        (("--include-kinds", "Deployment"), True),
        (("--include-kinds", "Service"), False),
        (("--label-selector", "app=other"), False),
    ],
)
def test_images_of_selected_workloads_are_scanned(
    selection: tuple[str, str], *, is_scanned: bool, tmp_path: Path
) -> None:
    with run_registry(tmp_path / "registry") as service:
        name = f"{service.address}/shop/catalog:2.3"
        copy_image(f"oci:{IMAGE}:{REFERENCE}", f"docker://{name}")
        write_manifests(tmp_path, name, SERVICE, "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}\n")
        options = ("--images", "--advisories", "osv.jsonl", "-f", "json", "-o", "report.json")
        done = run_command_line(
            "scan",
            "deploy",
            *options,
            *selection,
            folder=tmp_path,
            variables={"XDG_CACHE_HOME": str(tmp_path / "cache")},
        )
    assert "Traceback" not in done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert bool(report.get("vulnerabilities")) is is_scanned


def test_images_of_one_workload_are_scanned(tmp_path: Path) -> None:
    write_manifests(tmp_path, REFERENCE)
    (tmp_path / "deploy" / "other.yaml").write_text(
        DEPLOYMENT.replace("IMAGE", "example.com/other:1").replace("name: catalog", "name: other")
    )
    for workload, count in (("deployment/catalog", 1), ("deployment/other", 0)):
        arguments = ("scan", "workload", f"shop/{workload}", "deploy", f"oci:{IMAGE}", "--advisories", "osv.jsonl")
        kubekeep(*arguments, "-f", "json", "-o", "report.json", folder=tmp_path)
        report = json.loads((tmp_path / "report.json").read_text())
        assert len(report.get("vulnerabilities", ())) == count


def test_resources_name_their_images_and_the_reverse(tmp_path: Path) -> None:
    write_manifests(tmp_path, REFERENCE, SERVICE)
    text = " ".join(scan(tmp_path, "--view", "resource").split())
    assert f"runs oci:{IMAGE}: 1 vulnerability" in text[text.index("✖ Deployment shop/catalog") :]
    image = text[text.index("✖ ContainerImage oci:") :]
    assert "3 controls fail, 1 vulnerability run by container web of Deployment shop/catalog" in image


def test_sboms_in_a_scanned_folder_are_named_unless_they_are_in_the_scan(tmp_path: Path) -> None:
    write_manifests(tmp_path)
    sbom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}
    (tmp_path / "deploy" / "shop.cdx.json").write_text(json.dumps(sbom))
    note = "not scanned: 1 SBOM (deploy/shop.cdx.json); sbom:FILE scans the packages of one"
    assert note in scan(tmp_path)
    assert "SBOM (" not in scan(tmp_path, "sbom:./deploy/shop.cdx.json")


DIGEST = f"sha256:{'a' * 64}"
URL = f"pkg:oci/shop@{DIGEST.replace(':', '%3A')}?repository_url=registry.example.com%2Fshop"
COMPONENT = {
    "type": "library",
    "name": "openssl",
    "version": "1.0",
    "purl": "pkg:deb/debian/openssl@1.0?distro=debian-11",
}
LOCATOR = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl"}


def create_cyclonedx(**fields: Any) -> dict[str, Any]:
    image = {"bom-ref": "image", "type": "container", **fields}
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": image}, "components": [COMPONENT]}


def create_spdx(**fields: Any) -> dict[str, Any]:
    package = {
        "SPDXID": "SPDXRef-1",
        "name": "openssl",
        "versionInfo": "1.0",
        "externalRefs": [{**LOCATOR, "referenceLocator": COMPONENT["purl"]}],
    }
    image = {"SPDXID": "SPDXRef-2", "primaryPackagePurpose": "CONTAINER", **fields}
    relations = (("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-2"), ("SPDXRef-2", "CONTAINS", "SPDXRef-1"))
    names = ("spdxElementId", "relationshipType", "relatedSpdxElement")
    return {
        "spdxVersion": "SPDX-2.3",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "shop",
        "packages": [package, image],
        "relationships": [dict(zip(names, relation, strict=True)) for relation in relations],
    }


SBOMS = {
    "syft.cdx.json": create_cyclonedx(name="registry.example.com/shop:1.0", version=DIGEST),
    "syft.spdx.json": create_spdx(
        name="registry.example.com/shop", versionInfo="1.0", externalRefs=[{**LOCATOR, "referenceLocator": URL}]
    ),
    "trivy.cdx.json": create_cyclonedx(
        name="shop.tar",
        purl=URL,
        properties=[{"name": "aquasecurity:trivy:RepoTag", "value": "registry.example.com/shop:1.0"}],
    ),
    "trivy.spdx.json": create_spdx(
        name="registry.example.com/shop:1.0", externalRefs=[{**LOCATOR, "referenceLocator": URL}]
    ),
    "syft.json": {
        "schema": {"version": "16.0.0"},
        "descriptor": {"name": "syft", "version": "1.20.0"},
        "distro": {"id": "debian", "versionID": "11"},
        "source": {
            "type": "image",
            "name": "shop.tar",
            "metadata": {
                "userInput": "shop.tar",
                "tags": ["registry.example.com/shop:1.0"],
                "repoDigests": [f"registry.example.com/shop@{DIGEST}"],
            },
        },
        "artifacts": [{"id": "1", "name": "openssl", "version": "1.0", "type": "deb", "purl": COMPONENT["purl"]}],
    },
}
PODS = {
    "tag": "registry.example.com/shop:1.0",
    "digest": f"registry.example.com/shop@{DIGEST}",
    "both": f"registry.example.com/shop:0.9@{DIGEST}",
    "mirror": f"mirror.example.com/shop@{DIGEST}",
    "latest": "registry.example.com/shop",
    "other": "registry.example.com/shop:1.1",
}


@pytest.mark.parametrize("name", SBOMS)
def test_join_by_the_references_that_tools_write_into_sboms(name: str, tmp_path: Path) -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {{name: {}}}\nspec: {{containers: [{{name: c, image: '{}'}}]}}\n"
    (tmp_path / "pods.yaml").write_text("---\n".join(pod.format(*entry) for entry in PODS.items()))
    (tmp_path / name).write_text(json.dumps(SBOMS[name]))
    arguments = ("pods.yaml", f"sbom:{name}", "--advisories", "osv.jsonl", "-f", "json", "-o", "report.json")
    kubekeep("scan", *arguments, folder=tmp_path)
    (vulnerability,) = json.loads((tmp_path / "report.json").read_text())["vulnerabilities"]
    assert [workload["name"] for workload in vulnerability["workloads"]] == ["tag", "digest", "both", "mirror"]

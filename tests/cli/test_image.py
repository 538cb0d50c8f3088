"""`kubekeep image` and images in scans, with the real program and a real registry."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.command_line import run_command_line
from tests.images.access_fixtures import copy_image
from tests.images.example import LAYERS, REFERENCE, write_layer, write_layout
from tests.registry.service import run_registry
from tests.registry.test_login import HTPASSWD, PASSWORD, USER, auth_settings

from kubekeep import api
from kubekeep.model.scanned_source import SourceRegistry
from kubekeep.reports import formats

EXAMPLE = Path(__file__).parents[2] / "examples" / "catalog-image"
KUBEKEEP = Path(sys.executable).parent / "kubekeep"


WITHOUT_TEXT = {"pdf", "prometheus", "cyclonedx", "gitlab-container-scanning"}
"""Formats with compressed text, with figures only, and with vulnerabilities only."""


def kubekeep(*arguments: str, folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder, with the cache in it, without a database. Fails for another exit code."""
    if "scan" in arguments[:2] and "--advisories" not in arguments:
        arguments = (*arguments, "--no-vulnerabilities")
    variables = {"XDG_CACHE_HOME": str(folder / "cache"), "NO_COLOR": "1"}
    done = run_command_line(*arguments, folder=folder, variables=variables)
    assert done.returncode == code, done.stderr
    return done


def list_findings(report: Path) -> dict[str, list[str]]:
    """Return the places of the findings of a SARIF report by control."""
    findings: dict[str, list[str]] = {}
    for result in json.loads(report.read_text())["runs"][0]["results"]:
        place = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        findings.setdefault(result["ruleId"], []).append(place)
    return findings


def test_example_is_current(tmp_path: Path) -> None:
    write_layout(tmp_path)
    manifests = [
        json.loads((folder / "index.json").read_text())["manifests"][0]["annotations"] for folder in (tmp_path, EXAMPLE)
    ]
    assert manifests[0] == manifests[1] == {"org.opencontainers.image.ref.name": REFERENCE}
    blobs = [path.read_bytes() for path in (EXAMPLE / "blobs" / "sha256").iterdir()]
    archives = {gzip.decompress(blob) for blob in blobs if blob.startswith(b"\x1f\x8b")}
    assert archives == {write_layer(files) for _, files in LAYERS}


def test_packages_of_an_image(tmp_path: Path) -> None:
    kubekeep("image", "sbom", f"oci:{EXAMPLE}", "-o", "a.cdx.json", folder=tmp_path)
    document = json.loads((tmp_path / "a.cdx.json").read_text())
    purls = {component["purl"] for component in document["components"] if "purl" in component}
    assert {purl.partition("?")[0] for purl in purls} == {
        "pkg:deb/debian/bash@5.1-2%2Bdeb11u1",
        "pkg:deb/debian/libc6@2.31-13%2Bdeb11u11",
        "pkg:deb/debian/libssl1.1@1.1.1w-0%2Bdeb11u1",
        "pkg:deb/debian/passwd@1:4.8.1-1",
        "pkg:pypi/flask@2.3.3",
        "pkg:pypi/psycopg2@2.9.9",
    }
    assert document["specVersion"] == "1.6"


def test_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    for layout in ("cyclonedx", "spdx"):
        for name in ("a", "b"):
            kubekeep("image", "sbom", f"oci:{EXAMPLE}", "-f", layout, "-o", name, folder=tmp_path)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        # The second run read the cache; without it, the bytes are the same.
        shutil.rmtree(tmp_path / "cache")


def test_cached_layer_does_not_hide_a_damaged_blob(tmp_path: Path) -> None:
    write_layout(tmp_path / "image")
    kubekeep("image", "sbom", "oci:image", folder=tmp_path)
    blob = max(
        (tmp_path / "image" / "blobs" / "sha256").iterdir(), key=lambda path: path.read_bytes()[:2] == b"\x1f\x8b"
    )
    blob.write_bytes(blob.read_bytes()[:-1])
    assert "bytes; the manifest says" in kubekeep("image", "sbom", "oci:image", folder=tmp_path, code=3).stderr
    blob.unlink()
    assert "is missing" in kubekeep("image", "sbom", "oci:image", folder=tmp_path, code=3).stderr


def test_other_blob_that_claims_to_be_a_cached_layer_is_read(tmp_path: Path) -> None:
    write_layout(tmp_path / "image")
    kubekeep("image", "sbom", "oci:image", folder=tmp_path)
    claimed = json.dumps(claim_layers(tmp_path / "image", gzip.compress(write_layer({"etc/motd": (0o644, "other")}))))
    (tmp_path / "image" / "index.json").write_text(claimed)
    message = kubekeep("image", "sbom", "oci:image", folder=tmp_path, code=3).stderr
    assert "but the image configuration requires" in message


def claim_layers(folder: Path, content: bytes) -> dict[str, object]:
    """Return the index of an image with the configuration of the one in a layout and other content in its first layer."""

    def add(blob: bytes) -> dict[str, object]:
        digest = hashlib.sha256(blob).hexdigest()
        (folder / "blobs" / "sha256" / digest).write_bytes(blob)
        return {"digest": f"sha256:{digest}", "size": len(blob)}

    index = json.loads((folder / "index.json").read_text())
    digest = index["manifests"][0]["digest"].removeprefix("sha256:")
    manifest = json.loads((folder / "blobs" / "sha256" / digest).read_text())
    manifest["layers"][0] |= add(content)
    index["manifests"][0] |= add(json.dumps(manifest).encode())
    return dict(index)


def test_format_by_the_name_of_the_file(tmp_path: Path) -> None:
    kubekeep("image", "sbom", f"oci:{EXAMPLE}", "-o", "a.spdx.json", folder=tmp_path)
    assert json.loads((tmp_path / "a.spdx.json").read_text())["spdxVersion"] == "SPDX-2.3"


def test_summary_for_people(tmp_path: Path) -> None:
    text = kubekeep("image", "sbom", f"oci:{EXAMPLE}", folder=tmp_path).stdout
    assert "Debian GNU/Linux 11 (bullseye)" in text
    assert "6 packages" in text


def test_scan_of_an_image(tmp_path: Path) -> None:
    done = kubekeep("image", "scan", f"oci:{EXAMPLE}", "--format", "sarif", "--output", "a.sarif", folder=tmp_path)
    findings = list_findings(tmp_path / "a.sarif")
    assert findings.keys() == {"image-secret-files", "image-root-user", "end-of-life-distribution"}
    assert findings["image-secret-files"][0].endswith("/srv/catalog/.env")
    everything = (tmp_path / "a.sarif").read_text() + done.stdout + done.stderr
    assert "kd93hTq2LxpM" not in everything
    cached = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert b"kd93hTq2LxpM" not in cached


@pytest.mark.parametrize("name", sorted(formats()))
def test_every_report_has_the_findings_of_an_image(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLE.parent)
    scanned = api.scan("oci:catalog-image", frameworks=["images"])
    assessment = msgspec.structs.replace(scanned, source=SourceRegistry("registry.example.com"))
    rendered = api.render(assessment, name)
    report = rendered if isinstance(rendered, bytes) else rendered.encode()
    if name not in WITHOUT_TEXT:
        assert b"image-secret-files" in report
        assert b"catalog-image" in report
    assert b"kd93hTq2LxpM" not in report


def test_progress_of_reading_on_a_terminal(tmp_path: Path) -> None:
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "TERM": "xterm"}
    done = subprocess.run(
        ["script", "-qec", f"{KUBEKEEP} image scan oci:{EXAMPLE}", "/dev/null"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert f"{EXAMPLE}"[-20:] in done.stdout
    assert "MB" in done.stdout


def test_limits_of_an_image_scan(tmp_path: Path) -> None:
    done = kubekeep("image", "scan", f"oci:{EXAMPLE}", "--severity-threshold", "high", folder=tmp_path, code=1)
    assert "gate FAILED" in done.stderr


def test_licence_policy(tmp_path: Path) -> None:
    (tmp_path / "licences.yaml").write_text('deniedLicences: ["LGPL-*"]\n')
    arguments = ("--controls-config", "licences.yaml", "--format", "sarif", "--output", "a.sarif")
    kubekeep("image", "scan", f"oci:{EXAMPLE}", *arguments, folder=tmp_path)
    (place,) = list_findings(tmp_path / "a.sarif")["image-licences"]
    assert place.endswith("/psycopg2-2.9.9.dist-info/METADATA")


def test_address_of_an_image_in_a_scan(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b}]}\n"
    )
    kubekeep("scan", "pod.yaml", f"oci:{EXAMPLE}", "--format", "sarif", "--output", "a.sarif", folder=tmp_path)
    findings = list_findings(tmp_path / "a.sarif")
    assert {"image-secret-files", "C-0013"} <= findings.keys()


@pytest.mark.parametrize(
    "image", ["oci:{example}", "dir:/etc", "{example}", "docker-daemon:nginx", "containerd://nginx", "./a.tar"]
)
def test_images_of_workloads_are_in_registries_only(image: str, tmp_path: Path) -> None:
    text = image.format(example=EXAMPLE)
    (tmp_path / "pod.yaml").write_text(
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{name: a, image: '{text}'}}]}}\n"
    )
    done = kubekeep("scan", "pod.yaml", "--images", "--format", "json", "--output", "a.json", folder=tmp_path, code=3)
    assert "not read" in done.stderr
    resources = json.loads((tmp_path / "a.json").read_text())["resources"]
    assert [resource["object"]["kind"] for resource in resources] == ["Pod"]


def test_images_of_workloads_are_read_from_their_registry(tmp_path: Path) -> None:
    with run_registry(tmp_path / "registry") as service:
        name = f"{service.address}/shop/catalog:2.3"
        copy_image(f"oci:{EXAMPLE}:{REFERENCE}", f"docker://{name}")
        pod = (
            f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{name: a, image: '{name}'}}]}}\n"
        )
        for file in ("a.yaml", "b.yaml"):
            (tmp_path / file).write_text(pod)
        kubekeep("scan", ".", "--images", "--format", "json", "--output", "a.json", folder=tmp_path)
        report = json.loads((tmp_path / "a.json").read_text())
        images = [entry["object"] for entry in report["resources"] if entry["object"]["kind"] == "ContainerImage"]
        assert [image["metadata"]["name"] for image in images] == [name]
        kubekeep("image", "sbom", name, "-o", "a.cdx.json", folder=tmp_path)
        kubekeep("image", "sbom", f"oci:{EXAMPLE}", "-o", "b.cdx.json", folder=tmp_path)
    first, second = (json.loads((tmp_path / file).read_text())["components"] for file in ("a.cdx.json", "b.cdx.json"))
    assert first == second


def test_baseline_of_an_image_behind_a_login(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    with run_registry(folder, auth=auth) as service:
        name = f"{service.address}/shop/catalog:2.3"
        copy_image(f"oci:{EXAMPLE}:{REFERENCE}", f"docker://{name}", f"--dest-creds={USER}:{PASSWORD}")
        (tmp_path / "login.json").write_text(json.dumps(auth_settings(service.address)))
        options = (f"image:{name}", "--registry-config", "login.json", "--no-vulnerabilities")
        kubekeep("baseline", "create", *options, folder=tmp_path)
        done = kubekeep("scan", *options[:3], "--baseline", "kubekeep-baseline.json", "--fail-on-new", folder=tmp_path)
        assert "gate passed: " in done.stderr
        done = kubekeep("baseline", "create", options[0], "--no-vulnerabilities", folder=tmp_path, code=3)
        assert "401" in done.stderr


def test_image_that_cannot_be_opened(tmp_path: Path) -> None:
    done = kubekeep("image", "sbom", "oci:missing", folder=tmp_path, code=3)
    assert done.stderr.startswith("failed: oci:missing: ")
    done = kubekeep("image", "scan", "oci:missing", folder=tmp_path, code=3)
    assert "oci:missing" in done.stderr


def test_configuration_in_a_scanned_folder_cannot_redirect_registries(tmp_path: Path) -> None:
    (tmp_path / "kubekeep.yaml").write_text("mirror: docker.io=mirror.example.com\n")
    done = kubekeep("image", "scan", f"oci:{EXAMPLE}", folder=tmp_path, code=2)
    assert "mirror" in done.stderr

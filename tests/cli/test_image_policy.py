"""Image policies and signatures on the command line, with the real program and a real registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.test_image import EXAMPLE, kubekeep
from tests.images.access_fixtures import copy_image
from tests.images.example import REFERENCE
from tests.registry.conftest import write_keys
from tests.registry.service import Service, run_registry
from tests.signatures.notation.signing import JWS, create_root, policy, write_configuration
from tests.signatures.notation.test_registry import push_image, sign_image


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A registry with two images: `shop/signed` with a signature by the key `ours`, and `shop/unsigned`."""
    folder = tmp_path_factory.mktemp("images")
    with run_registry(folder / "registry") as service:
        write_keys(folder, "ours")
        for name in ("signed", "unsigned"):
            copy_image(f"oci:{EXAMPLE}:{REFERENCE}", f"docker://{service.address}/shop/{name}:1.0")
        # The two images have the same digest, and signatures belong to a repository.
        kubekeep(
            "image",
            "sign",
            f"{service.address}/shop/signed:1.0",
            "--key",
            "ours.key",
            "--layout",
            "legacy-tag",
            folder=folder,
        )
        (folder / "ours.pub").rename(service.storage / "ours.pub")
        yield service


def write_policy(folder: Path, service: Service, **fields: Any) -> None:
    document = {
        "apiVersion": "image.kubekeep.io/v1",
        "kind": "ImagePolicy",
        "unmatched": "deny",
        "signers": {"team": {"key": str(service.storage / "ours.pub")}},
        "rules": [{"images": [f"{service.address}/shop"], "signedBy": ["team"]}],
    } | fields
    (folder / "policy.yaml").write_text(yaml.safe_dump(document, sort_keys=False))


def write_pods(folder: Path, *images: str) -> None:
    documents = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"pod-{number}"},
            "spec": {"containers": [{"name": "a", "image": image}]},
        }
        for number, image in enumerate(images)
    ]
    (folder / "pods.yaml").write_text(yaml.safe_dump_all(documents))


def read_statuses(report: Path, control: str) -> dict[str, str]:
    """Return the status of a control by the name of the resource."""
    document = json.loads(report.read_text())
    names = {entry["resourceID"]: entry["object"]["metadata"]["name"] for entry in document["resources"]}
    return {
        names[result["resourceID"]]: found["status"]["status"]
        for result in document["results"]
        for found in result["controls"]
        if found["controlID"] == control
    }


def test_policy_decides_on_images(registry: Service, tmp_path: Path) -> None:
    write_policy(tmp_path, registry)
    signed, unsigned = (f"{registry.address}/shop/{name}:1.0" for name in ("signed", "unsigned"))
    done = kubekeep("image", "verify", signed, "--policy", "policy.yaml", folder=tmp_path)
    assert done.stdout.startswith(f"allowed: {signed}")
    assert "passed         signature: by team" in done.stdout
    done = kubekeep("image", "verify", signed, unsigned, "--policy", "policy.yaml", folder=tmp_path, code=1)
    assert f"denied: {unsigned}" in done.stdout
    assert "no signature by team" in done.stdout
    done = kubekeep("image", "verify", signed, "--policy", "policy.yaml", "-f", "json", folder=tmp_path)
    (result,) = json.loads(done.stdout)
    assert result["isAllowed"] is True
    assert result["digest"].startswith("sha256:")


def test_unreachable_registry_is_not_evaluated(registry: Service, tmp_path: Path) -> None:
    write_policy(tmp_path, registry, rules=[{"images": ["*"], "signedBy": ["team"]}])
    done = kubekeep("image", "verify", "127.0.0.1:1/app:1", "--policy", "policy.yaml", folder=tmp_path, code=3)
    assert done.stdout.startswith("not evaluated: 127.0.0.1:1/app:1")


def test_invalid_policy_names_file_and_line(registry: Service, tmp_path: Path) -> None:
    write_policy(tmp_path, registry, unmatched="maybe")
    done = kubekeep("image", "verify", "a.example/b", "--policy", "policy.yaml", folder=tmp_path, code=2)
    assert "policy.yaml:3:1: Invalid enum value 'maybe'" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--policy", "policy.yaml", "--notation", "."),
        ("--policy", "policy.yaml", "--identity", "a", "--issuer", "b"),
        ("--policy", "policy.yaml", "--attestation", "spdx"),
        ("second.example/b", "--identity", "a", "--issuer", "b"),
    ],
)
def test_options_that_exclude_each_other(arguments: tuple[str, ...], registry: Service, tmp_path: Path) -> None:
    write_policy(tmp_path, registry)
    kubekeep("image", "verify", "a.example/b", *arguments, folder=tmp_path, code=2)


def test_notation(registry: Service, tmp_path: Path) -> None:
    reference = f"{registry.address}/shop/notation:1.0"
    target = push_image(registry, "shop/notation")
    write_configuration(tmp_path, {"ca:example": [create_root().certificate]}, [policy()])
    done = kubekeep("image", "verify", reference, "--notation", ".", folder=tmp_path, code=1)
    assert "no signatures" in done.stdout
    sign_image(tmp_path, registry, "shop/notation", target, JWS, "p256 signer")
    done = kubekeep("image", "verify", reference, "--notation", ".", folder=tmp_path)
    assert "CN=builder" in done.stdout
    assert "verified: 1 signature" in done.stdout


def test_scan_reads_signatures_of_the_images_of_workloads(registry: Service, tmp_path: Path) -> None:
    signed, unsigned = (f"{registry.address}/shop/{name}:1.0" for name in ("signed", "unsigned"))
    write_pods(tmp_path, signed, unsigned)
    keys = {"trustedCosignPublicKeys": [(registry.storage / "ours.pub").read_text()]}
    (tmp_path / "controls.yaml").write_text(yaml.safe_dump(keys))
    arguments = ("scan", "pods.yaml", "--images", "--format", "json", "--output", "a.json")
    kubekeep(*arguments, "--verify-signatures", "--controls-config", "controls.yaml", folder=tmp_path)
    for control in ("C-0236", "C-0237"):
        assert read_statuses(tmp_path / "a.json", control) == {"pod-0": "passed", "pod-1": "failed"}, control


def test_scan_with_a_policy(registry: Service, tmp_path: Path) -> None:
    signed, unsigned = (f"{registry.address}/shop/{name}:1.0" for name in ("signed", "unsigned"))
    write_pods(tmp_path, signed, unsigned)
    write_policy(tmp_path, registry)
    arguments = ("--image-policy", "policy.yaml", "--format", "json", "--output", "a.json")
    kubekeep("scan", "pods.yaml", "--images", *arguments, folder=tmp_path)
    assert read_statuses(tmp_path / "a.json", "image-policy") == {signed: "passed", unsigned: "failed"}
    kubekeep("image", "scan", unsigned, *arguments, folder=tmp_path)
    assert read_statuses(tmp_path / "a.json", "image-policy") == {unsigned: "failed"}


def test_image_outside_of_a_registry_is_not_evaluated(registry: Service, tmp_path: Path) -> None:
    write_policy(tmp_path, registry)
    arguments = ("--image-policy", "policy.yaml", "--verify-signatures", "--format", "json", "--output", "a.json")
    kubekeep("image", "scan", f"oci:{EXAMPLE}", *arguments, folder=tmp_path, code=3)
    assert "not in a registry" in (tmp_path / "a.json").read_text()


@pytest.mark.parametrize(
    ("policy_fields", "controls", "reason"),
    [
        ({"unmatched": "maybe"}, {}, "policy.yaml:3:1: Invalid enum value 'maybe'"),
        ({"signers": {"team": {"key": "policy.yaml"}}}, {}, "not a public key"),
        ({"signers": {"team": {"trustStore": ".", "stores": ["ca:none"]}}}, {}, "not a folder with certificates"),
        ({}, {"trustedCosignPublicKeys": ["text"]}, "trustedCosignPublicKeys[0]: not a public key"),
    ],
)
def test_scan_with_invalid_settings(
    policy_fields: dict[str, Any], controls: dict[str, Any], reason: str, registry: Service, tmp_path: Path
) -> None:
    write_policy(tmp_path, registry, **policy_fields)
    (tmp_path / "controls.yaml").write_text(yaml.safe_dump(controls))
    arguments = ("--verify-signatures", "--image-policy", "policy.yaml", "--controls-config", "controls.yaml")
    done = kubekeep("image", "scan", f"oci:{EXAMPLE}", *arguments, folder=tmp_path, code=2)
    assert reason in done.stderr


def test_verified_attestations_of_vex_are_applied(registry: Service, tmp_path: Path) -> None:
    affected = {"package": {"ecosystem": "PyPI", "name": "flask"}, "versions": ["2.3.3"]}
    record = {"id": "CVE-2026-0001", "modified": "2026-01-01T00:00:00Z", "affected": [affected]}
    (tmp_path / "record.json").write_text(json.dumps(record))
    statement = {
        "vulnerability": {"name": "CVE-2026-0001"},
        "products": [{"@id": "pkg:pypi/flask@2.3.3"}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_present",
    }
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.com/vex/1",
        "author": "Shop",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
        "statements": [statement],
    }
    (tmp_path / "vex.json").write_text(json.dumps(document))
    for name in ("vex", "other"):
        write_keys(tmp_path, name)
    image = f"{registry.address}/shop/attested:1.0"
    copy_image(f"oci:{EXAMPLE}:{REFERENCE}", f"docker://{image}")
    options = ("--key", "vex.key", "--predicate", "vex.json", "--type", "openvex")
    kubekeep("image", "attest", image, *options, folder=tmp_path)

    def list_open(key: str) -> list[str]:
        keys = {"trustedCosignPublicKeys": [(tmp_path / f"{key}.pub").read_text()]}
        (tmp_path / "controls.yaml").write_text(yaml.safe_dump(keys))
        arguments = ("--verify-signatures", "--controls-config", "controls.yaml", "--advisories", "record.json")
        run = ("image", "scan", image, *arguments, "--format", "json", "--output", "a.json")
        # No advisory is about Debian, so the scan is incomplete.
        kubekeep(*run, folder=tmp_path, code=3)
        entries = json.loads((tmp_path / "a.json").read_text())["vulnerabilities"]
        return [entry["id"] for entry in entries if not entry["excepted"]]

    assert list_open("other") == ["CVE-2026-0001"]
    assert list_open("vex") == []


def write_cluster_image_policy(folder: Path, service: Service, **spec: Any) -> None:
    authority = {"name": "team", "key": {"data": (service.storage / "ours.pub").read_text()}}
    document = {
        "apiVersion": "policy.sigstore.dev/v1beta1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": "shop"},
        "spec": {"images": [{"glob": f"{service.address}/shop/*"}], "authorities": [authority], **spec},
    }
    (folder / "policy.yaml").write_text(yaml.safe_dump(document, sort_keys=False))


@pytest.mark.parametrize(("name", "code", "word"), [("signed", 0, "allowed"), ("unsigned", 1, "denied")])
def test_cluster_image_policy(name: str, code: int, word: str, registry: Service, tmp_path: Path) -> None:
    write_cluster_image_policy(tmp_path, registry)
    reference = f"{registry.address}/shop/{name}:1.0"
    done = kubekeep("image", "verify", reference, "--policy", "policy.yaml", folder=tmp_path, code=code)
    assert done.stdout.startswith(f"{word}: {reference}  (rule ClusterImagePolicy shop)")
    kubekeep("image", "convert-policy", "policy.yaml", "-o", "converted.yaml", folder=tmp_path)
    converted = kubekeep("image", "verify", reference, "--policy", "converted.yaml", folder=tmp_path, code=code)
    assert converted.stdout == done.stdout
    kubekeep("image", "convert-policy", "policy.yaml", "-o", "converted.yaml", folder=tmp_path, code=2)


def test_scan_with_a_cluster_image_policy(registry: Service, tmp_path: Path) -> None:
    signed, unsigned = (f"{registry.address}/shop/{name}:1.0" for name in ("signed", "unsigned"))
    write_pods(tmp_path, signed, unsigned)
    write_cluster_image_policy(tmp_path, registry)
    arguments = ("--image-policy", "policy.yaml", "--format", "json", "--output", "a.json")
    kubekeep("scan", "pods.yaml", "--images", *arguments, folder=tmp_path)
    assert read_statuses(tmp_path / "a.json", "image-policy") == {signed: "passed", unsigned: "failed"}


def test_unevaluated_parts_of_a_policy_exit_with_3(registry: Service, tmp_path: Path) -> None:
    write_cluster_image_policy(tmp_path, registry, authorities=[{"key": {"kms": "gcpkms://key"}}])
    done = kubekeep("image", "convert-policy", "policy.yaml", folder=tmp_path, code=3)
    assert "not evaluated: policy.yaml:10:7: spec.authorities[0].key.kms" in done.stderr
    reference = f"{registry.address}/shop/signed:1.0"
    done = kubekeep("image", "verify", reference, "--policy", "policy.yaml", folder=tmp_path, code=3)
    assert "policy.yaml:10:7" in done.stdout

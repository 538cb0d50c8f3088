"""Signing with an identity on the command line, with real services, and the judgement of Sigstore's own verifiers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity

from kubekeep.registry.manifest import Descriptor
from tests.command_line import run_command_line
from tests.signatures.keyless.instance import EMAIL, WORKFLOW, SigstoreInstance
from tests.signatures.registries import MANIFEST, SignedRepository, find_cosign
from tests.signatures.trust.repository import TufRepository, run_repository

KUBEKEEP = Path(sys.executable).parent / "kubekeep"
Create = Callable[[], SignedRepository]
pytestmark = pytest.mark.integration
_REMOVED = ("KUBEKEEP_TRUST", "SIGSTORE_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")


class Project:
    """A folder with the files of the instance, in which commands run."""

    def __init__(self, folder: Path, instance: SigstoreInstance) -> None:
        self.folder, self.instance = folder, instance
        instance.write_root(folder / "root.json")
        for version in (1, 2):
            instance.write_config(folder / f"config-{version}.json", version)

    def run(self, *arguments: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        removed = dict.fromkeys(_REMOVED)
        folders = {"HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder / "data")}
        done = run_command_line("image", *arguments, folder=self.folder, variables={**removed, **folders, **variables})
        assert done.returncode == code, done.stdout + done.stderr
        assert not any(secret in done.stdout + done.stderr for secret in filter(None, variables.values()))
        return done

    def sign(self, image: SignedRepository, version: int = 1, **options: Any) -> subprocess.CompletedProcess[str]:
        variables = {"SIGSTORE_ID_TOKEN": self.instance.issuer.issue()} | options
        config = ("--signing-config", f"config-{version}.json", "--trusted-root", "root.json")
        return self.run("sign", image.reference, "--keyless", *config, **variables)

    def verify(self, image: SignedRepository, *options: str, code: int = 0) -> dict[str, Any]:
        signer = ("--identity", EMAIL, "--issuer", self.instance.issuer.url)
        arguments = (*signer, "--trusted-root", "root.json", "-f", "json", *options)
        report: dict[str, Any] = json.loads(self.run("verify", image.reference, *arguments, code=code).stdout)
        return report


@pytest.fixture
def project(tmp_path: Path, instance: SigstoreInstance) -> Project:
    return Project(tmp_path, instance)


def list_bundles(image: SignedRepository) -> list[bytes]:
    """Return the bundles that are attached to an image."""
    pages = image.client.iterate_referrers(image.digest)
    digests = [entry["digest"] for page in pages for entry in json.loads(page or b"{}")["manifests"]]
    manifests = [json.loads(image.client.get_manifest(digest, MANIFEST) or b"") for digest in digests]
    layers = [msgspec.convert(manifest["layers"][0], Descriptor) for manifest in manifests]
    return [image.client.get_blob(layer, 1 << 20) for layer in layers]


@pytest.mark.parametrize("version", [1, 2])
def test_signature_is_valid_for_all(project: Project, create_image: Create, version: int) -> None:
    image = create_image()
    done = project.sign(image, version)
    assert done.stdout == f"{image.digest}\n"
    assert f" as {EMAIL}, issuer {project.instance.issuer.url}\n" in done.stderr
    (signature,) = project.verify(image)["verified"]
    assert signature["signer"]["identity"] == EMAIL
    assert signature["signer"]["time"]
    (content,) = list_bundles(image)
    kinds = {1: "dsse", 2: "hashedrekord"}
    (entry,) = json.loads(content)["verificationMaterial"]["tlogEntries"]
    assert entry["kindVersion"]["kind"] == kinds[version]
    # The library of Sigstore agrees.
    verifier = Verifier(trusted_root=TrustedRoot.from_file(str(project.folder / "root.json")))
    identity = Identity(identity=EMAIL, issuer=project.instance.issuer.url)
    kind, statement = verifier.verify_dsse(Bundle.from_json(content), identity)
    assert kind == "application/vnd.in-toto+json"
    assert json.loads(statement)["subject"] == [{"digest": {"sha256": image.digest.partition(":")[2]}}]


@pytest.mark.parametrize("version", [1, 2])
def test_cosign_agrees(project: Project, create_image: Create, version: int) -> None:
    cosign = find_cosign()
    image = create_image()
    project.sign(image, version)
    command = [str(cosign), "verify", "--trusted-root", str(project.folder / "root.json"), "--allow-http-registry"]
    identity = ["--certificate-identity", EMAIL, "--certificate-oidc-issuer", project.instance.issuer.url]
    environment = {"HOME": str(project.folder), "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run(
        [*command, *identity, image.reference],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_annotations_and_attestations(project: Project, create_image: Create) -> None:
    image = create_image()
    predicate = {"spdxVersion": "SPDX-2.3"}
    (project.folder / "sbom.json").write_text(json.dumps(predicate))
    (project.folder / "token").write_text(project.instance.issuer.issue() + "\n")
    services = ("--signing-config", "config-2.json", "--trusted-root", "root.json", "--identity-token", "token")
    project.run("attest", image.reference, "--keyless", *services, "--type", "spdx", "--predicate", "sbom.json")
    project.run("sign", image.reference, "--keyless", *services, "--annotation", "team=blue")
    report = project.verify(image, "--attestation", "spdx")
    assert [entry["predicate"] for entry in report["verified"] if "predicate" in entry] == [predicate]
    assert project.verify(image, "--annotation", "team=blue")["isVerified"]
    project.verify(image, "--annotation", "team=red", code=1)


def test_job_of_github_actions(project: Project, create_image: Create) -> None:
    image = create_image()
    secret = "secret-of-the-job"  # noqa: S105 - of this test
    actions = project.instance.actions
    url = f"{actions.url}/actions?api-version=2.0"
    project.sign(image, SIGSTORE_ID_TOKEN="", ACTIONS_ID_TOKEN_REQUEST_URL=url, ACTIONS_ID_TOKEN_REQUEST_TOKEN=secret)
    assert actions.secrets == [f"Bearer {secret}"]
    signer = ("--identity", f"https://github.com/{WORKFLOW}", "--issuer", actions.url, "--trusted-root", "root.json")
    claims = ("--claim", "source-repository=https://github.com/example/app", "--claim")
    project.run("verify", image.reference, *signer, *claims, "source-ref=refs/heads/main")
    project.run("verify", image.reference, *signer, *claims, "source-ref=refs/heads/other", code=1)


def test_services_of_an_updated_root(project: Project, create_image: Create) -> None:
    """A private instance whose TUF repository has both files needs no options."""
    image = create_image()
    repository = TufRepository(project.folder / "tuf")
    (project.folder / "first.json").write_bytes(repository.publish_root())
    config = (project.folder / "config-2.json").read_bytes()
    repository.publish((project.folder / "root.json").read_bytes(), {"signing_config.v0.2.json": config})
    with run_repository(repository.folder) as server:
        project.run("trust", "update", "--url", server.url, "--root", "first.json")
        requests = len(server.requests)
        token = project.instance.issuer.issue()
        project.run("sign", image.reference, "--keyless", SIGSTORE_ID_TOKEN=token)
        assert len(server.requests) == requests
    assert project.verify(image)["isVerified"]


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": 1_700_000_000}, "/api/v2/signingCert: the server responded with 400: There was an error processing"),
        ({"aud": "other"}, "/api/v2/signingCert: the server responded with 400: There was an error processing"),
        ({"iss": "https://other.example.com"}, "the server responded with 400: There was an error processing"),
        ({"email_verified": False}, "the server responded with 400: "),
    ],
)
def test_refused_token(project: Project, create_image: Create, claims: dict[str, Any], message: str) -> None:
    image = create_image()
    token = project.instance.issuer.issue(**claims)
    assert message in project.sign(image, SIGSTORE_ID_TOKEN=token, code=3).stderr
    assert not list_bundles(image)


def test_result_that_the_root_does_not_trust_is_not_attached(project: Project, create_image: Create) -> None:
    image = create_image()
    root = json.loads((project.folder / "root.json").read_text())
    (project.folder / "root.json").write_text(json.dumps(root | {"tlogs": root["tlogs"][:1]}))
    done = project.sign(image, 1, code=3)
    assert "a signature that is not valid for the trusted root: " in done.stderr
    assert not list_bundles(image)


def test_unreachable_log(project: Project, create_image: Create) -> None:
    image = create_image()
    service = {"url": "http://127.0.0.1:9", "majorApiVersion": 2, "operator": "example.com"}
    project.instance.write_config(project.folder / "config-1.json", 1, rekorTlogUrls=[service])
    assert "http://127.0.0.1:9/api/v2/log/entries cannot be reached" in project.sign(image, code=3).stderr
    assert not list_bundles(image)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name the signer: use --key FILE or --keyless"),
        (("--keyless", "--key", "root.json"), "name the signer: use --key FILE or --keyless"),
        (("--keyless", "--layout", "legacy-tag"), "cannot be used with --layout legacy-tag"),
        (("--key", "root.json", "--identity-token", "root.json"), "need --keyless"),
        (("--keyless", "--signing-config", "config-1.json"), "belong together"),
        (
            ("--keyless", "--signing-config", "config-1.json", "--trusted-root", "root.json"),
            "there is no identity token",
        ),
        (
            (
                "--keyless",
                "--signing-config",
                "config-1.json",
                "--trusted-root",
                "root.json",
                "--identity-token",
                "root.json",
            ),
            "not a JSON Web Token",
        ),
    ],
)
def test_wrong_options(project: Project, create_image: Create, arguments: tuple[str, ...], message: str) -> None:
    assert message in project.run("sign", create_image().reference, *arguments, code=2).stderr

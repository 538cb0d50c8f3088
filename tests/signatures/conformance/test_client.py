"""The conformance client on own cases, on recorded bundles, and on the suite's own cases where they are available.

SIGSTORE_CONFORMANCE names the folder `test/assets/bundle-verify` of a clone of the suite.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.signatures.authority import IDENTITY, ISSUER, PrivateSigstore
from tests.signatures.conformance.cases import ARTIFACT, DIGEST, write_cases
from tests.signatures.conformance.client import main

RECORDED = Path(__file__).parent.parent / "recorded"
_SUITE = Path(os.environ.get("SIGSTORE_CONFORMANCE", "/nonexistent"))
_SUITE_IDENTITY = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/"
    "extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
_SUITE_ISSUER = "https://token.actions.githubusercontent.com"
NPM = "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main"


def verify_folder(folder: Path, identity: str, issuer: str, artifact: str) -> int:
    """Run the client on a case as the suite does."""
    arguments = ["verify-bundle", "--bundle", str(folder / "bundle.sigstore.json")]
    for name, default in (("identity", identity), ("issuer", issuer)):
        file = folder / name
        value = file.read_text().strip() if file.exists() else default
        option = "--certificate-identity" if name == "identity" else "--certificate-oidc-issuer"
        if not (folder / "key.pub").exists() or folder.name.startswith("managed-key-and-client-identity"):
            arguments += [option, value]
    if (folder / "key.pub").exists():
        arguments += ["--key", str(folder / "key.pub")]
    if (folder / "trusted_root.json").exists():
        arguments += ["--trusted-root", str(folder / "trusted_root.json")]
    own = folder / "artifact"
    return main([*arguments, str(own) if own.exists() else artifact])


def test_own_cases(sigstore: PrivateSigstore, tmp_path: Path) -> None:
    write_cases(sigstore, tmp_path)
    folders = sorted(path for path in tmp_path.iterdir() if path.is_dir())
    wrong = {
        (folder.name, artifact)
        for folder in folders
        for artifact in (str(tmp_path / "a.txt"), DIGEST)
        if bool(verify_folder(folder, IDENTITY, ISSUER, artifact)) != folder.name.endswith("_fail")
    }
    assert len(folders) > 30
    assert wrong == set()


@pytest.mark.skipif(not _SUITE.is_dir(), reason="SIGSTORE_CONFORMANCE does not name the cases of the suite")
def test_cases_of_the_suite() -> None:
    artifact = str(_SUITE.parent / "a.txt") if (_SUITE.parent / "a.txt").exists() else str(_SUITE / "a.txt")
    folders = sorted(path for path in _SUITE.iterdir() if (path / "bundle.sigstore.json").exists())
    wrong = {
        folder.name
        for folder in folders
        if bool(verify_folder(folder, _SUITE_IDENTITY, _SUITE_ISSUER, artifact)) != folder.name.endswith("_fail")
    }
    assert folders
    assert wrong == set()


@pytest.mark.parametrize(
    ("bundle", "options", "digest"),
    [
        ("provenance.json", ("--certificate-identity", NPM, "--certificate-oidc-issuer", _SUITE_ISSUER), "sha512"),
        ("key.json", ("--key", str(RECORDED / "key.pub")), "sha512"),
    ],
)
def test_recorded_bundle_about_another_file(
    bundle: str, options: tuple[str, ...], digest: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Verify the signature of a recorded bundle; npm's statements have SHA-512, so that no SHA-256 matches."""
    content = json.loads((RECORDED / bundle).read_text())
    chain = content["verificationMaterial"].get("x509CertificateChain", {"certificates": []})["certificates"]
    if chain:
        assert main(["verify-bundle", "--bundle", str(RECORDED / bundle), *options, "sha256:" + "0" * 64]) == 1
        assert "contains the certificate of a root" in capsys.readouterr().err
        # The chain of this old bundle ends with the root, which verifiers take from their trusted root.
        del chain[2:]
    (tmp_path / "bundle.json").write_text(json.dumps(content))
    assert main(["verify-bundle", "--bundle", str(tmp_path / "bundle.json"), *options, "sha256:" + "0" * 64]) == 1
    assert f"another subject: {digest}" in capsys.readouterr().err


def test_recorded_message() -> None:
    options = ["--trusted-root", str(RECORDED / "user-name.root.json"), "--certificate-identity", "foo!oidc.local"]
    options += ["--certificate-oidc-issuer", "http://oidc.local:8080"]
    digest = "sha256:bc103b4a84971ef6459b294a2b98568a2bfb72cded09d4acd1e16366a401f95b"
    assert main(["verify-bundle", "--bundle", str(RECORDED / "user-name.json"), *options, digest]) == 0
    assert main(["verify-bundle", "--bundle", str(RECORDED / "user-name.json"), *options, "sha256:" + "0" * 64]) == 1
    assert main(["verify-bundle", "--bundle", str(RECORDED / "user-name.json"), *options[2:], digest]) == 1


def test_program(sigstore: PrivateSigstore, tmp_path: Path) -> None:
    """Run the client as a program."""
    write_cases(sigstore, tmp_path)
    bundle = tmp_path / "managed-key-happy-path" / "bundle.sigstore.json"
    command = [sys.executable, "-m", "tests.signatures.conformance.client", "verify-bundle", "--bundle", str(bundle)]
    command += ["--key", str(bundle.parent / "key.pub")]
    for artifact, code in ((str(tmp_path / "a.txt"), 0), (str(bundle), 1)):
        done = subprocess.run([*command, artifact], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr
    assert (tmp_path / "a.txt").read_bytes() == ARTIFACT

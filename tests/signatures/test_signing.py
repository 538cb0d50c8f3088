"""Signing and attesting by commands and by several clients at a time, in real registries."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kubekeep.cli.main import kubekeep
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.errors import ImageAccessError
from kubekeep.registry.keys import PrivateKey, load_public_key
from kubekeep.signatures.access import SignatureAccess
from kubekeep.signatures.errors import SignatureError, TrustError
from kubekeep.signatures.predicates import extract_document, matches_type, resolve_predicate_type
from kubekeep.signatures.signing import SignatureLayout, compact_predicate
from kubekeep.signatures.trust import Trust
from kubekeep.signatures.verification import Signer, VerifiedSignature
from kubekeep.usecases.image_signatures import attest_image, read_attested_documents, sign_image, verify_image
from tests.signatures.authority import IDENTITY, ISSUER, PrivateSigstore, to_pem
from tests.signatures.making import BUNDLE, Signing, statement
from tests.signatures.registries import INDEX, SignedRepository

Create = Callable[..., SignedRepository]
ACCESS = SignatureAccess(images=AccessOptions())
SPDX = {"spdxVersion": "SPDX-2.3", "name": "app"}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(kubekeep, ["image", *map(str, arguments)], catch_exceptions=False)


_KEYS: dict[str, Callable[[], PrivateKey]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.fixture(params=list(_KEYS))
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    key = _KEYS[request.param]()
    private, public = tmp_path / "cosign.key", tmp_path / "cosign.pub"
    encryption = serialization.BestAvailableEncryption(b"secret")
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    public.write_bytes(to_pem(key))
    return private, public


@pytest.mark.parametrize("layout", ["referrers", "legacy-tag"])
@pytest.mark.parametrize("registry", ["plain_registry", "referrers_registry"])
def test_commands(
    create_image: Create,
    keys: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    registry: str,
    layout: str,
) -> None:
    image = create_image(registry)
    private, public = keys
    sbom = tmp_path / "app.spdx.json"
    sbom.write_text(json.dumps(SPDX))
    monkeypatch.setenv("COSIGN_PASSWORD", "wrong")
    refused = run("sign", image.reference, "--key", private)
    assert refused.exit_code == 2
    assert "wrong password" in refused.output
    monkeypatch.setenv("COSIGN_PASSWORD", "secret")

    assert run("verify", image.reference, "--key", public).exit_code == 1
    signing = ("sign", image.reference, "--key", private, "--layout", layout, "--annotation", "team=blue")
    assert run(*signing).stdout == f"{image.digest}\n"
    assert "unchanged" in run(*signing).stderr
    attesting = ("attest", image.reference, "--key", private, "--layout", layout, "--type", "spdx", "--predicate", sbom)
    assert run(*attesting).exit_code == 0
    assert "unchanged" in run(*attesting).stderr

    result = run("verify", image.reference, "--key", public, "--annotation", "team=blue", "-f", "json")
    report = json.loads(result.stdout)
    expected = "referrers-tag" if (registry, layout) == ("plain_registry", "referrers") else layout
    assert (result.exit_code, report["isVerified"]) == (0, True)
    assert [(entry["layout"], entry["annotations"]) for entry in report["verified"]] == [(expected, {"team": "blue"})]
    assert [problem["reason"] for problem in report["problems"]] == ["it does not cover the annotation team=blue"]
    result = run("verify", image.reference, "--key", public, "--attestation", "spdx")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "verified: 1 attestation of type spdx")
    assert run("verify", image.reference, "--key", public, "--attestation", "openvex").exit_code == 1
    report = json.loads(run("verify", image.reference, "--key", public, "-f", "json").stdout)
    assert [entry["predicate"] for entry in report["verified"] if "predicate" in entry] == [SPDX]


def test_messages(create_image: Create, tmp_path: Path) -> None:
    image = create_image()
    public = tmp_path / "cosign.pub"
    public.write_bytes(to_pem(ec.generate_private_key(ec.SECP256R1())))
    nothing = run("verify", image.reference, "--key", public)
    assert nothing.stdout.splitlines()[-1] == "not verified: the image has no signatures and no attestations"
    for arguments, code, words in (
        ((image.reference,), 2, "no signer is trusted"),
        ((image.reference, "--identity", "dev@example.com"), 2, "needs an identity and an issuer"),
        ((image.reference, "--key", public, "--issuer", "https://x"), 2, "needs an identity and an issuer"),
        ((image.reference, "--key", public, "--require-log", "--ignore-log"), 2, "cannot be used with"),
        ((image.reference, "--key", public, "--attestation", "sbom"), 2, "not a predicate type"),
        ((image.reference, "--key", public, "--trusted-root", public), 2, "not a trusted root"),
        ((image.reference, "--key", __file__), 2, "not a public key"),
        ((f"{image.address}/none:1", "--key", public), 3, "failed: "),
        (("127.0.0.1:1/app:1", "--key", public), 3, "cannot be reached"),
        ((image.reference, "--key", public, "--repository", "?"), 3, "--repository"),
    ):
        result = run("verify", *arguments)
        assert result.exit_code == code, result.output
        assert words in result.output


def test_identity(create_image: Create, sigstore: PrivateSigstore, tmp_path: Path) -> None:
    """Verify a certificate by the command, with a private root, exact and by patterns and claims."""
    image = create_image()
    root = tmp_path / "root.json"
    root.write_bytes(sigstore.encode_root())
    bundle = Signing(sigstore, claims={14: "refs/heads/main"}).bundle(statement(image.digest))
    place = image.put_referrer(json.dumps(bundle).encode(), BUNDLE)
    trusted = ("verify", image.reference, "--trusted-root", root)
    result = run(*trusted, "--identity", IDENTITY, "--issuer", ISSUER, "--claim", "source-ref=refs/heads/main")
    assert result.exit_code == 0
    assert f"valid signature: {IDENTITY}, issuer {ISSUER}; signed 20" in result.stdout
    patterns = ("--identity-regexp", r"https://ci\.example\.com/.*", "--issuer-regexp", "https://.*")
    assert run(*trusted, *patterns).exit_code == 0
    result = run(*trusted, "--identity", "dev@example.com", "--issuer", ISSUER)
    assert result.exit_code == 1
    assert f"not trusted: {place}: signed by {IDENTITY}, issuer {ISSUER}; trusted is the identity" in result.stdout
    result = run("verify", image.reference, "--identity", IDENTITY, "--issuer", ISSUER)
    assert result.exit_code == 1
    assert "not trusted" in result.stdout


def test_index_and_platform(create_image: Create) -> None:
    """Sign what the reference names: the index; with a platform, the manifest of its image."""
    image = create_image()
    entry = {"mediaType": image.image.media_type, "digest": image.digest, "size": image.image.size}
    platform = {"platform": {"os": "linux", "architecture": "amd64"}}
    index = image.put({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry | platform]}, "1")
    key = ec.generate_private_key(ec.SECP256R1())
    trust = Trust(keys=(load_public_key(to_pem(key)),))
    for access, digest, count in (
        (SignatureAccess(images=AccessOptions(platform="linux/amd64")), image.digest, 0),
        (ACCESS, index.digest, 1),
    ):
        assert sign_image(image.reference, access, key, SignatureLayout.REFERRERS, {}).digest == digest
        report = verify_image(image.reference, ACCESS, trust)
        assert (report.digest, len(report.verified)) == (index.digest, count)
    platform_access = SignatureAccess(images=AccessOptions(platform="linux/amd64"))
    report = verify_image(image.reference, platform_access, trust)
    assert {signature.digest for signature in report.verified} == {image.digest, index.digest}


@pytest.mark.parametrize("layout", list(SignatureLayout))
def test_concurrent_signatures(create_image: Create, layout: SignatureLayout) -> None:
    """Keep the signatures of clients that write the same tag at the same time."""
    image = create_image("plain_registry")
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(4)]
    errors: list[Exception] = []
    start = threading.Barrier(len(keys))

    def sign(key: ec.EllipticCurvePrivateKey) -> None:
        start.wait()
        try:
            sign_image(image.reference, ACCESS, key, layout, {})
        except Exception as error:  # noqa: BLE001 - reported by the test
            errors.append(error)

    threads = [threading.Thread(target=sign, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for key in keys:
        assert len(verify_image(image.reference, ACCESS, Trust(keys=(load_public_key(to_pem(key)),))).verified) == 1


def test_separate_repository(create_image: Create) -> None:
    image, signatures = create_image("plain_registry"), create_image("plain_registry")
    access = SignatureAccess(images=AccessOptions(), repository=f"{signatures.address}/{signatures.name}")
    key = ec.generate_private_key(ec.SECP256R1())
    trust = Trust(keys=(load_public_key(to_pem(key)),))
    for layout in SignatureLayout:
        sign_image(image.reference, access, key, layout, {})
    assert len(verify_image(image.reference, access, trust).verified) == 2
    assert verify_image(image.reference, ACCESS, trust).verified == ()


def test_attested_documents(create_image: Create) -> None:
    """Read SBOMs and VEX documents of an image only if a trusted key has signed them."""
    image, key = create_image(), ec.generate_private_key(ec.SECP256R1())
    vex = b'{"@context":"https://openvex.dev/ns/v0.2.0"}'
    attest_image(image.reference, ACCESS, key, SignatureLayout.REFERRERS, "https://openvex.dev/ns", vex)
    trust = Trust(keys=(load_public_key(to_pem(key)),))
    assert read_attested_documents(image.reference, ACCESS, trust, "openvex") == (vex,)
    with pytest.raises(ImageAccessError, match="no trusted attestation of type spdx"):
        read_attested_documents(image.reference, ACCESS, trust, "spdx")
    other = Trust(keys=(load_public_key(to_pem(ec.generate_private_key(ec.SECP256R1()))),))
    with pytest.raises(ImageAccessError, match="signed with another key"):
        read_attested_documents(image.reference, ACCESS, other, "openvex")


def attestation(predicate: bytes) -> VerifiedSignature:
    return VerifiedSignature("cosign", "referrers", "sha256:0", Signer(), "https://spdx.dev/Document", predicate)


def test_documents_in_attestations() -> None:
    document = b'{"spdxVersion":"SPDX-2.3"}'
    for predicate in (
        document,
        json.dumps(document.decode()).encode(),
        json.dumps({"Data": document.decode()}).encode(),
    ):
        assert extract_document(attestation(predicate)) == document
    with pytest.raises(SignatureError, match="cannot be read"):
        extract_document(attestation(b'{"Data": 1}'))


def test_predicate_types() -> None:
    assert resolve_predicate_type("openvex") == "https://openvex.dev/ns"
    assert resolve_predicate_type("https://example.com/x") == "https://example.com/x"
    assert matches_type("https://slsa.dev/provenance/v0.2", "slsaprovenance")
    assert not matches_type("https://slsa.dev/provenance/v0.2", "slsaprovenance1")
    assert matches_type("https://spdx.dev/Document/v2.3", "spdx")
    assert not matches_type("https://spdx.dev/Documents", "spdx")
    assert not matches_type("https://example.com/x/y", "https://example.com/x")
    with pytest.raises(TrustError, match="not a predicate type"):
        resolve_predicate_type("sbom")
    for content, reason in ((b"{", "not JSON"), (b"\xff", "not JSON"), (b"[" * 100_000, "not JSON")):
        with pytest.raises(TrustError, match=reason):
            compact_predicate(content)

"""Cosign itself: its signatures verify here, those made here verify there, and so do those of the tests' private Sigstore."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kubekeep.images.access.options import AccessOptions
from kubekeep.registry.keys import load_private_key, load_public_key
from kubekeep.signatures.access import SignatureAccess
from kubekeep.signatures.signing import SignatureLayout
from kubekeep.signatures.trust import LogPolicy, Trust
from kubekeep.usecases.image_signatures import attest_image, sign_image, verify_image
from tests.signatures.authority import IDENTITY, ISSUER, PrivateSigstore, encode
from tests.signatures.making import BUNDLE, SPDX, Signing, envelope, sign, simple_payload, statement
from tests.signatures.registries import SignedRepository, decode, find_cosign
from tests.signatures.test_layouts import ENVELOPE, PAYLOAD, SIGNATURE
from tests.vulnerabilities.database.bucket import run_bucket
from tests.vulnerabilities.database.records import run_db
from tests.vulnerabilities.database.vex_repository import ARCHIVE, lay_out, pack, publish, suppress

Create = Callable[..., SignedRepository]
ACCESS = SignatureAccess(images=AccessOptions())
_OFFLINE = ("--use-signing-config=false", "--tlog-upload=false", "--yes")


class Cosign:
    """A version of cosign, with a key pair of its own (encrypted, as it makes them)."""

    def __init__(self, name: str, folder: Path) -> None:
        self.program, self.folder = find_cosign(name), folder
        self.is_old = name == "cosign2"
        self.run("generate-key-pair")
        self.key = load_private_key((folder / "cosign.key").read_bytes(), lambda: b"secret")
        self.trust = Trust(keys=(load_public_key((folder / "cosign.pub").read_bytes()),))

    def run(self, *arguments: str | Path) -> None:
        """Run cosign without its network services; fail the test with its messages."""
        environment = {
            "COSIGN_PASSWORD": "secret",
            "HOME": str(self.folder),
            "TUF_ROOT": str(self.folder / "tuf"),
            "HTTPS_PROXY": "http://127.0.0.1:9",
        }
        done = subprocess.run(
            [self.program, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module", params=["cosign", "cosign2"])
def cosign(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cosign:
    return Cosign(request.param, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("is_legacy", [False, True], ids=["bundle", "legacy"])
@pytest.mark.parametrize("registry", ["plain_registry", "referrers_registry"])
def test_signatures_of_cosign(create_image: Create, cosign: Cosign, registry: str, *, is_legacy: bool) -> None:
    if cosign.is_old and not is_legacy:
        pytest.skip("cosign 2 makes no bundles for keys")
    image = create_image(registry)
    name = f"{image.address}/{image.name}@{image.digest}"
    options = ("--tlog-upload=false", "--yes") if cosign.is_old else _OFFLINE
    layout = (f"--new-bundle-format={json.dumps(not is_legacy)}",) if not cosign.is_old else ()
    (cosign.folder / "sbom.json").write_text('{"spdxVersion": "SPDX-2.3"}')
    cosign.run("sign", "--key", "cosign.key", *options, *layout, "-a", "team=blue", name)
    cosign.run(
        *("attest", "--key", "cosign.key", *options, *layout, "--type", "spdxjson", "--predicate", "sbom.json", name)
    )
    report = verify_image(image.reference, ACCESS, cosign.trust)
    assert report.problems == ()
    signatures = {signature.predicate_type: signature for signature in report.verified}
    expected = "legacy-tag" if is_legacy else "referrers-tag" if registry == "plain_registry" else "referrers"
    assert {signature.layout for signature in report.verified} == {expected}
    assert signatures[""].annotations == (("team", "blue"),)
    assert json.loads(signatures[SPDX].predicate) == {"spdxVersion": "SPDX-2.3"}


@pytest.mark.parametrize("layout", list(SignatureLayout))
def test_cosign_verifies_signatures(create_image: Create, cosign: Cosign, layout: SignatureLayout) -> None:
    if cosign.is_old and layout is SignatureLayout.REFERRERS:
        pytest.skip("cosign 2 verifies bundles only with a trusted root")
    image = create_image()
    sign_image(image.reference, ACCESS, cosign.key, layout, {"team": "blue"})
    attest_image(image.reference, ACCESS, cosign.key, layout, SPDX, b'{"spdxVersion": "SPDX-2.3"}')
    common = ("--key", "cosign.pub", "--private-infrastructure")
    cosign.run("verify", *common, "-a", "team=blue", image.reference)
    cosign.run("verify-attestation", *common, "--type", "spdxjson", image.reference)
    with pytest.raises(AssertionError, match="missing or incorrect annotation"):
        cosign.run("verify", *common, "-a", "team=red", image.reference)


def test_cosign_verifies_the_private_sigstore(create_image: Create, cosign: Cosign, sigstore: PrivateSigstore) -> None:
    """Prove that the private Sigstore of these tests makes what cosign accepts, in both layouts."""
    root = cosign.folder / "root.json"
    root.write_bytes(sigstore.encode_root())
    identity = ("--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER, "--trusted-root", root)
    signing = Signing(sigstore)
    if not cosign.is_old:
        for kind in ("dsse", "intoto", "hashedrekord-2"):
            image = create_image()
            document = signing.bundle(statement(image.digest), kind=kind)
            annotations = {"dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"}
            image.put_referrer(json.dumps(document).encode(), BUNDLE, annotations=annotations)
            cosign.run("verify", *identity, "--offline", image.reference)
    image = create_image()
    payload = simple_payload(image.digest)
    signature = sign(signing.key, payload)
    signed = {SIGNATURE: encode(signature), **signing.annotate(payload, signature)}
    image.put_legacy("sig", (payload, PAYLOAD, signed))
    cosign.run("verify", *identity, "--offline", image.reference)
    document = envelope(signing.key, statement(image.digest, SPDX))
    content = json.dumps(document).encode()
    signature = decode(document["signatures"][0]["sig"])
    attested = {SIGNATURE: "", "predicateType": SPDX, **signing.annotate(content, signature, is_envelope=True)}
    image.put_legacy("att", (content, ENVELOPE, attested))
    if not cosign.is_old:
        cosign.run("verify-attestation", *identity, "--offline", "--type", "spdxjson", image.reference)


def test_log_policy_of_cosign(create_image: Create, cosign: Cosign) -> None:
    """By default cosign demands a log entry for keys, and Kubekeep does not; with an option it does."""
    image = create_image()
    sign_image(image.reference, ACCESS, cosign.key, SignatureLayout.LEGACY_TAG, {})
    trust = Trust(keys=cosign.trust.keys, log=LogPolicy.REQUIRED)
    (problem,) = verify_image(image.reference, ACCESS, trust).problems
    assert problem.reason == "the signature has no entry of a transparency log"


def test_signed_vex_repository(cosign: Cosign, tmp_path: Path) -> None:
    """The archive of a VEX repository with a detached signature."""
    archive = pack(lay_out({"pkg:npm/left-pad": suppress("pkg:npm/left-pad")}))
    (cosign.folder / "vex.tar.gz").write_bytes(archive)
    options = ("--tlog-upload=false", "--yes") if cosign.is_old else (*_OFFLINE, "--new-bundle-format=false")
    cosign.run("sign-blob", "--key", "cosign.key", *options, "--output-signature", "vex.sig", "vex.tar.gz")
    with run_bucket() as bucket:
        publish(bucket, archive)
        bucket.files[f"{ARCHIVE}.sig"] = (cosign.folder / "vex.sig").read_bytes()
        words = ("update", "--vex-repository", f"hub={bucket.address}", "--vex-key", cosign.folder / "cosign.pub")
        assert run_db(*words, database=tmp_path).stderr == "VEX (hub): 1 document loaded\n"
        publish(bucket, archive + b"\0")
        assert "no valid signature" in run_db(*words, code=3, database=tmp_path).stderr

"""Revocation with an authority whose lists and OCSP responses OpenSSL makes, served on the loopback address."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.server
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from kubekeep.signatures.errors import SignatureError, TrustError
from kubekeep.signatures.notation.envelope import TargetArtifact
from kubekeep.signatures.notation.revocation import RevocationError, RevocationSources, check_revocation, load_list
from kubekeep.signatures.notation.trust_policy import load_trust_policy
from kubekeep.signatures.notation.trust_store import TrustStore
from kubekeep.signatures.notation.verify import NOT_REVOKED, NotationTrust, verify_envelope
from kubekeep.signatures.service_client import ServiceClient
from kubekeep.signatures.verification import VerifiedSignature
from tests.command_line import run_command_line
from tests.loopback import serving
from tests.signatures.notation.signing import (
    DAY,
    JWS,
    NOW,
    SIGNER,
    SUBJECT,
    TARGET,
    Identity,
    create_key,
    issue,
    payload_of,
    policy,
    sign,
    usage,
    write_configuration,
)
from tests.signatures.registries import SignedRepository, run_referrers_registry

LISTS = ((x509.BasicConstraints(ca=True, path_length=None), True), (usage("key_cert_sign", "crl_sign"), True))
RESPONDER = ((usage("digital_signature"), True), (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False))
ROOT = issue("C=US, O=Example, CN=list root", create_key("p256 list root"), extensions=LISTS)


class Authority:
    """An authority below ROOT with its database, an address for its list, and one for OCSP."""

    def __init__(self, folder: Path, url: str, root: Identity = ROOT) -> None:
        self.folder, self.url = folder, url
        self.identity = issue("C=US, O=Example, CN=list authority", create_key("p256 list authority"), root, LISTS)
        self.responder = issue("C=US, O=Example, CN=responder", create_key("p256 responder"), self.identity, RESPONDER)
        self.signs_ocsp = self.responder
        self.period: tuple[str, ...] = ("-nmin", "60")
        self.requests: list[str] = []
        self.answers: dict[str, bytes] = {}
        for name, entry in (("ca", self.identity), ("responder", self.responder)):
            self.write(name, entry)
        (folder / "index.txt").write_text("")
        (folder / "index.txt.attr").write_text("unique_subject = no\n")
        (folder / "crlnumber").write_text("01\n")
        (folder / "ca.cnf").write_text(
            f"[ca]\ndefault_ca = d\n[d]\ndatabase = {folder}/index.txt\ncrlnumber = {folder}/crlnumber\n"
            "default_md = sha256\ndefault_crl_days = 1\n"
        )

    def write(self, name: str, identity: Identity) -> None:
        key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / f"{name}.key").write_bytes(key)
        (self.folder / f"{name}.pem").write_bytes(identity.certificate.public_bytes(Encoding.PEM))

    def issue(self, *kinds: str) -> Identity:
        """Issue a certificate of a signer with addresses of these kinds: ocsp, crl."""
        extensions: list[tuple[x509.ExtensionType, bool]] = list(SIGNER)
        if "ocsp" in kinds:
            location = x509.UniformResourceIdentifier(f"{self.url}/ocsp")
            access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, location)
            extensions.append((x509.AuthorityInformationAccess([access]), False))
        if "crl" in kinds:
            names = [x509.UniformResourceIdentifier(f"{self.url}/list.crl")]
            extensions.append((x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)]), False))
        return issue(SUBJECT, create_key("p256 signer"), self.identity, extensions)

    def record(self, identity: Identity, *, is_revoked: bool) -> None:
        """Add a certificate to the database."""
        expiry = (NOW + 30 * DAY).strftime("%y%m%d%H%M%SZ")
        revoked = (NOW - DAY).strftime("%y%m%d%H%M%SZ") + ",keyCompromise" if is_revoked else ""
        serial = f"{identity.certificate.serial_number:X}"
        serial = serial.zfill(len(serial) + len(serial) % 2)
        with (self.folder / "index.txt").open("a") as file:
            file.write(f"{'R' if is_revoked else 'V'}\t{expiry}\t{revoked}\t{serial}\tunknown\t/CN=builder\n")

    def create_list(self) -> bytes:
        """Return the list that OpenSSL makes of the database, in PEM."""
        files: list[str | Path] = [
            "-config",
            self.folder / "ca.cnf",
            "-keyfile",
            self.folder / "ca.key",
            "-cert",
            self.folder / "ca.pem",
        ]
        self._run("ca", "-gencrl", *files, "-out", self.folder / "list.pem")
        return (self.folder / "list.pem").read_bytes()

    def answer(self, request: bytes) -> bytes:
        """Return the response that OpenSSL makes of the database."""
        (self.folder / "request").write_bytes(request)
        self.write("signer", self.signs_ocsp)
        signer: list[str | Path] = ["-rsigner", self.folder / "signer.pem", "-rkey", self.folder / "signer.key"]
        files: list[str | Path] = [
            "-index",
            self.folder / "index.txt",
            "-CA",
            self.folder / "ca.pem",
            *signer,
            *self.period,
        ]
        self._run("ocsp", *files, "-reqin", self.folder / "request", "-respout", self.folder / "response")
        return (self.folder / "response").read_bytes()

    @staticmethod
    def _run(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=120)


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    (tmp_path / "authority").mkdir()
    served: list[Authority] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            (service,) = served
            service.requests.append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            try:
                content = service.answers[self.path] if self.path in service.answers else self.create(service, body)
            except subprocess.CalledProcessError:
                self.send_error(500)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - name of the base class

        def create(self, service: Authority, body: bytes) -> bytes:
            if self.path == "/ocsp":
                return service.answer(body)
            return x509.load_pem_x509_crl(service.create_list()).public_bytes(Encoding.DER)

    with serving(Handler) as port:
        served.append(Authority(tmp_path / "authority", f"http://127.0.0.1:{port}"))
        yield served[0]


def load_chain(identity: Identity) -> list[x509.Certificate]:
    return [identity.certificate, *identity.issuers]


def check(identity: Identity, *, lists: Sequence[bytes] = (), signed: dt.datetime | None = None) -> None:
    """Check the chain of a signer with the network."""
    with ServiceClient() as client:
        sources = RevocationSources(tuple(load_list(content, "list") for content in lists), client)
        check_revocation(load_chain(identity), sources, dt.datetime.now(dt.UTC), signed)


@pytest.mark.parametrize("kinds", [("ocsp",), ("crl",), ("ocsp", "crl")])
@pytest.mark.parametrize("is_revoked", [False, True])
def test_status(authority: Authority, kinds: tuple[str, ...], *, is_revoked: bool) -> None:
    identity = authority.issue(*kinds)
    authority.record(identity, is_revoked=is_revoked)
    if is_revoked:
        with pytest.raises(RevocationError, match=rf"certificate CN=builder.* was revoked on {NOW - DAY:%Y-%m-%d}"):
            check(identity)
    else:
        check(identity)
    # The list is loaded only without an answer of OCSP.
    assert authority.requests == ["/ocsp" if "ocsp" in kinds else "/list.crl"]


def test_responder_may_be_the_authority(authority: Authority) -> None:
    identity = authority.issue("ocsp")
    authority.record(identity, is_revoked=False)
    authority.signs_ocsp = authority.identity
    check(identity)


def test_certificate_without_addresses_is_not_checked(authority: Authority) -> None:
    check(authority.issue())
    assert authority.requests == []


def refuse_unknown(authority: Authority, identity: Identity) -> str:
    """Return no certificate in the database."""
    del authority, identity
    return "the responder does not know the certificate"


def refuse_foreign_responder(authority: Authority, identity: Identity) -> str:
    authority.record(identity, is_revoked=False)
    authority.signs_ocsp = issue("C=US, O=Example, CN=responder", create_key("p256 responder"), ROOT, RESPONDER)
    return "not signed by the authority or its responder"


def refuse_responder_without_purpose(authority: Authority, identity: Identity) -> str:
    authority.record(identity, is_revoked=False)
    authority.signs_ocsp = issue("C=US, O=Example, CN=responder", create_key("p256 responder"), authority.identity)
    return "not signed by the authority or its responder"


def refuse_expired_responder(authority: Authority, identity: Identity) -> str:
    authority.record(identity, is_revoked=False)
    period = (NOW - 30 * DAY, NOW - DAY)
    authority.signs_ocsp = issue(
        "C=US, O=Example, CN=responder", create_key("p256 responder"), authority.identity, RESPONDER, period
    )
    return "not signed by the authority or its responder"


def refuse_response_without_end(authority: Authority, identity: Identity) -> str:
    authority.record(identity, is_revoked=False)
    authority.period = ()
    return "it is not current: valid from "


def refuse_response_for_another(authority: Authority, identity: Identity) -> str:
    authority.record(identity, is_revoked=False)
    other = authority.issue("ocsp")
    authority.record(other, is_revoked=False)
    with contextlib.suppress(RevocationError):
        check(other)
    authority.answers["/ocsp"] = (authority.folder / "response").read_bytes()
    return "the response is about another certificate"


def refuse_failure(authority: Authority, identity: Identity) -> str:
    del identity
    authority.answers["/ocsp"] = bytes.fromhex("30030a0106")
    return "the responder failed: unauthorized"


def refuse_damaged_response(authority: Authority, identity: Identity) -> str:
    del identity
    authority.answers["/ocsp"] = b"\x30\x03\x0a\x01"
    return "the response cannot be read"


def refuse_server_error(authority: Authority, identity: Identity) -> str:
    del identity
    (authority.folder / "index.txt").unlink()
    return "the server responded with 500"


@pytest.mark.parametrize(
    "prepare",
    [
        refuse_unknown,
        refuse_foreign_responder,
        refuse_responder_without_purpose,
        refuse_expired_responder,
        refuse_response_without_end,
        refuse_response_for_another,
        refuse_failure,
        refuse_damaged_response,
        refuse_server_error,
    ],
)
def test_refused_response(authority: Authority, prepare: Callable[[Authority, Identity], str]) -> None:
    identity = authority.issue("ocsp")
    reason = prepare(authority, identity)
    with pytest.raises(RevocationError) as caught:
        check(identity)
    assert "the revocation status is unknown: " in str(caught.value)
    assert reason in str(caught.value)


def test_list_answers_if_ocsp_does_not(authority: Authority) -> None:
    identity = authority.issue("ocsp", "crl")
    authority.answers["/ocsp"] = b""
    check(identity)
    authority.record(identity, is_revoked=True)
    with pytest.raises(RevocationError, match="was revoked on"):
        check(identity)
    assert authority.requests == ["/ocsp", "/list.crl"] * 2


def build_list(
    authority: Authority,
    *serials: int,
    key: Any = None,
    start: dt.datetime = NOW - DAY,
    extension: tuple[x509.ExtensionType, bool] | None = None,
    invalid_since: dt.datetime | None = None,
) -> bytes:
    """Return a list, also one that OpenSSL would not make."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.identity.certificate.subject)
    builder = builder.last_update(start).next_update(start + 2 * DAY)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - DAY)
        if invalid_since is not None:
            entry = entry.add_extension(x509.InvalidityDate(invalid_since), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    if extension is not None:
        builder = builder.add_extension(extension[0], critical=extension[1])
    return builder.sign(key or authority.identity.key, hashes.SHA256()).public_bytes(Encoding.DER)


def name_point() -> x509.IssuingDistributionPoint:
    names = [x509.UniformResourceIdentifier("http://other.example.com")]
    return x509.IssuingDistributionPoint(
        full_name=names,
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=True,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"key": create_key("p256 other")}, "its signature is not valid"),
        ({"start": NOW - 9 * DAY}, "it is not current"),
        ({"start": NOW + DAY}, "it is not current"),
        ({"extension": (name_point(), True)}, "it has a critical extension"),
        ({"extension": (x509.DeltaCRLIndicator(1), True)}, "it has a critical extension"),
    ],
)
def test_refused_list(authority: Authority, fields: dict[str, Any], reason: str) -> None:
    authority.answers["/list.crl"] = build_list(authority, **fields)
    with pytest.raises(RevocationError, match=f"the revocation status is unknown: CRL .*{reason}"):
        check(authority.issue("crl"))


@pytest.mark.parametrize("content", [b"", b"-----BEGIN X509 CRL-----\n", b"\x30\x80", b"a" * 1000])
def test_damaged_list(authority: Authority, content: bytes) -> None:
    authority.answers["/list.crl"] = content
    with pytest.raises(RevocationError, match="the revocation status is unknown"):
        check(authority.issue("crl"))
    with pytest.raises(TrustError, match=r"file\.crl: not a certificate revocation list"):
        load_list(content, "file.crl")


def test_authority_without_permission_for_lists(authority: Authority) -> None:
    usages = ((x509.BasicConstraints(ca=True, path_length=None), True), (usage("key_cert_sign"), True))
    certificate = issue("C=US, O=Example, CN=list authority", authority.identity.key, ROOT, usages)
    authority.identity = certificate
    authority.answers["/list.crl"] = build_list(authority)
    with pytest.raises(RevocationError, match="keyUsage has no cRLSign"):
        check(authority.issue("crl"))


def test_signature_before_the_invalidity_is_accepted(authority: Authority) -> None:
    identity = authority.issue("crl")
    serial = identity.certificate.serial_number
    authority.answers["/list.crl"] = build_list(authority, serial, invalid_since=NOW - 5 * DAY)
    check(identity, signed=NOW - 6 * DAY)
    for signed in (None, NOW - 5 * DAY, NOW - 4 * DAY):
        with pytest.raises(RevocationError, match="was revoked on"):
            check(identity, signed=signed)


def test_given_list_needs_no_network(authority: Authority) -> None:
    identity = authority.issue("ocsp", "crl")
    chain, now = load_chain(identity), dt.datetime.now(dt.UTC)
    good = RevocationSources((load_list(authority.create_list(), "list"),))
    check_revocation(chain, good, now, None)
    authority.record(identity, is_revoked=True)
    revoked = RevocationSources((load_list(authority.create_list(), "list"),))
    with pytest.raises(RevocationError, match="was revoked on"):
        check_revocation(chain, revoked, now, None)
    with pytest.raises(
        RevocationError, match="unknown: the network is not allowed, and no list of its issuer is given"
    ):
        check_revocation(chain, RevocationSources(), now, None)
    assert authority.requests == []


def test_revoked_intermediate(authority: Authority) -> None:
    """An authority that its root has revoked makes all its signers untrusted."""
    identity = authority.issue()
    builder = x509.CertificateRevocationListBuilder().issuer_name(ROOT.certificate.subject)
    builder = builder.last_update(NOW - DAY).next_update(NOW + DAY)
    serial = authority.identity.certificate.serial_number
    revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - DAY).build()
    content = builder.add_revoked_certificate(revoked).sign(ROOT.key, hashes.SHA256()).public_bytes(Encoding.DER)
    with pytest.raises(RevocationError, match=r"CN=list authority.* was revoked on"):
        check(identity, lists=[content])


def verify(
    folder: Path, identity: Identity, sources: RevocationSources | None, **verification: Any
) -> VerifiedSignature:
    """Verify a signature with a trust policy in a new folder."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    write_configuration(folder, {"ca:example": [ROOT.certificate]}, [policy(**verification)])
    selected = load_trust_policy(folder / "trustpolicy.json").select("registry.example/team/app")
    assert selected is not None
    trust = NotationTrust(selected, TrustStore(folder), dt.datetime.now(dt.UTC), sources)
    return verify_envelope(JWS, sign(identity, JWS), TARGET, trust, "referrers")


def test_levels(authority: Authority, tmp_path: Path) -> None:
    identity = authority.issue("ocsp")
    unknown = "the revocation status is unknown"
    with ServiceClient() as client:
        sources = RevocationSources((), client)
        with pytest.raises(SignatureError, match=unknown):
            verify(tmp_path, identity, sources)
        for fields in ({"level": "permissive"}, {"level": "audit"}, {"override": {"revocation": "log"}}):
            (note,) = verify(tmp_path, identity, sources, **fields).notes
            assert unknown in note
            assert "accepted by the trust policy" in note
        requests = len(authority.requests)
        assert verify(tmp_path, identity, sources, override={"revocation": "skip"}).notes == ()
        assert len(authority.requests) == requests
        assert verify(tmp_path, identity, None).notes == (NOT_REVOKED,)
        authority.record(identity, is_revoked=False)
        assert verify(tmp_path, identity, sources).notes == ()


def kubekeep(*arguments: str | Path, code: int) -> str:
    """Run the command; return its output."""
    done = run_command_line("image", "verify", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_command(authority: Authority, tmp_path: Path) -> None:
    identity = authority.issue("ocsp", "crl")
    write_configuration(tmp_path, {"ca:example": [ROOT.certificate]}, [policy()])
    with run_referrers_registry() as address:
        image = SignedRepository(address, "team/revocation")
        target = TargetArtifact(image.image.media_type, image.digest, image.image.size)
        content = sign(identity, JWS, payload=payload_of(target))
        image.put_referrer(content, JWS, artifactType="application/vnd.cncf.notary.signature")
        image.client.close()
        base = (image.reference, "--notation", tmp_path)
        assert NOT_REVOKED in kubekeep(*base, code=0)
        assert authority.requests == []
        authority.record(identity, is_revoked=False)
        assert "not checked" not in kubekeep(*base, "--check-revocation", code=0)
        assert authority.requests == ["/ocsp"]
        (authority.folder / "index.txt").write_text("")
        authority.record(identity, is_revoked=True)
        (tmp_path / "list.crl").write_bytes(authority.create_list())
        for options in (("--check-revocation",), ("--crl", tmp_path / "list.crl")):
            assert "was revoked on" in kubekeep(*base, *options, code=1)
        assert authority.requests == ["/ocsp", "/ocsp"]
        assert "need --notation" in kubekeep(
            image.reference, "--key", tmp_path / "list.crl", "--check-revocation", code=2
        )

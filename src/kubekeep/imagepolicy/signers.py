"""Signers of image policies as trust, and the signatures in the formats that a signer accepts. Never verifies a signature."""

from __future__ import annotations

import datetime as dt
from typing import Final

import msgspec

from kubekeep.imagepolicy.combined import BUNDLE
from kubekeep.imagepolicy.conditions import ImagePolicyFile
from kubekeep.imagepolicy.imported.trusted_roots import PemError, load_certificates
from kubekeep.imagepolicy.policy import PolicySigner, SignerIdentity
from kubekeep.model.text import visible
from kubekeep.registry.errors import KeyFileError
from kubekeep.registry.keys import load_public_key
from kubekeep.signatures.access import FetchedSignatures
from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.notation.trust_policy import SignatureVerification, TrustPolicy, check_policy
from kubekeep.signatures.notation.trust_store import CertificateStore, TrustStore
from kubekeep.signatures.notation.verify import NotationTrust
from kubekeep.signatures.sigstore.certificates import CertificateIdentity
from kubekeep.signatures.sigstore.root_state import load_default_root
from kubekeep.signatures.sigstore.trusted_root import TrustedRoot, read_trusted_root
from kubekeep.signatures.trust import LogPolicy, Trust
from kubekeep.signatures.verification import SignatureProblem, SignatureReport, VerifiedSignature

_COSIGN: Final = "cosign"
_TAG: Final = "legacy-tag"


def create_trust(file: ImagePolicyFile, name: str, signer: PolicySigner, now: dt.datetime) -> Trust | NotationTrust:
    """Return the trust in a signer. Raises ConfigurationError and TrustError."""
    if signer.kind == "notation":
        return _create_notation_trust(file, name, signer, now)
    trust = Trust(
        keys=(_load_key(file, name, signer),) if signer.kind == "key" else (),
        identities=_create_identities(signer) if signer.kind == "keyless" else (),
        root=_load_root(file, name, signer),
        log=LogPolicy(signer.log),
        annotations=tuple(signer.annotations.items()),
        hash_algorithm=signer.hash_algorithm,
    )
    trust.check()
    return trust


def select_signatures(report: SignatureReport, signer: PolicySigner, fetched: FetchedSignatures) -> SignatureReport:
    """Return the report with the signatures of the digest that the reference names, in the formats of a signer.

    All others become problems. The manifest of one platform below an index is another digest, as for policy engines:
    anyone with the right to push can list a signed manifest in an index of other images.
    """
    expected = signer.format
    if expected == "detect":
        is_bundled = any(stored.format == BUNDLE for stored in fetched.select_root().signatures)
        expected = "bundle" if is_bundled else "legacy-tag"
    verified, problems = [], list(report.problems)
    for signature in report.verified:
        if not _has_format(signature, expected):
            described = f"a valid signature in the format {signature.format} ({signature.layout})"
            reason = f"{described}; the policy accepts the format {expected}"
        elif signature.digest != fetched.root:
            reason = f"a valid signature of {signature.digest}, not of {fetched.root}"
        else:
            verified.append(signature)
            continue
        problems.append(SignatureProblem(signature.reference, reason))
    return msgspec.structs.replace(report, verified=tuple(verified), problems=tuple(problems))


def _has_format(signature: VerifiedSignature, expected: str) -> bool:
    return {
        "any": True,
        "legacy-tag": signature.format == _COSIGN and signature.layout == _TAG,
        "cosign": signature.format == _COSIGN,
        "bundle": signature.format == BUNDLE,
    }[expected]


def _load_key(file: ImagePolicyFile, name: str, signer: PolicySigner) -> object:
    field = "keyData" if signer.key_data else "key"
    try:
        content = signer.key_data.encode() if signer.key_data else file.read_file(signer.key, ("signers", name, "key"))
        return load_public_key(content)
    except KeyFileError as error:
        raise file.configuration.create_error(
            ("signers", name, field), f"{signer.key or f'signer {name}'}: {error}"
        ) from error


def _load_root(file: ImagePolicyFile, name: str, signer: PolicySigner) -> TrustedRoot:
    if signer.trusted_root_data:
        root = read_trusted_root(signer.trusted_root_data.encode(), f"the trusted root of signer {visible(name)}")
    elif signer.trusted_root:
        content = file.read_file(signer.trusted_root, ("signers", name, "trustedRoot"))
        root = read_trusted_root(content, visible(signer.trusted_root))
    else:
        # Read now: a root that cannot be used is an error of the settings, not of an image.
        root = load_default_root()
    return msgspec.structs.replace(root, certificate_logs=()) if signer.ignore_certificate_logs else root


def _create_identities(signer: PolicySigner) -> tuple[CertificateIdentity, ...]:
    single = SignerIdentity(signer.identity, signer.identity_regexp, signer.issuer, signer.issuer_regexp)
    return tuple(
        CertificateIdentity(
            identity=identity.identity,
            issuer=identity.issuer,
            identity_pattern=identity.identity_regexp,
            issuer_pattern=identity.issuer_regexp,
        )
        for identity in signer.identities or (single,)
    )


def _create_notation_trust(file: ImagePolicyFile, name: str, signer: PolicySigner, now: dt.datetime) -> NotationTrust:
    subjects = tuple(f"x509.subject:{subject}" for subject in signer.subjects) or ("*",)
    stores = (CertificateStore.NAME,) if signer.certificates else signer.stores
    policy = TrustPolicy(name, ("*",), SignatureVerification("strict"), stores, subjects)
    try:
        if not signer.certificates:
            check_policy(policy)
    except ValueError as error:
        raise file.configuration.create_error(("signers", name), str(error)) from error
    if signer.certificates:
        try:
            return NotationTrust(policy, CertificateStore(tuple(load_certificates(signer.certificates))), now)
        except PemError as error:
            raise TrustError(f"signer {visible(name)}: {error}") from error
    store = TrustStore(file.resolve_path(signer.trust_store, ("signers", name, "trustStore")))
    for kind, store_name in policy.iterate_stores():
        store.load(kind, store_name)
    return NotationTrust(policy, store, now)

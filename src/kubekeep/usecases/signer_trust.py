"""Trusted signers of images, made of the content of files and of names. Verifies nothing."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from kubekeep.registry.keys import load_public_key
from kubekeep.signatures.sigstore.certificates import CertificateIdentity
from kubekeep.signatures.sigstore.trusted_root import read_trusted_root
from kubekeep.signatures.trust import LogPolicy, Trust


class SignerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Trusted keys, in PEM, and an identity in certificates.

    identity and issuer: exact, or by a regular expression; all empty for no identity. claims: texts NAME=VALUE.
    root: content of trusted_root.json; None for the one in use. requires_log: for keys too.
    """

    keys: tuple[bytes, ...]
    identity: str
    issuer: str
    identity_pattern: str
    issuer_pattern: str
    claims: tuple[str, ...]
    root: bytes | None
    root_name: str
    requires_log: bool
    ignores_log: bool
    annotations: Mapping[str, str]

    @property
    def has_identity(self) -> bool:
        """True if an identity is trusted."""
        return any((self.identity, self.issuer, self.identity_pattern, self.issuer_pattern, self.claims))


def create_trust(request: SignerRequest) -> Trust:
    """Return the trusted signers. Raises KeyFileError and TrustError."""
    policies = {(True, False): LogPolicy.REQUIRED, (False, True): LogPolicy.IGNORED}
    return Trust(
        keys=tuple(map(load_public_key, request.keys)),
        identities=(_create_identity(request),) if request.has_identity else (),
        root=None if request.root is None else read_trusted_root(request.root, request.root_name),
        log=policies.get((request.requires_log, request.ignores_log), LogPolicy.DEFAULT),
        annotations=tuple(request.annotations.items()),
    )


def _create_identity(request: SignerRequest) -> CertificateIdentity:
    return CertificateIdentity(
        identity=request.identity,
        issuer=request.issuer,
        identity_pattern=request.identity_pattern,
        issuer_pattern=request.issuer_pattern,
        claims=tuple((name, value) for name, _, value in (text.partition("=") for text in request.claims)),
    )

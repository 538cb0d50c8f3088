"""Results of verifying the signatures and attestations of an image. No I/O."""

from __future__ import annotations

import datetime as dt

import msgspec


class Signer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The signer of a valid signature.

    key: SHA-256 of the public key (DER), hexadecimal. identity and issuer: of a certificate of Fulcio (subject alternative
    name, OIDC issuer), or the subject of an X.509 certificate. time: of signing in RFC 3339, if proved by a log or a
    timestamp authority.
    """

    key: str = ""
    identity: str = ""
    issuer: str = ""
    time: str = ""


class VerifiedSignature(msgspec.Struct, frozen=True, omit_defaults=True):
    """A valid signature or attestation of one digest.

    format: "cosign", "sigstore-bundle" or "notation". layout: the location in the registry, as "referrers", "referrers-tag",
    "legacy-tag". predicate_type and predicate: of an attestation (in-toto statement), the predicate as JSON; empty for
    a signature. annotations: that the signature covers. reference: digest or tag of the signature in the registry.
    notes: what was not checked, or accepted by a policy. statement: the in-toto statement with the predicate.
    """

    format: str
    layout: str
    digest: str
    signer: Signer
    predicate_type: str = ""
    predicate: bytes = b""
    annotations: tuple[tuple[str, str], ...] = ()
    reference: str = ""
    notes: tuple[str, ...] = ()
    statement: bytes = b""


class SignatureProblem(msgspec.Struct, frozen=True):
    """A signature or attestation that is not valid or not trusted, and the reason. reference: its digest or tag."""

    reference: str
    reason: str


class RootOrigin(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The origin of a trusted root.

    kind: "built-in", "updated" or "file". name: the URL of the repository, or the file. updated and expires: of an updated
    root. newest: start of its newest authority or log. note: the reason why an updated root is not used.
    """

    kind: str
    name: str
    newest: dt.datetime | None = None
    updated: dt.datetime | None = None
    expires: dt.datetime | None = None
    note: str = ""


class SignatureReport(msgspec.Struct, frozen=True):
    """All signatures and attestations of an image: valid ones and problems; both empty if it has none.

    root: origin of the trusted root; None if no signature needed one.
    """

    reference: str
    digest: str
    verified: tuple[VerifiedSignature, ...] = ()
    problems: tuple[SignatureProblem, ...] = ()
    root: RootOrigin | None = None

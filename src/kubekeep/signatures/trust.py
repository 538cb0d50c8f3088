"""Trust in signers: keys, identities in certificates, trusted roots and the use of transparency logs.

Reads nothing except the default root. Never uses the network.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.sigstore.certificates import CertificateIdentity
from kubekeep.signatures.sigstore.root_state import load_default_root
from kubekeep.signatures.sigstore.trusted_root import TrustedRoot


class LogPolicy(enum.StrEnum):
    """The use of transparency logs.

    DEFAULT: entries are verified; signatures with certificates need one if the trusted root has logs, signatures with keys
    do not. REQUIRED: signatures with keys need one too. IGNORED: entries are not read.
    """

    DEFAULT = "default"
    REQUIRED = "required"
    IGNORED = "ignored"


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """Signers that are trusted: any of the keys and identities.

    keys: public keys of the library `cryptography`. root: for certificates, logs and timestamps; None for the default one:
    the updated root of this user, else the built-in root. annotations: that a signature must cover, with these values.
    hash_algorithm: of signatures with keys, as "sha256"; empty for all supported ones.
    """

    keys: tuple[Any, ...] = ()
    identities: tuple[CertificateIdentity, ...] = ()
    root: TrustedRoot | None = None
    log: LogPolicy = LogPolicy.DEFAULT
    annotations: tuple[tuple[str, str], ...] = ()
    hash_algorithm: str = ""

    def check(self) -> None:
        """Raise TrustError if no signer is trusted, or if an identity is not valid."""
        if not self.keys and not self.identities:
            raise TrustError("no signer is trusted: name a key, or an identity with its issuer")
        for identity in self.identities:
            identity.check()

    def load_root(self) -> TrustedRoot:
        """Return the trusted root. Raises TrustError if the default one cannot be used."""
        return load_default_root() if self.root is None else self.root

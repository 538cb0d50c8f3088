"""Client of Sigstore's conformance suite: its command line, for the verification of bundles by Kubekeep.

    python -m tests.signatures.conformance.client verify-bundle [--staging] --bundle FILE
        (--key FILE | --certificate-identity IDENTITY --certificate-oidc-issuer URL) [--trusted-root FILE] FILE_OR_DIGEST

Exits with 0 if the bundle is valid, with 1 and the reason if not. Signing is not supported: it needs Sigstore's services.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.resources
import re
import sys
from pathlib import Path

from kubekeep.model.errors import KubekeepError
from kubekeep.registry.errors import KeyFileError
from kubekeep.registry.keys import load_public_key
from kubekeep.signatures.errors import SignatureError, TrustError
from kubekeep.signatures.sigstore.certificates import CertificateIdentity
from kubekeep.signatures.sigstore.trusted_root import TrustedRoot, read_trusted_root
from kubekeep.signatures.sigstore.verify import verify_signer
from kubekeep.signatures.stored_signature import decode_signed_bundle
from kubekeep.signatures.trust import Trust
from kubekeep.signatures.verify import read_signed_content

_DIGEST = re.compile("sha256:[0-9a-f]{64}")
_STAGING = "_store/https%3A%2F%2Ftuf-repo-cdn.sigstage.dev/trusted_root.json"


def main(arguments: list[str]) -> int:
    """Run the client; return its exit code."""
    parser = argparse.ArgumentParser()
    command = parser.add_subparsers(required=True).add_parser("verify-bundle")
    command.add_argument("--staging", action="store_true")
    command.add_argument("--bundle", type=Path, required=True)
    command.add_argument("--key", type=Path)
    command.add_argument("--certificate-identity", default="")
    command.add_argument("--certificate-oidc-issuer", default="")
    command.add_argument("--trusted-root", type=Path)
    command.add_argument("artifact")
    options = parser.parse_args(arguments)
    try:
        _verify(options)
    except (SignatureError, KubekeepError, KeyFileError, OSError) as error:
        print(f"not valid: {error}", file=sys.stderr)
        return 1
    return 0


def _verify(options: argparse.Namespace) -> None:
    if options.key and (options.certificate_identity or options.certificate_oidc_issuer):
        raise TrustError("a key and an identity exclude each other")
    identity = CertificateIdentity(options.certificate_identity, options.certificate_oidc_issuer)
    trust = Trust(
        keys=(load_public_key(options.key.read_bytes()),) if options.key else (),
        identities=() if options.key else (identity,),
        root=_read_root(options),
    )
    trust.check()
    message = None
    if _DIGEST.fullmatch(options.artifact) and not Path(options.artifact).exists():
        digest = bytes.fromhex(options.artifact.partition(":")[2])
    else:
        message = Path(options.artifact).read_bytes()
        digest = hashlib.sha256(message).digest()
    signed = decode_signed_bundle(options.bundle.read_bytes(), message, digest)
    verify_signer(signed, trust)
    if signed.envelope is not None:
        read_signed_content(signed, f"sha256:{digest.hex()}")


def _read_root(options: argparse.Namespace) -> TrustedRoot | None:
    if options.trusted_root:
        return read_trusted_root(options.trusted_root.read_bytes(), str(options.trusted_root))
    if options.staging:
        content = importlib.resources.files("sigstore").joinpath(_STAGING).read_bytes()
        return read_trusted_root(content, "the staging root")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

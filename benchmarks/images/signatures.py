"""Measure the verification of signatures after they have been fetched: `python benchmarks/images/signatures.py`.

Prints milliseconds per signature: with a key (a bundle made here), and with a certificate (a recorded bundle of Sigstore's public
instance), and the milliseconds for start-up: imports, and the trusted root. The bar is 10 ms per signature. Asserts nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

_RECORDED = Path(__file__).parents[2] / "tests" / "signatures" / "recorded" / "provenance-2.json"
_RUNS = 200


def measure(function: Callable[[], object], runs: int = _RUNS) -> float:
    """Return the mean milliseconds of processor time."""
    start = time.process_time()
    for _ in range(runs):
        function()
    return (time.process_time() - start) / runs * 1000


def main() -> None:
    """Measure and print the table."""
    start = time.process_time()
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - measured
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    from kubekeep.signatures.envelope import STATEMENT_PAYLOAD, encode_signed  # noqa: PLC0415
    from kubekeep.signatures.sigstore.bundle import BUNDLE  # noqa: PLC0415
    from kubekeep.signatures.sigstore.certificates import CertificateIdentity  # noqa: PLC0415
    from kubekeep.signatures.sigstore.trusted_root import load_public_root  # noqa: PLC0415
    from kubekeep.signatures.sigstore.verify import verify_signer  # noqa: PLC0415
    from kubekeep.signatures.stored_signature import decode_signed_bundle  # noqa: PLC0415
    from kubekeep.signatures.trust import Trust  # noqa: PLC0415

    print(f"imports                 {(time.process_time() - start) * 1000:8.2f} ms")
    print(f"trusted root            {measure(load_public_root, 1):8.2f} ms")
    digest = hashlib.sha256(b"").digest()
    key = ec.generate_private_key(ec.SECP256R1())
    payload = json.dumps({"predicate": {"packages": ["x" * 100] * 1000}}).encode()
    signature = key.sign(encode_signed(STATEMENT_PAYLOAD, payload), ec.ECDSA(hashes.SHA256()))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": STATEMENT_PAYLOAD,
        "signatures": [{"sig": base64.b64encode(signature).decode()}],
    }
    material: dict[str, object] = {"publicKey": {"hint": ""}}
    keyed = json.dumps({"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}).encode()
    identity = CertificateIdentity(identity_pattern="https://github.com/.*", issuer_pattern="https://.*")
    for name, content, trust in (
        ("key", keyed, Trust(keys=(key.public_key(),))),
        ("certificate", _RECORDED.read_bytes(), Trust(identities=(identity,))),
    ):

        def verify(content: bytes = content, trust: Trust = trust) -> object:
            return verify_signer(decode_signed_bundle(content, None, digest), trust)

        milliseconds = measure(verify)
        print(f"signature with {name:11}{milliseconds:6.2f} ms")


if __name__ == "__main__":
    main()

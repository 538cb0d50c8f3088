"""Timestamps of RFC 3161 by the authorities of a trusted root. Never trusts a certificate in a timestamp."""

from __future__ import annotations

import datetime as dt

from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.sigstore.trusted_root import CertificateAuthority


def verify_timestamp(content: bytes, message: bytes, authorities: tuple[CertificateAuthority, ...]) -> dt.datetime:
    """Return the time at which `message` existed. Raises SignatureError."""
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response  # noqa: PLC0415 - few have it

    try:
        response = decode_timestamp_response(content)
        time = response.tst_info.gen_time
    except ValueError as error:
        raise SignatureError(f"a timestamp cannot be read: {error}") from error
    reasons = ["the trusted root has no timestamp authority"]
    for authority in authorities:
        if len(authority.certificates) < 2:
            continue
        signer, *intermediates, anchor = authority.certificates
        builder = VerifierBuilder(tsa_certificate=signer, intermediates=intermediates, roots=[anchor])
        try:
            builder.build().verify_message(response, message)
        except (VerificationError, ValueError) as error:
            reasons.append(str(error))
            continue
        if authority.period.includes(time):
            return time
        reasons.append(f"the authority was not in use at {time:%Y-%m-%d %H:%M:%S} UTC")
    raise SignatureError(f"a timestamp is not trusted: {reasons[-1]}")

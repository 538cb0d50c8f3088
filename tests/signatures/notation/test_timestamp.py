"""Timestamp countersignatures of notation signatures, made by OpenSSL's timestamp authority."""

from __future__ import annotations

import base64
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.notation.certificates import check_timestamp_chain
from kubekeep.signatures.notation.timestamp import verify_timestamp
from tests.signatures.notation.cases import SignatureCase
from tests.signatures.notation.signing import (
    COSE,
    CRITICAL_CA,
    DAY,
    JWS,
    NOW,
    TIMESTAMP,
    TIMESTAMPER,
    Identity,
    create_authority,
    create_key,
    create_root,
    create_timestamp,
    encode_cose,
    issue,
    policy,
    sign_cose,
    sign_jws,
    usage,
)
from tests.signatures.notation.test_verify import verify, verify_with_reference

STORES = {"ca:example": [create_root().certificate], "tsa:clock": [create_root("clock").certificate]}
POLICIES = [policy(stores=["ca:example", "tsa:clock"])]


def create_clock(extensions: Any = TIMESTAMPER, *, root: Identity | None = None, kind: str = "rsa2048") -> Identity:
    authority = issue(
        "C=US, O=Example, CN=clock authority", create_key("p256 clock"), root or create_root("clock"), CRITICAL_CA
    )
    return issue("C=US, O=Example, CN=clock signer", create_key(kind), authority, extensions)


def sign_with_timestamp(
    folder: Path, clock: Identity, media_type: str = JWS, *, other_content: bytes = b"", digest: str = "sha256"
) -> SignatureCase:
    """Return a signature with a timestamp, whose certificate is valid now."""
    signer = issue("C=US, ST=WA, O=Example, CN=builder", create_key("p256 signer"), create_authority())
    if media_type == COSE:
        parts = sign_cose(signer)
        parts[1][TIMESTAMP] = create_timestamp(folder / "clock", clock, other_content or parts[3], digest=digest)
        return SignatureCase("timestamp", encode_cose(parts), COSE, "", STORES, POLICIES)
    envelope = sign_jws(signer)
    signature = base64.urlsafe_b64decode(envelope["signature"] + "==")
    token = create_timestamp(folder / "clock", clock, other_content or signature, digest=digest)
    envelope["header"][TIMESTAMP] = base64.b64encode(token).decode()
    return SignatureCase("timestamp", json.dumps(envelope).encode(), JWS, "", STORES, POLICIES)


@pytest.mark.parametrize("media_type", [JWS, COSE])
@pytest.mark.parametrize("kind", ["rsa2048", "p256 clock key"])
def test_time_is_proved(media_type: str, kind: str, tmp_path: Path) -> None:
    signature = verify(sign_with_timestamp(tmp_path, create_clock(kind=kind), media_type), tmp_path)
    proved = dt.datetime.fromisoformat(signature.signer.time)
    assert abs(proved - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


@pytest.mark.parametrize("digest", ["sha384", "sha512"])
def test_other_digests(digest: str, tmp_path: Path) -> None:
    assert verify(sign_with_timestamp(tmp_path, create_clock(), digest=digest), tmp_path).signer.time


def test_timestamp_counts_after_the_certificate_expired(tmp_path: Path) -> None:
    """An old certificate fails without a timestamp; the time of the timestamp, not of the verification, decides."""
    token = create_timestamp(tmp_path / "clock", create_clock(), b"signature")
    proved = verify_timestamp(token, b"signature", [create_root("clock").certificate])
    assert proved.latest - proved.earliest == dt.timedelta(seconds=2)
    assert abs(proved.latest - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


def test_certificate_must_be_valid_at_the_time_of_the_timestamp(tmp_path: Path) -> None:
    signer = issue(
        "C=US, ST=WA, O=Example, CN=builder",
        create_key("p256 signer"),
        create_authority(),
        period=(NOW - 9 * DAY, NOW - DAY),
    )
    parts = sign_cose(signer)
    parts[1][TIMESTAMP] = create_timestamp(tmp_path / "clock", create_clock(), parts[3])
    case = SignatureCase("late timestamp", encode_cose(parts), COSE, "", STORES, POLICIES)
    with pytest.raises(SignatureError, match=r"expired on .*; the time of the timestamp is"):
        verify(case, tmp_path)


def test_timestamp_without_a_trust_store_is_not_used(tmp_path: Path) -> None:
    case = sign_with_timestamp(tmp_path, create_clock())
    without = SignatureCase("no store", case.content, JWS, "", {"ca:example": STORES["ca:example"]}, [policy()])
    assert verify(without, tmp_path).signer.time == ""


def test_timestamp_is_needed_after_expiry_only(tmp_path: Path) -> None:
    wrong = sign_with_timestamp(tmp_path, create_clock(), other_content=b"other")
    policies = [policy(stores=["ca:example", "tsa:clock"], verifyTimestamp="afterCertExpiry")]
    case = SignatureCase("lazy", wrong.content, JWS, "", STORES, policies)
    assert verify(case, tmp_path).signer.time == ""


def test_authority_must_be_trusted(tmp_path: Path) -> None:
    case = sign_with_timestamp(tmp_path, create_clock(root=create_root("other")))
    with pytest.raises(SignatureError, match="the timestamp is not valid"):
        verify(case, tmp_path)


@pytest.mark.parametrize(
    ("extensions", "reason"),
    [
        ((TIMESTAMPER[0], (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), True)), "has no timeStamping"),
        (TIMESTAMPER[:1], "has no timeStamping"),
        (
            (
                TIMESTAMPER[0],
                (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING]), True),
            ),
            "must not have codeSigning",
        ),
        (((usage("digital_signature", "key_encipherment"), True), TIMESTAMPER[1]), "must not have keyEncipherment"),
    ],
)
def test_authority_must_be_for_timestamps(extensions: Any, reason: str) -> None:
    clock = create_clock(extensions)
    with pytest.raises(SignatureError, match=reason):
        check_timestamp_chain((clock.certificate, *clock.issuers))


def test_timestamp_of_another_signature(tmp_path: Path) -> None:
    case = sign_with_timestamp(tmp_path, create_clock(), other_content=b"other")
    with pytest.raises(SignatureError, match="the timestamp is not valid"):
        verify(case, tmp_path)


def test_failure_is_logged_by_the_level(tmp_path: Path) -> None:
    case = sign_with_timestamp(tmp_path, create_clock(), other_content=b"other")
    policies = [policy("permissive", stores=["ca:example", "tsa:clock"])]
    signature = verify(SignatureCase("permissive", case.content, JWS, "", STORES, policies), tmp_path)
    assert "accepted by the trust policy images" in signature.notes[0]


@pytest.mark.filterwarnings("ignore")
def test_damaged_tokens_are_refused(tmp_path: Path) -> None:
    token = create_timestamp(tmp_path / "clock", create_clock(), b"signature")
    roots = [create_root("clock").certificate]
    for position in range(0, len(token), 7):
        damaged = token[:position] + bytes((token[position] ^ 1,)) + token[position + 1 :]
        try:
            result = verify_timestamp(damaged, b"signature", roots)
        except SignatureError:
            continue
        # Some bytes are not signed, as those of the chain's unneeded parts; the time cannot be changed.
        assert result == verify_timestamp(token, b"signature", roots)
    for size in (0, 1, 10, 100, len(token) - 1):
        with pytest.raises(SignatureError):
            verify_timestamp(token[:size], b"signature", roots)


def test_reference_library_decides_the_same(tmp_path: Path) -> None:
    valid = [sign_with_timestamp(tmp_path / media_type, create_clock(), media_type) for media_type in (JWS, COSE)]
    invalid = [
        sign_with_timestamp(tmp_path / "root", create_clock(root=create_root("other"))),
        sign_with_timestamp(tmp_path / "content", create_clock(), other_content=b"other"),
    ]
    results = verify_with_reference(tmp_path, [*valid, *invalid])
    assert [result == "ok" for result in results] == [True, True, False, False], results

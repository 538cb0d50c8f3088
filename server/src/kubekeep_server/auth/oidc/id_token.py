"""Verification of ID tokens (OpenID Connect Core 1.0, section 3.1.3.7). No I/O."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from kubekeep_server.auth.oidc.errors import SignInRefusedError

_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Algorithms with a public key. `none`, and those with the secret of the client, prove nothing that a key set contains."""
_LEEWAY: Final = 60
"""Seconds by which the clocks of provider and server may differ."""
_LONGEST_TOKEN: Final = 256 << 10
_LONGEST_SUBJECT: Final = 255


class ExpectedToken(msgspec.Struct, frozen=True, kw_only=True):
    """Values that an ID token must have. nonce: of the authorization request."""

    issuer: str
    client_id: str
    nonce: str


def read_key_name(token: str) -> str:
    """Return the name of the key that signed a token; empty without one. Raises SignInRefusedError."""
    if len(token) > _LONGEST_TOKEN:
        raise SignInRefusedError(f"the ID token has more than {_LONGEST_TOKEN:,} characters")
    try:
        name = jws.extract_compact(token.encode()).headers().get("kid", "")
    except (JoseError, ValueError, TypeError) as error:
        raise SignInRefusedError("the ID token cannot be read") from error
    return name if isinstance(name, str) else ""


def verify_id_token(token: str, keys: KeySet, expected: ExpectedToken, now: dt.datetime) -> dict[str, Any]:
    """Return the claims of an ID token after all checks. Raises SignInRefusedError."""
    registry = jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=_LEEWAY,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        claims = jwt.decode(token, keys, algorithms=_ALGORITHMS).claims
        registry.validate(claims)
    except (JoseError, ValueError, TypeError) as error:
        raise SignInRefusedError(f"the ID token is not valid: {error}") from error
    _check_parties(claims, expected)
    return claims


def _check_parties(claims: dict[str, Any], expected: ExpectedToken) -> None:
    if claims.get("nonce") != expected.nonce:
        raise SignInRefusedError("the ID token belongs to another sign-in: its nonce differs")
    audience = claims["aud"]
    if isinstance(audience, list) and len(audience) > 1 and "azp" not in claims:
        raise SignInRefusedError("the ID token has several audiences and no authorised party (azp)")
    if claims.get("azp", expected.client_id) != expected.client_id:
        raise SignInRefusedError("the ID token is for another client: its authorised party (azp) differs")
    subject = claims["sub"]
    if not 0 < len(subject) <= _LONGEST_SUBJECT or not (subject.isascii() and subject.isprintable()):
        raise SignInRefusedError(f"the subject of the ID token is not 1 to {_LONGEST_SUBJECT} ASCII characters")

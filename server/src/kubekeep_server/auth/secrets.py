"""Secrets of tokens, sessions and links: 32 random bytes, of which only the SHA-256 is stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

TOKEN: Final = "kk_"  # noqa: S105 - a prefix
LINK: Final = "kkl_"
ENROLMENT: Final = "kke_"
SESSION: Final = "kks_"
DEVICE: Final = "kkd_"
_BYTES: Final = 32
_LONGEST: Final = 100
_CSRF: Final = b"csrf"


def create_secret(prefix: str) -> str:
    """Return a new secret of the kind that the prefix names to people and to scanners of secrets."""
    return prefix + secrets.token_urlsafe(_BYTES)


def hash_secret(secret: str) -> bytes:
    """Return the digest by which a secret is stored; that of nothing for a text that cannot be one."""
    return hashlib.sha256(secret.encode() if len(secret) <= _LONGEST else b"").digest()


def derive_csrf_token(session: str) -> str:
    """Return the token that requests with the cookie of a session send in a header."""
    return hmac.new(session.encode(), _CSRF, hashlib.sha256).hexdigest()


def describe_link(public_url: str, secret: str) -> str:
    """Return the address of a sign-in link. The secret is in the fragment, which browsers send to no server."""
    return f"{public_url.rstrip('/')}/sign-in#{secret}"

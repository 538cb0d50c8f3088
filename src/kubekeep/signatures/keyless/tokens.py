"""Identity tokens (OpenID Connect) of CI systems. A token is a secret: it never appears in a message.

Never verifies a token: the certificate authority does.
"""

from __future__ import annotations

import re
from typing import Final

import httpx2
import msgspec

from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.service_client import ServiceClient, ServiceError

AUDIENCE: Final = "sigstore"
_TOKEN: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_LONGEST: Final = 1 << 16


class TokenSources(msgspec.Struct, frozen=True, kw_only=True):
    """A token, or the address at which GitHub Actions issues one, with the secret for it."""

    token: str = ""
    request_url: str = ""
    request_secret: str = ""

    def __repr__(self) -> str:
        return "TokenSources(...)"


class _TokenReply(msgspec.Struct, frozen=True):
    value: str


def get_token(sources: TokenSources, client: ServiceClient) -> str:
    """Return a token with the audience of Sigstore. Raises TrustError without one, and ServiceError."""
    if sources.token:
        return check_token(sources.token)
    if not sources.request_url or not sources.request_secret:
        raise TrustError(
            "there is no identity token: set SIGSTORE_ID_TOKEN or use --identity-token FILE; "
            "in GitHub Actions, the job needs the permission `id-token: write`"
        )
    try:
        url = httpx2.URL(sources.request_url).copy_merge_params({"audience": AUDIENCE})
    except httpx2.InvalidURL as error:
        raise TrustError("ACTIONS_ID_TOKEN_REQUEST_URL is not a URL") from error
    body = client.get(str(url), {"Authorization": f"Bearer {sources.request_secret}", "Accept": "application/json"})
    try:
        return check_token(msgspec.json.decode(body, type=_TokenReply).value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ServiceError("GitHub Actions issued no identity token") from error


def check_token(text: str) -> str:
    """Return a token without spaces around it. Raises TrustError if it has not the form of one."""
    token = text.strip()
    if len(token) > _LONGEST or not _TOKEN.fullmatch(token):
        raise TrustError("the identity token is not a JSON Web Token")
    return token

"""Documents of an OpenID provider, as far as a sign-in reads them. Values only."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1)]


class ProviderMetadata(msgspec.Struct, frozen=True):
    """Metadata of a provider: OpenID Connect Discovery 1.0, section 3, and RFC 9207, section 3."""

    issuer: Text
    authorization_endpoint: Text
    token_endpoint: Text
    jwks_uri: Text
    userinfo_endpoint: str = ""
    scopes_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class TokenAnswer(msgspec.Struct, frozen=True):
    """Answer of the token endpoint (OpenID Connect Core 1.0, section 3.1.3.3)."""

    id_token: Text
    access_token: str = ""


class TokenProblem(msgspec.Struct, frozen=True):
    """Error of the token endpoint (RFC 6749, section 5.2)."""

    error: str
    error_description: str = ""


class KeyDocument(msgspec.Struct, frozen=True):
    """Public keys of a provider (RFC 7517, section 5)."""

    keys: tuple[dict[str, Any], ...]

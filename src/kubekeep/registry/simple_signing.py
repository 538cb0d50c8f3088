"""Simple signing: cosign's payload for the digest of a manifest. Decodes payloads, and never verifies one."""

from __future__ import annotations

from typing import Any, Final

import msgspec

PAYLOAD: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE: Final = "dev.cosignproject.cosign/signature"
_TYPE: Final = "cosign container image signature"


class _SignedImage(msgspec.Struct, frozen=True):
    digest: str = msgspec.field(name="docker-manifest-digest")


class _SignedName(msgspec.Struct, frozen=True):
    reference: str = msgspec.field(name="docker-reference", default="")


class _SignedClaims(msgspec.Struct, frozen=True):
    image: _SignedImage
    type: str
    identity: _SignedName = _SignedName()


class SigningPayload(msgspec.Struct, frozen=True):
    """A payload: the signed digest, the name at the time of signing, and annotations."""

    critical: _SignedClaims
    optional: dict[str, Any] | None = None

    @property
    def digest(self) -> str:
        """The signed digest; "" for a payload of another type."""
        return self.critical.image.digest if self.critical.type == _TYPE else ""


def create_payload(name: str, digest: str, annotations: dict[str, str] | None = None) -> bytes:
    """Return the payload for a digest; `name` is the repository."""
    critical = {"identity": {"docker-reference": name}, "image": {"docker-manifest-digest": digest}, "type": _TYPE}
    return msgspec.json.encode({"critical": critical, "optional": annotations or None})


def decode_payload(content: bytes) -> SigningPayload:
    """Decode a payload. Raises ValueError."""
    try:
        return msgspec.json.decode(content, type=SigningPayload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a payload of simple signing: {error}") from error

"""An object in a fraction of the memory: compressed, with what reports ask most often beside it. Never changes it."""

from __future__ import annotations

import sys
from typing import Any, Final

import msgspec

from kubekeep import _native

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Packed(msgspec.Struct, frozen=True, gc=False):
    """An object as compressed JSON; what stands beside it is the same as in it, empty where it is absent."""

    data: bytes
    size: int
    """How long the text of the object is; what was derived from it follows."""
    api_version: str
    kind: str
    metadata: dict[str, Any]
    """`name`, `generateName` and `namespace`."""
    replicas: int | None

    @property
    def text(self) -> bytes:
        """The object as JSON."""
        return self.texts[0]

    @property
    def texts(self) -> tuple[bytes, bytes]:
        """The object as JSON, and the text that was derived from it."""
        whole = _native.unpack(self.data)
        return whole[: self.size], whole[self.size :]

    def unpacked(self) -> dict[str, Any]:
        """The object, made anew each time."""
        return _decode(self.text)


def pack(content: dict[str, Any], text: bytes | None = None, derived: bytes = b"") -> Packed:
    """`content`, an object as JSON has it, packed.

    `text` is its JSON, if that is known already; `derived` says mostly the same again and so takes little room.
    """
    text = _encode(content) if text is None else text
    metadata, spec = content.get("metadata"), content.get("spec")
    known = metadata if isinstance(metadata, dict) else {}
    replicas = spec.get("replicas") if isinstance(spec, dict) else None
    return Packed(
        _native.pack(text + derived),
        len(text),
        sys.intern(str(content.get("apiVersion") or "")),
        sys.intern(str(content.get("kind") or "")),
        {key: _kept(known[key]) for key in ("name", "generateName", "namespace") if key in known},
        replicas if isinstance(replicas, int) and not isinstance(replicas, bool) else None,
    )


def _kept(value: Any) -> Any:
    return sys.intern(value) if isinstance(value, str) else value

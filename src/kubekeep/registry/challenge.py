"""How a registry says what it wants to see: the `WWW-Authenticate` header (RFC 9110 §11.6.1). Never answers it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

_SCHEME: Final = re.compile(r"\s*(bearer|basic)(?:\s|$)", re.IGNORECASE)
_PARAMETER: Final = re.compile(r'([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


class Challenge(msgspec.Struct, frozen=True):
    """The scheme, `bearer` or `basic`, and its parameters by lower-case name."""

    scheme: str
    parameters: dict[str, str]


def challenge(headers: Sequence[str]) -> Challenge | None:
    """The challenge to answer among the `headers`: a token is preferred to a password."""
    found = [
        Challenge(match[1].lower(), _parameters(header[match.end() :]))
        for header in headers
        if (match := _SCHEME.match(header))
    ]
    return min(found, key=lambda item: item.scheme != "bearer", default=None)


def _parameters(text: str) -> dict[str, str]:
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else bare
        for name, quoted, bare in _PARAMETER.findall(text)
    }

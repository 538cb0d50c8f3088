"""Versions of Debian and its derivatives (Debian Policy 5.6.12, deb-version(7)), and of opam, which orders like them.

Versions that dpkg accepts with a warning are compared as dpkg compares them.
"""

from __future__ import annotations

import re
from typing import Any

from kubekeep.vulnerabilities.versions.scheme import VersionScheme

_RUNS = re.compile(r"([^0-9]*)([0-9]*)")
_MAX_EPOCH = 2**31 - 1
_END = "\x01"
_ORDER = {
    byte: chr(0) if chr(byte) == "~" else chr(byte) if chr(byte).isalpha() and byte < 0x80 else chr(byte + 256)
    for byte in range(0x80)
} | {
    # dpkg adds 256 to a signed character.
    byte: chr(byte)
    for byte in range(0x80, 0x100)
}
_ZERO = f"{_END}\x00"


def encode_part(part: str, order: dict[int, str]) -> str:
    """Return a text that sorts by code points as an upstream version or a revision sorts.

    Each run of other characters ends with _END, which sorts after a tilde and before all else. Each number is its
    length without leading zeros, followed by these digits; a missing number is zero.
    """
    if not part.isascii():
        part = part.encode(errors="replace").decode("latin-1")
    runs = []
    for text, digits in _RUNS.findall(part):
        number = digits.lstrip("0")
        runs.append(f"{text.translate(order)}{_END}{chr(len(number))}{number}")
    while runs and runs[-1] == _ZERO:
        runs.pop()
    return "".join(runs) + _ZERO + _END


class DpkgScheme(VersionScheme):
    """The order of dpkg: epoch, upstream version, revision."""

    name = "dpkg"

    def _parse(self, version: str) -> Any:
        if any(character.isspace() for character in version):
            raise self.invalid(version, "it contains white space")
        epoch = 0
        head, colon, rest = version.partition(":")
        if colon:
            if not (head.isascii() and head.isdigit()):
                raise self.invalid(version, "the epoch before the colon is not a number")
            epoch = int(head)
            if epoch > _MAX_EPOCH:
                raise self.invalid(version, f"the epoch is above {_MAX_EPOCH}")
        else:
            rest = head
        upstream, hyphen, revision = rest.rpartition("-")
        if not hyphen:
            upstream, revision = rest, ""
        elif not revision:
            raise self.invalid(version, "the revision after the hyphen is empty")
        if not upstream:
            raise self.invalid(version, "the upstream version is empty")
        return epoch, encode_part(upstream, _ORDER), encode_part(revision, _ORDER)


class OpamScheme(VersionScheme):
    """The order of opam: as dpkg's, without epochs, and every text is a version."""

    name = "opam"

    def _parse(self, version: str) -> Any:
        upstream, hyphen, revision = version.rpartition("-")
        if not hyphen:
            upstream, revision = version, ""
        return encode_part(upstream, _OPAM_ORDER), encode_part(revision, _OPAM_ORDER)


_OPAM_ORDER = {byte: chr(byte + 256) if byte >= 0x80 else _ORDER[byte] for byte in range(0x100)}

DPKG = DpkgScheme()
OPAM = OpamScheme()

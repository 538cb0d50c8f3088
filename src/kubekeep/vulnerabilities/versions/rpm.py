"""Versions of rpm: epoch, version and release, each ordered as rpmvercmp orders them, with tildes and carets."""

from __future__ import annotations

import re
from typing import Any

from kubekeep.vulnerabilities.versions.scheme import VersionScheme

_SEGMENTS = re.compile(r"~|\^|[A-Za-z]+|[0-9]+")
_VERSION = re.compile(r"(?:([0-9]*):)?(.*?)(?:-([^-]*))?", re.DOTALL)
_NO_EPOCH = "(none):"
"""Output of rpm's query formats for a package without an epoch."""
_TILDE, _END, _CARET, _LETTERS, _NUMBER = "\x01", "\x02", "\x03", "\x04", "\x05"


def encode_segments(text: str) -> str:
    """Return a text that sorts by code points as rpmvercmp sorts: tilde, end, caret, letters, number.

    All other characters only separate. A number is its length without leading zeros, followed by these digits.
    """
    encoded = []
    for segment in _SEGMENTS.findall(text):
        if segment == "~":
            encoded.append(_TILDE)
        elif segment == "^":
            encoded.append(_CARET)
        elif segment[0] <= "9":
            number = segment.lstrip("0")
            encoded.append(f"{_NUMBER}{chr(len(number))}{number}")
        else:
            encoded.append(f"{_LETTERS}{segment}\x00")
    encoded.append(_END)
    return "".join(encoded)


class RpmScheme(VersionScheme):
    """The order of rpm. A missing epoch is 0; a version without a release is before the same version with one."""

    name = "rpm"

    def _parse(self, version: str) -> Any:
        match = _VERSION.fullmatch(version.removeprefix(_NO_EPOCH))
        epoch, upstream, release = match.groups() if match else ("", version, None)
        if not upstream:
            raise self.invalid(version, "the version is empty")
        return int(epoch or 0), encode_segments(upstream), "" if release is None else encode_segments(release)


RPM = RpmScheme()

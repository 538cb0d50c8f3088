"""Versions of Composer: normalised as its VersionParser does, then ordered as `version_compare` of PHP orders.

A branch ("dev-main") has a place in this order, but matches no version constraint of Composer.
"""

from __future__ import annotations

import re
from typing import Any

from kubekeep.vulnerabilities.versions.scheme import VersionScheme

_MODIFIER = r"[._-]?(?:(stable|beta|b|RC|alpha|a|patch|pl|p)((?:[.-]?[0-9]++)*+)?)?([.-]?dev)?"
_CLASSICAL = re.compile(rf"v?([0-9]{{1,5}})(\.[0-9]+)?(\.[0-9]+)?(\.[0-9]+)?{_MODIFIER}", re.IGNORECASE | re.ASCII)
_DATE = re.compile(
    rf"v?([0-9]{{4}}(?:[.:-]?[0-9]{{2}}){{1,6}}(?:[.:-]?[0-9]{{1,3}})?){_MODIFIER}", re.IGNORECASE | re.ASCII
)
_NUMERIC_BRANCH = re.compile(
    r"v?([0-9]+)(\.(?:[0-9]+|[xX*]))?(\.(?:[0-9]+|[xX*]))?(\.(?:[0-9]+|[xX*]))?[.-]?dev", re.IGNORECASE | re.ASCII
)
_ALIAS = re.compile(r"([^,\s]+) +as +[^,\s]+")
_STABILITY = re.compile(r"@(?:stable|RC|beta|alpha|dev)$", re.IGNORECASE)
_BUILD = re.compile(r"([^,\s+]+)\+[^\s]+")
_STABILITIES = {"a": "alpha", "b": "beta", "p": "patch", "pl": "patch", "rc": "RC"}
_BRANCHES = ("master", "trunk", "default")
_PARTS = re.compile(r"[0-9]+|[^0-9.+_-]+")
_FORMS = (
    ("dev", 0),
    ("alpha", 1),
    ("a", 1),
    ("beta", 2),
    ("b", 2),
    ("RC", 3),
    ("rc", 3),
    ("#", 4),
    ("pl", 5),
    ("p", 5),
)
_NUMBER = 4
_UNKNOWN = -1


class ComposerScheme(VersionScheme):
    """The order of Composer."""

    name = "Composer"

    def explain_unordered(self, version: str) -> str:
        """Return the reason if the version is a branch."""
        if not self._normalise(version.strip()).startswith("dev-"):
            return super().explain_unordered(version)
        return str(self.invalid(version, "it is a branch, which has no place among the releases"))

    def _parse(self, version: str) -> Any:
        return (*map(_encode_part, _PARTS.findall(self._normalise(version))), (_NUMBER, -1))

    def _normalise(self, version: str) -> str:
        if match := _ALIAS.fullmatch(version):
            version = match[1]
        version = _STABILITY.sub("", version)
        if version in _BRANCHES:
            version = f"dev-{version}"
        if version[:4].lower() == "dev-":
            return f"dev-{version[4:]}"
        if match := _BUILD.fullmatch(version):
            version = match[1]
        if match := _CLASSICAL.fullmatch(version):
            numbers = match[1] + "".join(match[group] or ".0" for group in (2, 3, 4))
            return numbers + _normalise_modifier(match[5], match[6], match[7])
        if match := _DATE.fullmatch(version):
            return re.sub(r"[^0-9]", ".", match[1]) + _normalise_modifier(match[2], match[3], match[4])
        if match := _NUMERIC_BRANCH.fullmatch(version):
            numbers = match[1] + "".join(match[group] or ".x" for group in (2, 3, 4))
            return re.sub(r"[xX*]", "9999999", numbers) + "-dev"
        raise self.invalid(version, "expected up to four numbers, perhaps with -alpha1, -beta1, -RC1, -patch1 or -dev")


def _normalise_modifier(stability: str | None, number: str | None, dev: str | None) -> str:
    if stability == "stable":
        return ""
    modifier = ""
    if stability:
        name = stability.lower()
        modifier = f"-{_STABILITIES.get(name, name)}{(number or '').lstrip('.-')}"
    return f"{modifier}-dev" if dev else modifier


def _encode_part(part: str) -> tuple[int, int]:
    if part[0] in "0123456789":
        return _NUMBER, int(part)
    return next((rank for form, rank in _FORMS if part.startswith(form)), _UNKNOWN), 0


COMPOSER = ComposerScheme()

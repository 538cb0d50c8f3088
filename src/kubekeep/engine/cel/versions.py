"""Semantic versions of the Kubernetes library. Never compares build metadata."""

from __future__ import annotations

import re
from typing import Any, Final

from kubekeep.engine.cel.functions import Functions
from kubekeep.engine.cel.values import CelError, Opaque

VERSIONS: Final = Functions()

_PART: Final = r"(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_FORM: Final = re.compile(
    rf"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-({_PART}(?:\.{_PART})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
_NUMBER_MAX: Final = 2**64


class Version(Opaque):
    """A version; `order` compares as versions do."""

    __slots__ = ("numbers", "order")
    type_name = "kubernetes.Semver"

    def __init__(self, text: str) -> None:
        """Raises CelError for text that is no semantic version."""
        match = _FORM.fullmatch(text) if len(text) < 1000 else None
        if match is None:
            problem = "No Major.Minor.Patch elements found" if text.count(".") < 2 else "Invalid character(s) found"
            raise CelError(problem if text else "Version string empty")
        self.numbers = tuple(map(int, match.groups()[:3]))
        if max(self.numbers) >= _NUMBER_MAX:
            raise CelError("value out of range")
        # A number comes before a word, and no prerelease after every prerelease.
        parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in (match[4] or "").split(".") if part]
        self.order: Any = (self.numbers, not parts, parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.order == other.order

    def __hash__(self) -> int:
        return hash(self.numbers)


@VERSIONS.function("semver", "string -> kubernetes.Semver", "string, bool -> kubernetes.Semver")
def _version(text: str, normalize: bool = False) -> Version:  # noqa: FBT001, FBT002 - an argument of the language
    return Version(_normal(text) if normalize else text)


def _normal(text: str) -> str:
    """With three numbers, without a v and leading zeros."""
    parts = text.removeprefix("v").split(".", 2)
    for place, part in enumerate(parts):
        bare = part.lstrip("0")
        if len(part) > 1:
            parts[place] = bare if bare[:1].isdigit() else f"0{bare}"
    if len(parts) < 3 and re.search("[+-]", parts[-1]):
        raise CelError("short version cannot contain PreRelease/Build meta data")
    return ".".join([*parts, "0", "0"][:3])


@VERSIONS.function("isSemver", "string -> bool", "string, bool -> bool")
def _is_version(text: str, normalize: bool = False) -> bool:  # noqa: FBT001, FBT002 - an argument of the language
    try:
        _version(text, normalize)
    except CelError:
        return False
    return True


_PAIR: Final = "kubernetes.Semver, kubernetes.Semver -> "
VERSIONS.member("isGreaterThan", _PAIR + "bool")(lambda a, b: a.order > b.order)
VERSIONS.member("isLessThan", _PAIR + "bool")(lambda a, b: a.order < b.order)
VERSIONS.member("compareTo", _PAIR + "int")(lambda a, b: (a.order > b.order) - (a.order < b.order))
VERSIONS.member("major", "kubernetes.Semver -> int")(lambda version: version.numbers[0])
VERSIONS.member("minor", "kubernetes.Semver -> int")(lambda version: version.numbers[1])
VERSIONS.member("patch", "kubernetes.Semver -> int")(lambda version: version.numbers[2])

"""Versions of gems, as Gem::Version orders them, without the platform of a gem, as in "1.15.4-x86_64-linux"."""

from __future__ import annotations

import re
from typing import Any

from kubekeep.vulnerabilities.versions.scheme import VersionScheme

_VERSION = re.compile(r"[0-9]+(?:\.[0-9a-zA-Z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?")
_SEGMENTS = re.compile(r"[0-9]+|[a-zA-Z]+")
_SYSTEMS = "aix|cygwin|darwin|freebsd|hpux|java|jruby|linux|macruby|mingw|mswin|mswin64|netbsd|openbsd|solaris|wasi"
_PROCESSORS = (
    "x86|i[3-6]86|x64|x86_64|amd64|arm|armv[5-8][a-z]*|arm64|aarch64|universal|ppc|ppc64|ppc64le|powerpc|powerpc64"
    "|powerpc64le|s390x?|riscv64|mips(?:el)?|sparc|loongarch64|wasm32"
)
_PLATFORM = re.compile(
    rf"-(?:(?:{_PROCESSORS})-(?:{_SYSTEMS})[0-9.]*(?:-[0-9a-z.]+)*|(?:{_SYSTEMS}|dalvik)[0-9]*(?:-[0-9.]+)?|ruby)"
)
# Order of a segment: text, a zero before text, the end, a zero before a number, a number.
_TEXT, _ZERO_BEFORE_TEXT, _END, _ZERO_BEFORE_NUMBER, _NUMBER = range(5)


class RubygemsScheme(VersionScheme):
    """The order of RubyGems: a version with letters is a pre-release, and missing segments are zero."""

    name = "RubyGems"

    def _parse(self, version: str) -> Any:
        release = version
        platform = _PLATFORM.search(version)
        if platform and platform.end() == len(version):
            release = version[: platform.start()]
        if not _VERSION.fullmatch(release):
            raise self.invalid(version, "expected numbers and words that are separated by dots")
        segments = _SEGMENTS.findall(release.replace("-", ".pre."))
        first_text = next((index for index, segment in enumerate(segments) if segment.isalpha()), len(segments))
        numbers, others = segments[:first_text], segments[first_text:]
        return _encode([*_strip_zeros(numbers), *_strip_zeros(others)])


def _strip_zeros(segments: list[str]) -> list[str]:
    end = len(segments)
    while end and not segments[end - 1].strip("0"):
        end -= 1
    return segments[:end]


def _encode(segments: list[str]) -> tuple[tuple[int, int, str], ...]:
    encoded = [(_END, 0, "")]
    zero = _END
    for segment in reversed(segments):
        if segment.isalpha():
            encoded.append((_TEXT, 0, segment))
            zero = _ZERO_BEFORE_TEXT
        elif number := int(segment):
            encoded.append((_NUMBER, number, ""))
            zero = _ZERO_BEFORE_NUMBER
        else:
            encoded.append((zero, 0, ""))
    return tuple(reversed(encoded))


class KernelScheme(RubygemsScheme):
    """The order of the Linux kernel and Android, where "-rc10" is a pre-release after "-rc9"."""

    name = "kernel"


RUBYGEMS = RubygemsScheme()
KERNEL = KernelScheme()

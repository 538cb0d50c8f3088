"""Versions of numbers only: R packages (`package_version`) and Haskell packages (PVP). "1.0" is before "1.0.0"."""

from __future__ import annotations

import re

from kubekeep.vulnerabilities.versions.scheme import VersionScheme


class NumericScheme(VersionScheme):
    """The order of sequences of numbers. separators: the characters between the numbers."""

    def __init__(self, name: str, separators: str) -> None:
        super().__init__()
        self.name = name
        self._separators = re.compile(f"[{re.escape(separators)}]")
        self._pattern = re.compile(f"[0-9]+(?:[{re.escape(separators)}][0-9]+)*")

    def _parse(self, version: str) -> tuple[int, ...]:
        if not self._pattern.fullmatch(version):
            raise self.invalid(version, "expected only numbers and separators")
        return tuple(int(number) for number in self._separators.split(version))


CRAN = NumericScheme("R", ".-")
HACKAGE = NumericScheme("PVP", ".")

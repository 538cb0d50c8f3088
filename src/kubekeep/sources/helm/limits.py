"""What a chart may cost, and the error that says why one is not read. Values only."""

from __future__ import annotations

from typing import Final

import msgspec

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location, Region

_MIB: Final = 1024 * 1024


class ChartLimits(msgspec.Struct, frozen=True):
    """The limits of one chart with all its sub-charts.

    `entries` are files and folders, `bytes` the sum of what is read or unpacked, `file_bytes` one file: these two are
    Helm's own. `depth` counts charts within charts, `instances` the sub-charts that aliases multiply. A rendering has
    `seconds` of wall clock, `memory` bytes of data, and prints `output` bytes.
    """

    entries: int = 20_000
    bytes: int = 100 * _MIB
    file_bytes: int = 5 * _MIB
    depth: int = 16
    instances: int = 2_000
    seconds: float = 20.0
    memory: int = 1024 * _MIB
    output: int = 64 * _MIB


DEFAULT_CHART_LIMITS: Final = ChartLimits()


class ChartError(Exception):
    """A chart that cannot be read or rendered: where a person looks first, and why."""

    def __init__(self, file: str, message: str, region: Region | None = None) -> None:
        super().__init__(message)
        self.unread = Unread(Location(file or ".", region), message)


class Budget:
    """What is left of a chart's entries and bytes, while it is read."""

    def __init__(self, limits: ChartLimits) -> None:
        self.limits = limits
        self._entries = limits.entries
        self._bytes = limits.bytes

    @property
    def bytes_left(self) -> int:
        """How many bytes may still be read."""
        return self._bytes

    def entry(self, shown: str) -> None:
        """Count a file or folder; raises ChartError when there are too many."""
        self._entries -= 1
        if self._entries < 0:
            raise ChartError(shown, f"the chart has more than {self.limits.entries} files and folders: not read")

    def take(self, count: int, shown: str) -> None:
        """Count the bytes of the file `shown`; raises ChartError for too many."""
        if count > self.limits.file_bytes:
            raise ChartError(shown, f"larger than {self.limits.file_bytes} bytes, the most that Helm loads: not read")
        self._bytes -= count
        if self._bytes < 0:
            raise ChartError(shown, f"the chart is larger than {self.limits.bytes} bytes: not read")

"""Limits for loading and rendering a chart, and the error for a chart that exceeds them. No I/O."""

from __future__ import annotations

from typing import Final

import msgspec

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location, Region

_MIB: Final = 1024 * 1024


class ChartLimits(msgspec.Struct, frozen=True):
    """Limits for one chart with all its sub-charts.

    `entries` counts files and folders; `bytes` is the total read or unpacked, `file_bytes` the maximum of one file
    (both are Helm's limits). `depth` is the nesting of sub-charts, `instances` the number of sub-charts after aliases.
    For rendering: `seconds` of processor time, `wall_seconds` of any time, `memory` and `output` in bytes.
    """

    entries: int = 20_000
    bytes: int = 100 * _MIB
    file_bytes: int = 5 * _MIB
    depth: int = 16
    instances: int = 2_000
    seconds: float = 20.0
    wall_seconds: float = 180.0
    memory: int = 1024 * _MIB
    output: int = 64 * _MIB


DEFAULT_CHART_LIMITS: Final = ChartLimits()


class ChartError(Exception):
    """A chart that cannot be read or rendered, with the reason and the location to look at."""

    def __init__(self, file: str, message: str, region: Region | None = None) -> None:
        super().__init__(message)
        self.unread = UnreadInput(Location(file or ".", region), message)


class ChartBudget:
    """Remaining entries and bytes while a chart is loaded."""

    def __init__(self, limits: ChartLimits) -> None:
        self.limits = limits
        self._entries = limits.entries
        self._bytes = limits.bytes

    @property
    def bytes_left(self) -> int:
        """Number of bytes that may still be read."""
        return self._bytes

    def count_entry(self, shown_path: str) -> None:
        """Count a file or folder. Raises ChartError beyond the limit."""
        self._entries -= 1
        if self._entries < 0:
            raise ChartError(shown_path, f"the chart has more than {self.limits.entries} files and folders: not read")

    def count_bytes(self, count: int, shown_path: str) -> None:
        """Count the bytes of the file `shown_path`. Raises ChartError beyond the limit."""
        if count > self.limits.file_bytes:
            raise ChartError(shown_path, f"larger than {self.limits.file_bytes} bytes, the limit of Helm: not read")
        self._bytes -= count
        if self._bytes < 0:
            raise ChartError(shown_path, f"the chart is larger than {self.limits.bytes} bytes: not read")

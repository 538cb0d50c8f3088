"""Locations in our documents in Kubescape's layout. No I/O."""

from __future__ import annotations

from typing import Any

from kubekeep.model.location import Location, Region


def location_entry(location: Location) -> dict[str, Any]:
    """Return a file with its line and column range, and the value that a template inserted there."""
    entry: dict[str, Any] = {"file": location.file, **_lines(location.region)}
    if location.setting is not None:
        setting = location.setting
        entry["setting"] = {"key": setting.key, "file": setting.file, **_lines(setting.region)}
    return entry


def _lines(region: Region | None) -> dict[str, int]:
    if region is None:
        return {}
    start, end = region.start, region.end
    return {
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    }

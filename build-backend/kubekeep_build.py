"""Build backend of Kubekeep: maturin compiles the native module, then the wheel gets the index of its library.

A module for another machine cannot make it: `--config-settings index-wheel=PATH` names a wheel of the same sources that
has an index.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubekeep_index
import maturin  # type: ignore[import-untyped]
from maturin import (
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]


def build_wheel(
    wheel_directory: str, config_settings: Mapping[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Write the wheel into the folder and return its name."""
    name: str = maturin.build_wheel(wheel_directory, config_settings, metadata_directory)
    wheel = Path(wheel_directory, name)
    source = (config_settings or {}).get("index-wheel")
    try:
        kubekeep_index.add_index(wheel, Path(source) if source else wheel)
    except kubekeep_index.WheelError as error:
        wheel.unlink()
        sys.exit(f"kubekeep: {error}")
    return name

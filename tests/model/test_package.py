"""Versions of binary packages from those of their source."""

from __future__ import annotations

import pytest

from kubekeep.model.package import convert_source_version


@pytest.mark.parametrize(
    ("version", "source", "other", "expected"),
    [
        ("2.41-5", "2.41-5", "2.41-6", "2.41-6"),
        ("1:2.41-5", "2.41-5", "2.41-6", "1:2.41-6"),
        ("5.36.0-7", "4:5.36.0-7", "4:5.36.0-8", "5.36.0-8"),
        ("2:1.0-1", "1:1.0-1", "1:1.1-1", "2:1.1-1"),
        ("1:1.2.13-1+b1", "1:1.2.13-1", "1:1.3-1", "1:1.3-1"),
        # The source has a new epoch; the package may have it, too.
        ("1:2.41-5", "2.41-5", "1:2.41-6", ""),
        ("1:2.41-5", "2.41-5", "3:2.41-6", ""),
        ("4:12.2.0-3", "1.203", "1.204", ""),
        ("8.0.1-1", "8.0.101-8.0.1-1", "8.0.104-8.0.4-1", ""),
        ("1.2.3-1", "1.2", "1.3", ""),
        ("", "1.0", "1.1", ""),
    ],
)
def test_version_of_a_binary_package(version: str, source: str, other: str, expected: str) -> None:
    assert convert_source_version(version, source, other) == expected

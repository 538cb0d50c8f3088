"""Fixtures of the tests of Go symbols."""

from __future__ import annotations

from tests.go_symbols.programs import programs

__all__ = ["programs"]

"""Fixtures of the tests of the advisory database."""

from tests.vulnerabilities.database.bucket import bucket

__all__ = ["bucket"]

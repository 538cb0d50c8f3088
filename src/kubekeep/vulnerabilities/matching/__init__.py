"""Comparison of packages with advisories: `match_packages` and `explain_match`. Never reads a database or an image itself."""

from kubekeep.vulnerabilities.matching.explain import explain_match
from kubekeep.vulnerabilities.matching.go_imports import UsedSymbols
from kubekeep.vulnerabilities.matching.match import match_packages

__all__ = ["UsedSymbols", "explain_match", "match_packages"]

"""Severity of vulnerabilities: scores of CVSS vectors, words of databases, and the choice between them. No I/O."""

"""Kubekeep: an open platform for Kubernetes security.

The package itself imports nothing, so that every face starts quickly; it never does work at import.
"""

"""Artifacts in OCI registries, and their signatures. Independent of the content of artifacts.

Requires the packages of the extra `oci`, except `errors` and `reference`.
"""

"""Artifacts in OCI registries, and their signatures. Independent of the content of artifacts.

Signatures require the packages of the extra `oci`: the modules `artifacts`, `keys` and `signature`.
"""

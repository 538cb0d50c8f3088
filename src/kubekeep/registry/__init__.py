"""THE STORE: artifacts in OCI registries and their signatures. Never knows what is in an artifact.

Needs the packages of the extra `oci`, except in `errors` and `reference`.
"""

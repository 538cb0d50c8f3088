"""Dockerfiles: their instructions as BuildKit reads them, with the position of each argument. Builds nothing."""

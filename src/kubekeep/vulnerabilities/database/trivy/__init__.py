"""Databases of Trivy as sources of an import."""

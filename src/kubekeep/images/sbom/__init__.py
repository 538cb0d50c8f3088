"""SBOM documents: CycloneDX and SPDX, written and read, compared and merged. Never reads an image."""

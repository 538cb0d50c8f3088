"""SBOM documents as resources: their packages with known vulnerabilities and licences."""

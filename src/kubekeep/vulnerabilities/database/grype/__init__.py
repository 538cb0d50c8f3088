"""Databases of Grype, schema 6, read in place as a second source of advisories. Never changed or downloaded."""

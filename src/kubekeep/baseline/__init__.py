"""Baselines: saved findings, and the comparison of two scans by fingerprint. Never scans."""

"""Posture: selects controls, evaluates them on resources and sums up the verdicts. Never reads a source and never prints."""

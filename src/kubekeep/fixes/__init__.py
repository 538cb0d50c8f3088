"""Fixes: edits that resolve findings, planned, proven by a second scan and written on request."""

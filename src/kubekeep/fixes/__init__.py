"""Fixes: the edits that resolve findings, planned, proven by a second scan and written by the caller."""

"""Ecosystems: their parts, and one that only these tests define."""

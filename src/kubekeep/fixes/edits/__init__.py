"""Smallest edits of a YAML or JSON text that set or remove values. Opens and writes no files, evaluates no control."""

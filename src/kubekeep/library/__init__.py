"""WHAT: the controls and frameworks, as data with their loader. Never evaluates anything."""

"""The built-in Kubernetes API: kinds and fields by version, to detect misspelt ones. Never validates values."""

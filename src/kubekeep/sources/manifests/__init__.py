"""YAML and JSON manifests, read as `kubectl apply -f` reads them. Never searches for files."""

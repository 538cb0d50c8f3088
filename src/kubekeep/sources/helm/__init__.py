"""Helm charts as resources: loaded, rendered by Helm itself, and traced back to the lines that people wrote."""

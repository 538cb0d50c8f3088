"""Admission policies: parsed, matched to resources and evaluated as the API server does. Never queries a cluster."""

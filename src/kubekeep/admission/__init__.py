"""Admission policies: parsed, matched to resources and evaluated as the API server does. Never talks to a cluster."""

"""Helm charts as resources: loaded safely, rendered by Helm itself in a confined child, each document with its place.

`charts` is the entry. Never judges, never reaches the network, never writes outside a private folder of its own.
"""

"""Kustomizations: built by real kustomize, each value with the place in the base, patch or entry that set it."""

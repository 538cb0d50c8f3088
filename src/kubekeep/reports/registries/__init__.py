"""Texts about the images of registries, for people and as JSON. Reads no image."""

"""Texts about the signatures of images, for people and as JSON. Verifies nothing."""

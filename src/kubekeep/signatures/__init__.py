"""Signatures and attestations of images: discovery, verification, policies, signing. Never stores a key."""

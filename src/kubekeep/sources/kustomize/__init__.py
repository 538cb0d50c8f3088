"""Kustomizations, built by the kustomize program; each value has the location in the base, patch or entry that set it.

Never fetches a remote base.
"""

"""Nodes of several distributions as folders of real files, with real processes named like Kubernetes programs."""

"""Nodes of several distributions as folders of real files, and programs that really run under the names of Kubernetes'."""

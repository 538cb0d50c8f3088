"""Terraform modules as Kubernetes objects. Never runs Terraform or a provider, and downloads nothing."""

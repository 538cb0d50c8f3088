"""Kubernetes objects of Terraform modules. Never runs Terraform or a provider, and downloads nothing."""

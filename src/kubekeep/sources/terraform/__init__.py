"""Terraform modules as Kubernetes objects. Never runs Terraform or a provider, and downloads nothing."""

from kubekeep.sources.terraform.read import read_module, read_modules

__all__ = ["read_module", "read_modules"]

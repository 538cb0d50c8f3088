"""Terraform modules as the Kubernetes objects they make: `read_module`. Never runs Terraform, a provider or a download."""

from kubekeep.sources.terraform.read import read_module, read_modules

__all__ = ["read_module", "read_modules"]

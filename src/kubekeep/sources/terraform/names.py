"""Names of files of Terraform and OpenTofu. No I/O."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

TERRAFORM: Final = ".tf"
_OPENTOFU: Final = ".tofu"
EXTENSIONS: Final = (TERRAFORM, ".tf.json", _OPENTOFU, ".tofu.json")

VALUES_EXTENSIONS: Final = (".tfvars", ".tfvars.json")
UNKNOWN: Final = "not known before apply"
"""Part of the message about each value that only Terraform knows."""


def is_replaced(name: str, names: Collection[str]) -> bool:
    """Return True if a file of Terraform is replaced by one of OpenTofu with the same name (`main.tofu`)."""
    stem, extension, rest = name.rpartition(TERRAFORM)
    return bool(extension) and rest in ("", ".json") and f"{stem}{_OPENTOFU}{rest}" in names

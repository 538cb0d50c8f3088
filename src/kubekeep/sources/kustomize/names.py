"""Names and file type of kustomizations. No I/O."""

from __future__ import annotations

from typing import Final

from kubekeep.model.source import FileType

KUSTOMIZATIONS: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""Names of the file that makes a folder a kustomization (kustomize, `konfig.RecognizedKustomizationFileNames`)."""
KUSTOMIZE: Final = FileType(
    "Kustomize Directory",
    origin="kustomization",
    shares_files=True,
    fixed_files=KUSTOMIZATIONS,
    has_open_namespaces=True,
    fields=(("kustomizeDirectoryName", "folder"),),
)
